"""What our own HTTP client brings back: values without input or output."""

from __future__ import annotations

from dataclasses import dataclass

from preservation.capture.evidence import Exchange
from preservation.capture.outcomes import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, and what came of it."""

    label: str
    """Finds it in the recording, answered or not."""
    url: str
    exchange: Exchange | None = None
    """Null if no answer came."""
    failure: Failure | None = None
    is_verified: bool = True
    """False: made without asking who answers, after a certificate fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came of one URL: the calls of its redirect chain, and why it fell short, if it did."""

    calls: tuple[Call, ...] = ()
    """In order: refused handshakes, redirects, then the answer that the chain led to."""
    failure: Failure | None = None
    """Why the body isn't whole, or isn't there at all."""
    certificate_fault: Failure | None = None
    """Why nobody vouches for who answered; null if somebody does."""
    pieces: tuple[Exchange, ...] = ()
    """The exchanges whose bodies follow each other and make up the last one: several, if it was gone
    on with.
    """
    given_up_pieces: tuple[Exchange, ...] = ()
    """The exchanges whose bodies broke off and are no part of the last one: it was given anew."""

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Every answered call."""
        return tuple(call.exchange for call in self.calls if call.exchange is not None)

    @property
    def final(self) -> Exchange | None:
        """The answer that the chain led to (the first of its pieces), if there was one."""
        return next(iter(self.pieces), None) or next(reversed(self.exchanges), None)

    @property
    def is_pieced_together(self) -> bool:
        """Whether the last body is whole, but came in more than one exchange."""
        return self.failure is None and len(self.pieces) > 1
