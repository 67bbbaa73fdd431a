"""What each kind of failure means: one visible table per source of failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from preservation.capture.gateway.gateway import Connection, Ending
from preservation.model.vocabulary import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt or a resource fell short, and the tool's own words for it."""

    reason: Reason
    error_class: str
    detail: str = ""


STATUS_REASONS: dict[int, Reason] = {
    204: Reason.NOT_FOUND,
    205: Reason.NOT_FOUND,
    401: Reason.LOGIN_WALL,
    402: Reason.LOGIN_WALL,
    403: Reason.LOGIN_WALL,
    404: Reason.NOT_FOUND,
    407: Reason.LOGIN_WALL,
    408: Reason.TIMEOUT,
    410: Reason.REMOVED,
    429: Reason.RATE_LIMITED,
    451: Reason.GEO_BLOCKED,
}
"""HTTP statuses that have a meaning of their own (RFC 9110 15, RFC 7725 for 451)."""

STATUS_CLASS_REASONS: dict[int, Reason | None] = {
    1: Reason.SERVER_ERROR,  # 101: to another protocol, which nobody asked for.
    2: None,
    3: Reason.SERVER_ERROR,  # A redirect that leads nowhere.
    4: Reason.UNSUPPORTED_SITE,
    5: Reason.SERVER_ERROR,
}
"""What any other status means, by its first digit."""

PART_ALONE = Failure(reason=Reason.TRUNCATED, error_class="PartialContent")
"""Of an answer that is a part of something (206), where all of it was asked for."""

ENDING_REASONS: dict[Ending, Reason] = {
    Ending.NETWORK_REFUSED: Reason.PRIVATE_NETWORK_REFUSED,
    Ending.PORT_REFUSED: Reason.UNSUPPORTED_SITE,
    Ending.DNS_FAILED: Reason.UNREACHABLE,
    Ending.CONNECT_REFUSED: Reason.UNREACHABLE,
    Ending.CONNECT_TIMED_OUT: Reason.UNREACHABLE,
    Ending.IDLE: Reason.TIMEOUT,
    Ending.TOO_SLOW: Reason.TIMEOUT,
    Ending.DEADLINE: Reason.TIMEOUT,
    Ending.TOO_LARGE: Reason.TOO_LARGE,
    Ending.TOO_MANY: Reason.TOO_LARGE,
    # Ours to mend, and never a reason to leave another way.
    Ending.EGRESS_FAILED: Reason.TOOL_ERROR,
}
"""Endings of a connection that explain a failure better than a client can."""

NET_ERROR_REASONS: tuple[tuple[str, Reason], ...] = (
    ("ERR_TOO_MANY_REDIRECTS", Reason.REDIRECT_LOOP),
    ("ERR_CONTENT_LENGTH_MISMATCH", Reason.TRUNCATED),
    ("ERR_INCOMPLETE_CHUNKED_ENCODING", Reason.TRUNCATED),
    ("ERR_INCOMPLETE_HTTP2", Reason.TRUNCATED),
    ("BodyCutShort", Reason.TRUNCATED),
    ("ERR_EMPTY_RESPONSE", Reason.TRUNCATED),
    ("ERR_CONNECTION_RESET", Reason.TRUNCATED),
    ("ERR_CONNECTION_CLOSED", Reason.TRUNCATED),
    ("ERR_CONNECTION_ABORTED", Reason.TRUNCATED),
    ("ERR_SOCKET_NOT_CONNECTED", Reason.TRUNCATED),
    ("ERR_HTTP2_", Reason.TRUNCATED),
    # A certificate of the visitor's own is what they log in with.
    ("ERR_SSL_CLIENT_AUTH_", Reason.LOGIN_WALL),
    ("ERR_BAD_SSL_CLIENT_AUTH_", Reason.LOGIN_WALL),
    ("ERR_CERT_", Reason.CERTIFICATE_FAULT),
    ("ERR_SSL_", Reason.CERTIFICATE_FAULT),
    ("ERR_BAD_SSL_", Reason.CERTIFICATE_FAULT),
    ("ERR_TIMED_OUT", Reason.TIMEOUT),
    ("ERR_CONNECTION_TIMED_OUT", Reason.UNREACHABLE),
    ("ERR_NAME_", Reason.UNREACHABLE),
    ("ERR_CONNECTION_", Reason.UNREACHABLE),
    ("ERR_ADDRESS_", Reason.UNREACHABLE),
    ("ERR_SOCKS_", Reason.UNREACHABLE),
    ("ERR_PROXY_", Reason.UNREACHABLE),
    ("ERR_INVALID_URL", Reason.MALFORMED_URL),
    ("ERR_UNSAFE_PORT", Reason.UNSUPPORTED_SITE),
    ("ERR_UNKNOWN_URL_SCHEME", Reason.UNSUPPORTED_SITE),
    ("ERR_DISALLOWED_URL_SCHEME", Reason.UNSUPPORTED_SITE),
    ("ERR_UNSAFE_REDIRECT", Reason.UNSUPPORTED_SITE),
    ("ERR_INVALID_", Reason.SERVER_ERROR),
    ("ERR_CONTENT_DECODING_", Reason.SERVER_ERROR),
    ("ERR_RESPONSE_", Reason.SERVER_ERROR),
    ("ERR_HTTP_RESPONSE_CODE_FAILURE", Reason.SERVER_ERROR),
)
"""Beginnings of Chromium's error names, without ``net::``; the first that fits wins."""


def status_reason(status: int) -> Reason | None:
    """Why an answer with *status* isn't the content; None if it is."""
    return STATUS_REASONS.get(status) or STATUS_CLASS_REASONS.get(status // 100, Reason.SERVER_ERROR)


def status_failure(status: int) -> Failure | None:
    """The failure that *status* means, if it means one."""
    reason = status_reason(status)
    return None if reason is None else Failure(reason=reason, error_class=f"HTTP {status}")


def connection_failure(connection: Connection | None) -> Failure | None:
    """The failure that the gateway saw on *connection*, if it saw one."""
    if connection is None or connection.ending not in ENDING_REASONS:
        return None
    detail = connection.detail or f"{connection.host}:{connection.port}"
    return Failure(
        reason=ENDING_REASONS[connection.ending],
        error_class=f"gateway: {connection.ending}",
        detail=detail,
    )


def net_error_failure(error_text: str) -> Failure:
    """The failure that Chromium's *error_text*, such as ``net::ERR_ABORTED``, means."""
    name = error_text.removeprefix("net::")
    fitting = (reason for beginning, reason in NET_ERROR_REASONS if name.startswith(beginning))
    return Failure(reason=next(fitting, Reason.TOOL_ERROR), error_class=error_text)


def retry_after_s(value: str | None, *, at: datetime) -> int | None:
    """Seconds that a Retry-After of *value* asks for (RFC 9110 10.2.3): a number or a date."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        # Python reads no number of more than 4300 digits.
        return min(int(text.lstrip("0")[:11] or "0"), 1 << 31)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return min(max(0, int((moment - at).total_seconds())), 1 << 31)
