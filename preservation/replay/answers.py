"""Answers requests out of a capture, as its sites did: nothing is rewritten, nothing else is asked.

The n-th request for a URL gets the n-th recorded answer, every later one the last. A part of a body
(RFC 9110 14) is cut from a whole one, or from a recorded part that has it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from preservation.replay.bodies import Bodies
from preservation.replay.index import Key, Recorded, ReplayIndex, body_digest, key_of
from preservation.replay.records import Fields, field_of

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.IGNORECASE)
_OF_THE_WIRE = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers about how the body was framed, which it no longer is (RFC 9110 7.6.1)."""
_BODILESS = frozenset({204, 205, 304})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request of a page in replay."""

    method: str
    url: str
    fields: Fields = ()
    body: bytes = b""

    @property
    def key(self) -> Key:
        """What it is looked up by."""
        digest = body_digest(self.body, field_of(self.fields, "content-type"))
        return key_of(self.method, self.url, digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a page in replay gets."""

    status: int
    reason: str
    fields: Fields
    """The recorded headers, without those that its body no longer fits."""
    size_bytes: int | None
    """Of the body; null if it isn't known before it was read."""
    pieces: Callable[[], Iterator[bytes]]
    """The body; raises BodyUnreadable."""


class Answers:
    """Answers the requests of one replay, and notes what it could not answer.

    Bodies come without content coding, or with it if not *is_decoded*; a part of one has at most
    *largest_part_bytes*.
    """

    def __init__(
        self,
        index: ReplayIndex,
        bodies: Bodies,
        *,
        largest_part_bytes: int | None = None,
        is_decoded: bool = True,
    ) -> None:
        self._index, self._bodies = index, bodies
        self._largest_part_bytes, self._is_decoded = largest_part_bytes, is_decoded
        self._times: Counter[Key] = Counter()
        self.found: set[Key] = set()
        """Requests that were answered, or had no answer in the live page either."""
        self.missed: dict[Key, int] = {}
        """Requests that the capture knows nothing of, and how often they came."""

    def answer(self, asked: Asked) -> Answer | None:
        """What the capture answers; null if it has no answer."""
        key = asked.key
        recorded = self._index.find(key)
        part = _RANGE.fullmatch((field_of(asked.fields, "range") or "").replace(" ", ""))
        answer = self._part(recorded, part) if part and asked.method == "GET" else None
        answer = answer or self._whole(key, recorded)
        if answer is not None or self._index.is_unanswered(key):
            self.found.add(key)
        else:
            self.missed[key] = self.missed.get(key, 0) + 1
        return answer

    def _whole(self, key: Key, recorded: tuple[Recorded, ...]) -> Answer | None:
        usable = [one for one in recorded if _is_whole(one)]
        if not usable:
            return None
        chosen = usable[min(self._times[key], len(usable) - 1)]
        self._times[key] += 1
        status = 200 if chosen.status == 206 else chosen.status
        has_body = chosen.method != "HEAD" and status not in _BODILESS
        return Answer(
            status=status,
            reason="OK" if chosen.status == 206 else chosen.reason,
            fields=self._fields(chosen),
            size_bytes=None if has_body else 0,
            pieces=(lambda: self._pieces(chosen)) if has_body else _nothing,
        )

    def _pieces(self, one: Recorded) -> Iterator[bytes]:
        return self._bodies.pieces(one) if self._is_decoded else self._bodies.coded(one)

    def _fields(self, one: Recorded) -> Fields:
        dropped = _OF_THE_WIRE | ({"content-encoding"} if self._is_decoded else frozenset())
        return tuple((name, value) for name, value in one.fields if name.lower() not in dropped)

    def _part(self, recorded: tuple[Recorded, ...], asked: re.Match[str]) -> Answer | None:
        for one in sorted(recorded, key=lambda one: one.status):
            if one.status == 200:
                size = self._bodies.size_bytes(one)
                answer = self._cut(one, asked, held=(0, size), total=size)
            elif one.status == 206 and (span := _CONTENT_RANGE.match(one.field("content-range") or "")):
                # RFC 9110 14.4: an asterisk says that the whole length was unknown.
                first = int(span[1])
                end = first + self._bodies.size_bytes(one)
                total = end if span[3] == "*" else int(span[3])
                answer = self._cut(one, asked, held=(first, end), total=total)
            else:
                continue
            if answer is not None:
                return answer
        return None

    def _cut(
        self, one: Recorded, asked: re.Match[str], *, held: tuple[int, int], total: int
    ) -> Answer | None:
        """The part *asked* for of *one*, which holds the bytes *held* (first, end) of *total*."""
        span = _span(asked, total)
        if span is None or not held[0] <= span[0] < held[1]:
            return None
        first = span[0]
        end = min(span[1], held[1], first + (self._largest_part_bytes or total))
        dropped = _OF_THE_WIRE | {"content-encoding", "content-range"}
        fields = [(name, value) for name, value in one.fields if name.lower() not in dropped]
        return Answer(
            status=206,
            reason="Partial Content",
            fields=(*fields, ("Content-Range", f"bytes {first}-{end - 1}/{total}")),
            size_bytes=end - first,
            pieces=lambda: self._bodies.part(one, first - held[0], end - first),
        )


def _is_whole(one: Recorded) -> bool:
    if one.status != 206:
        return one.status != 304
    span = _CONTENT_RANGE.match(one.field("content-range") or "")
    return span is not None and int(span[1]) == 0 and span[3] == str(int(span[2]) + 1)


def _span(asked: re.Match[str], total: int) -> tuple[int, int] | None:
    """First byte and end of a range of *total* bytes (RFC 9110 14.1.2); null if there is none."""
    if asked[1]:
        first, end = int(asked[1]), int(asked[2]) + 1 if asked[2] else total
    elif asked[2]:
        first, end = max(0, total - int(asked[2])), total
    else:
        return None
    return (first, min(end, total)) if first < min(end, total) else None


def _nothing() -> Iterator[bytes]:
    return iter(())
