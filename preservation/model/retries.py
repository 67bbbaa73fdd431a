"""Which failures are tried again, and when: one visible table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from preservation.model.vocabulary import Reason


@dataclass(frozen=True, slots=True)
class RetryRule:
    """At most *attempts* tries that end for this reason; the n-th wait is
    ``base_s * factor ** (n - 1)`` seconds.
    """

    attempts: int
    base_s: int = 5
    factor: int = 4


_ONCE = RetryRule(attempts=1)

RETRY_RULES: dict[Reason, RetryRule] = {
    # The site or the way to it may recover.
    Reason.SERVER_ERROR: RetryRule(attempts=3),
    Reason.RATE_LIMITED: RetryRule(attempts=3, base_s=15),
    Reason.UNREACHABLE: RetryRule(attempts=3),
    Reason.TRUNCATED: RetryRule(attempts=3),
    # Each try of these costs a whole deadline.
    Reason.TIMEOUT: RetryRule(attempts=2),
    # Our own fault.
    Reason.TOOL_ERROR: RetryRule(attempts=3),
    # What is held stays held; one more try may bring the rest.
    Reason.RESOURCES_MISSING: _ONCE,
    # The answer is an answer.
    Reason.LOGIN_WALL: _ONCE,
    Reason.REMOVED: _ONCE,
    Reason.GEO_BLOCKED: _ONCE,
    Reason.TOO_LARGE: _ONCE,
    Reason.UNSUPPORTED_SITE: _ONCE,
    Reason.MALFORMED_URL: _ONCE,
    Reason.PRIVATE_NETWORK_REFUSED: _ONCE,
    Reason.MALWARE_SUSPECTED: _ONCE,
    Reason.NOT_FOUND: _ONCE,
    Reason.REDIRECT_LOOP: _ONCE,
    Reason.CERTIFICATE_FAULT: _ONCE,
}

LONGEST_WAIT_S = 6 * 3600
"""A server that asks for a longer pause is tried after this one."""

MOST_ATTEMPTS = 10
"""An item that fails for ever new reasons ends here."""


def wait_before_next_try(
    reasons: Sequence[Reason], *, retry_after_s: int | None, wait_percent: int = 100
) -> int | None:
    """Seconds until the next try, or None when the failure is final.

    *reasons* are those of all attempts so far, the newest last. Retry-After (RFC 9110 10.2.3)
    wins over *wait_percent* of the table's own wait, up to `LONGEST_WAIT_S`.
    """
    newest = reasons[-1]
    rule, failures = RETRY_RULES[newest], reasons.count(newest)
    if failures >= rule.attempts or len(reasons) >= MOST_ATTEMPTS:
        return None
    own_wait = max(rule.base_s * rule.factor ** (failures - 1) * wait_percent // 100, 1)
    wait = own_wait if retry_after_s is None else max(retry_after_s, 1)
    return min(wait, LONGEST_WAIT_S)
