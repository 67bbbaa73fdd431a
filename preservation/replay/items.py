"""Finds a sealed item, and what of it can be shown again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from preservation.errors import BadInput, EvidenceAtRisk
from preservation.manifest import manifest_keys, newest_seals, read_table
from preservation.model.tables import TABLES, Row
from preservation.model.vocabulary import Outcome, Role
from preservation.replay.index import Recorded, ReplayIndex, key_of
from preservation.replay.records import ByteRun
from preservation.store.port import ObjectStore

_LIST_THEM = "List them: preserve query 'SELECT item_id, submitted_url, outcome FROM items'"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedItem:
    """One attempt at a sealed item, whose records a WARC holds."""

    item_id: str
    batch_id: str
    capture_id: str
    attempt_number: int
    submitted_url: str | None
    requested_url: str | None
    final_url: str | None
    title: str | None
    outcome: str
    captured_at: datetime
    warc_key: str
    warc_offset: int
    warc_length: int
    digests: tuple[tuple[str, str], ...]
    """Role and SHA-256 of what the attempt holds of the page itself."""

    def run(self, store: ObjectStore) -> ByteRun:
        """Where its records lie."""
        return ByteRun.in_store(store, self.warc_key, offset=self.warc_offset, length=self.warc_length)


def sealed_item(store: ObjectStore, item_id: str, *, attempt: int | None = None) -> SealedItem:
    """The item *item_id*: its *attempt*, or the last one that brought something.

    Raises:
        BadInput: There is no such item or attempt, or it has no records of an exchange.
        EvidenceAtRisk: A seal or a manifest can't be read.
    """
    for seal in reversed(_seals(store)):
        items = [row for row in _rows(store, seal, "items") if row["item_id"] == item_id]
        if items:
            captures = [row for row in _rows(store, seal, "captures") if row["item_id"] == item_id]
            objects = [row for row in _rows(store, seal, "objects") if row["item_id"] == item_id]
            return _item(str(seal["batch_id"]), items[0], _chosen(items[0], captures, attempt), objects)
    raise BadInput(f"No sealed item is called {item_id}.", remedy=_LIST_THEM)


def index_of(store: ObjectStore, item: SealedItem) -> ReplayIndex:
    """What *item*'s records answer.

    Raises:
        EvidenceAtRisk: They can't be read.
    """
    with readable(item):
        return ReplayIndex.of(item.run(store))


@contextmanager
def readable(item: SealedItem) -> Iterator[None]:
    """Takes what goes wrong while *item*'s records are read for what it is.

    Raises:
        EvidenceAtRisk: They can't be read.
    """
    try:
        yield
    except (KeyError, OSError, ValueError) as error:
        raise EvidenceAtRisk(
            f"The records of item {item.item_id} in {item.warc_key} can't be read: {error}.",
            remedy="Run 'preserve verify' to see what changed.",
        ) from error


def page_of(item: SealedItem, index: ReplayIndex) -> Recorded:
    """The answer that a visit to *item* begins with.

    Raises:
        BadInput: None was recorded.
    """
    for url in (item.requested_url, item.final_url):
        found = index.find(key_of("GET", url)) if url else ()
        if found:
            return found[0]
    raise BadInput(
        f"Item {item.item_id} holds no answer for its page {item.requested_url}.",
        remedy=_attempts_of(item.item_id),
    )


def blob_run(store: ObjectStore, sha256: str) -> ByteRun | None:
    """The bitstream *sha256*, if it is stored as a file of its own."""
    key = f"blobs/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"
    if not store.has(key):
        return None
    return ByteRun.in_store(store, key, offset=0, length=store.size_bytes(key))


def _seals(store: ObjectStore) -> list[dict[str, Any]]:
    try:
        return newest_seals(store)
    except ValueError as error:
        raise EvidenceAtRisk(
            f"{error}.", remedy="Run 'preserve verify' to see what changed."
        ) from error


def _rows(store: ObjectStore, seal: dict[str, Any], table: str) -> list[Row]:
    key = manifest_keys(seal).get(table)
    try:
        return [] if key is None else read_table(store.read(key), TABLES[table])
    except (KeyError, ValueError) as error:
        raise EvidenceAtRisk(
            f"{key}: {error}.", remedy="Run 'preserve verify' to see what changed."
        ) from error


def _chosen(item: Row, captures: list[Row], attempt: int | None) -> Row:
    """The capture to show: the last of the best outcome, if none is named."""
    item_id = item["item_id"]
    if attempt is not None:
        captures = [row for row in captures if row["attempt_number"] == attempt]
        if not captures:
            raise BadInput(f"Item {item_id} has no attempt {attempt}.", remedy=_attempts_of(item_id))
    held = [row for row in captures if row["warc_file"] is not None]
    if not held:
        raise BadInput(
            f"Item {item_id} can't be replayed: it holds no exchange with a server"
            f" (engine {item['engine']}, {item['outcome']}, reason {item['reason'] or 'none'}).",
            remedy=_attempts_of(item_id),
        )
    return max(held, key=lambda row: (row["outcome"] != Outcome.NOT_CAPTURED, row["attempt_number"]))


def _attempts_of(item_id: object) -> str:
    """The command that lists the attempts at an item; it is shown, never run by us."""
    question = "SELECT attempt_number, outcome, reason, warc_file FROM captures WHERE item_id ="
    return f"Its attempts: preserve query \"{question} '{item_id}'\""


def _item(batch_id: str, item: Row, capture: Row, objects: list[Row]) -> SealedItem:
    shown = (Role.HTML_AS_SERVED, Role.RENDERED_DOM, Role.SCREENSHOT)
    values: dict[str, Any] = {**capture}
    return SealedItem(
        item_id=values["item_id"],
        batch_id=batch_id,
        capture_id=values["capture_id"],
        attempt_number=values["attempt_number"],
        submitted_url=_text(item, "submitted_url"),
        requested_url=values["requested_url"],
        final_url=values["final_url"],
        title=_text(item, "observed_title"),
        outcome=values["outcome"],
        captured_at=values["started_at"],
        warc_key=values["warc_file"],
        warc_offset=values["warc_offset"],
        warc_length=values["warc_length"],
        digests=tuple(
            (str(row["role"]), str(row["sha256"]))
            for row in objects
            if row["capture_id"] == capture["capture_id"] and row["role"] in shown
        ),
    )


def _text(row: Row, name: str) -> str | None:
    value = row[name]
    return None if value is None else str(value)
