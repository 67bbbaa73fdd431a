"""What is appended at once: entries in their places, as the lines of one segment."""

from __future__ import annotations

import io
from binascii import hexlify
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

import orjson

from preservation import clock
from preservation.custody.entries import ENTRY_VERSION, Entry, EntryDraft, event_key_in
from preservation.custody.merkle import leaf_hash
from preservation.custody.segments import Segments, log_broken
from preservation.errors import LogBroken
from preservation.model.canonical import canonical_json

CLOCK_TOLERANCE = timedelta(seconds=300)
"""How far our clock may differ from the log's last entry, or from a time-stamping authority."""


# What `Entry.line` gives is put together from pieces, because entries share most of them.
@lru_cache(256)
def _around_body(agent: str, event_type: str, at: bytes) -> tuple[bytes, bytes]:
    """How a line begins, up to its body, and what stands between event key and index."""
    before = b'{"agent":%b,"at":%b,"body":' % (canonical_json(agent), at)
    return before, b',"event_type":%b,"index":' % canonical_json(event_type)


@lru_cache(256)
def _before_key(event_at: datetime) -> bytes:
    """What stands between body and event key."""
    return b',"event_at":%b,"event_key":' % canonical_json(event_at)


_CHAIN = b',"previous_leaf_hash":%b,"salt":"'
_END = b'","version":%d}' % ENTRY_VERSION


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the log ends, and which acts are logged from some index on."""

    size: int = 0
    last: Entry | None = None
    known: dict[str, int] = field(default_factory=dict)
    """Index by event key."""


def read_tail(segments: Segments, since: int) -> Tail:
    """The log's end, and the acts that stand at *since* or later.

    Raises:
        LogBroken: What was read is damaged.
    """
    known: dict[str, int] = {}
    index, line = -1, b""
    for index, line, _ in segments.lines(since):
        if index >= since:
            try:
                known.setdefault(event_key_in(line), index)
            except ValueError as error:
                where = segments.key_of(index)
                raise log_broken(f"{where} can't be read: entry {index}: {error}.") from error
    return Tail(index + 1, Entry.parse(line), known) if line else Tail()


class Appending:
    """The segment in the making that shall stand behind *tail*; all its entries are logged now.

    Raises:
        LogBroken: Our clock runs behind the log's last entry, or behind a draft's event.
    """

    def __init__(self, tail: Tail) -> None:
        self._now = clock.now()
        _refuse_clock_behind(tail.last, self._now)
        self._latest_event = self._now + CLOCK_TOLERANCE
        self._tail = tail
        self._at = canonical_json(self._now)
        self._lines = io.BytesIO()
        self._bodies: dict[str, EntryDraft] = {}
        """Drafts whose body speaks of its place."""

    @property
    def content(self) -> bytes:
        """The segment's bytes; empty if nothing was added."""
        return self._lines.getvalue()

    def add(self, drafts: Iterable[EntryDraft], placed: dict[str, int]) -> int:
        """Give each of *drafts* that isn't logged yet the next place, and note in *placed* where each
        stands, by event key; how many drafts there were.

        Raises:
            TypeError, ValueError: A body that speaks of its place has no canonical form.
        """
        count, index, known = 0, self._tail.size, self._tail.known
        last, write, at, json = self._tail.last, self._lines.write, self._at, orjson.dumps
        chain = _CHAIN % (b'"%b"' % hexlify(last.leaf_hash) if last else b"null")
        for draft, salt in zip(drafts, clock.new_salts(), strict=False):
            count += 1
            key = draft.event_key
            if key in known:
                placed[key] = known[key]
                continue
            moment = draft.event_at
            if moment > self._latest_event:
                raise self._ahead_of_clock(draft)
            before, between = _around_body(draft.agent, draft.event_type, at)
            line = b"".join(
                (
                    before,
                    draft.body_json or self._body_at(draft, index),
                    _before_key(moment),
                    json(key),
                    between,
                    b"%d" % index,
                    b',"item":',
                    json(draft.item_id),
                    chain,
                    salt,
                    _END,
                )
            )
            write(line)
            write(b"\n")
            chain = _CHAIN % (b'"%b"' % hexlify(leaf_hash(line)))
            placed[key] = index
            index += 1
        return count

    def _body_at(self, draft: EntryDraft, index: int) -> bytes:
        """The body of a draft that speaks of its place."""
        self._bodies[draft.event_key] = draft
        return draft.body_json_at(index)

    def _ahead_of_clock(self, draft: EntryDraft) -> LogBroken:
        return LogBroken(
            f"Our clock says {self._now}, but {draft.event_key} happened at {draft.event_at}.",
            remedy="Set the clock right; nothing was written.",
        )

    def drafts(self) -> Iterator[EntryDraft]:
        """What was added, to be given other places."""
        for line in io.BytesIO(self.content):
            draft = Entry.parse(line[:-1]).draft
            yield self._bodies.get(draft.event_key, draft)


def _refuse_clock_behind(last: Entry | None, now: datetime) -> None:
    if last is not None and now < last.at - CLOCK_TOLERANCE:
        raise LogBroken(
            f"Our clock says {now:%Y-%m-%d %H:%M:%S}, but entry {last.index} was logged at {last.at}.",
            remedy="Nothing was written. Set the clock right; if it is right now, it ran ahead when "
            "that entry was logged, and the log goes on once that time has passed.",
        )
