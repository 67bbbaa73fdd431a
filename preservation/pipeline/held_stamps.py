"""What time stamps the archive holds, when they expire, and which of them a later one covers."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import select

from preservation import clock
from preservation.manifest import newest_editions
from preservation.model.canonical import parse_instant
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.holdings import sealed_document
from preservation.settings import Settings
from preservation.state import open_database, reading, schema
from preservation.store.port import ObjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldStamp:
    """One time stamp, or the place of one that is missing."""

    batch_id: str | None
    """None for the founding checkpoint, which no batch owns."""
    checkpoint_size: int
    authority: str
    is_test_authority: bool
    status: str
    detail: str | None
    token_key: str | None
    gen_time: datetime | None
    token_not_after: datetime | None
    is_late: bool | None
    renewed_by: str | None = None
    """Key of the token that covers this one and lasts longer."""

    def expires_before(self, moment: datetime) -> bool:
        """Whether it has to be renewed by then."""
        is_bare = self.renewed_by is None and self.token_not_after is not None
        return is_bare and self.token_not_after is not None and self.token_not_after < moment


def list_timestamps(settings: Settings) -> list[HeldStamp]:
    """Every time stamp of every sealed batch, and of the founding checkpoint, oldest checkpoint first.

    Raises:
        StoreUnavailable: There is no archive.
    """
    store = open_archive(settings)
    events = _events(settings)
    held = [*_founding(events), *_of_seals(store)]
    sizes = {stamp.batch_id: stamp.checkpoint_size for stamp in held if stamp.batch_id}
    covers = _Covers(held)
    logged = {key: sizes.get(sealed) for key, (sealed, _) in events.items() if sealed}
    return sorted(
        (
            replace(stamp, renewed_by=covers.over(stamp, logged.get(_event_key(stamp))))
            for stamp in held
        ),
        key=lambda stamp: stamp.checkpoint_size,
    )


def list_anchors(settings: Settings) -> list[dict[str, Any]]:
    """Every OpenTimestamps anchor, as its seal tells of it."""
    store = open_archive(settings)
    return [
        {"batch_id": seal["batch_id"], "checkpoint_size": seal["checkpoint"]["size"], **anchor}
        for seal in _seals(store)
        for anchor in seal.get("anchors", ())
    ]


def expiring(stamps: Iterable[HeldStamp], days: int) -> list[HeldStamp]:
    """Those of *stamps* that expire within *days*, or have, and that no later one covers."""
    end = clock.now() + timedelta(days=days)
    return [stamp for stamp in stamps if stamp.expires_before(end)]


class _Covers:
    """Accepted tokens by expiry and by the size of what they cover."""

    def __init__(self, held: Iterable[HeldStamp]) -> None:
        self._by_expiry: dict[datetime, list[tuple[int, datetime, str]]] = defaultdict(list)
        for stamp in held:
            if stamp.token_key and stamp.token_not_after and stamp.gen_time:
                place = (stamp.checkpoint_size, stamp.gen_time, stamp.token_key)
                self._by_expiry[stamp.token_not_after].append(place)
        for places in self._by_expiry.values():
            places.sort()

    def over(self, stamp: HeldStamp, logged_size: int | None) -> str | None:
        """Key of a token over *logged_size* entries or more, made before *stamp* expires, that lasts
        longer; None if there is none, or if *stamp* isn't under a checkpoint yet.
        """
        expiry = stamp.token_not_after
        if expiry is None or logged_size is None:
            return None
        for later in sorted(end for end in self._by_expiry if end > expiry):
            places = self._by_expiry[later]
            for _, gen_time, key in places[bisect_left(places, logged_size, key=itemgetter(0)) :]:
                if gen_time <= expiry:
                    return key
        return None


def _events(settings: Settings) -> dict[str, tuple[str | None, Mapping[str, Any]]]:
    """Events about tokens: key to the batch that logged it, and its detail."""
    event = schema.event
    query = select(event.c.event_key, event.c.sealed_batch_id, event.c.detail).where(
        event.c.event_type == EventType.TIMESTAMPING
    )
    with reading(open_database(settings.database_url)).connect() as connection:
        return {row.event_key: (row.sealed_batch_id, row.detail) for row in connection.execute(query)}


def _event_key(stamp: HeldStamp) -> str:
    return f"timestamp:{stamp.batch_id or 'founding'}:{stamp.authority}"


def _founding(events: Mapping[str, tuple[str | None, Mapping[str, Any]]]) -> Iterator[HeldStamp]:
    for key, (_, detail) in events.items():
        if key.startswith("timestamp:founding:"):
            yield _held(None, detail["checkpoint_size"], {"status": "accepted", **detail})


def _of_seals(store: ObjectStore) -> Iterator[HeldStamp]:
    for seal in _seals(store):
        for entry in seal["timestamps"]:
            yield _held(seal["batch_id"], seal["checkpoint"]["size"], entry)


def _seals(store: ObjectStore) -> Iterator[dict[str, Any]]:
    """The newest edition of each seal, one at a time."""
    for batch_id, edition in newest_editions(store).items():
        yield sealed_document(store, batch_id, edition)


def _held(batch_id: str | None, size: int, entry: Mapping[str, Any]) -> HeldStamp:
    return HeldStamp(
        batch_id=batch_id,
        checkpoint_size=size,
        authority=entry["authority"],
        is_test_authority=entry["is_test_authority"],
        status=entry["status"],
        detail=entry.get("detail"),
        token_key=entry.get("token_key"),
        gen_time=_moment(entry.get("gen_time")),
        token_not_after=_moment(entry.get("token_not_after")),
        is_late=entry.get("is_late"),
    )


def _moment(text: str | None) -> datetime | None:
    return parse_instant(text) if text else None
