"""The recording of a sealed attempt: taken out of the archive, or kept back from what others get."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from preservation.errors import BadInput
from preservation.model.urls import NETWORK_LOG_URI, RECORDING_URI
from preservation.replay.items import SealedItem, blob_run, readable
from preservation.replay.rebuilding import Rebuilt, rebuild
from preservation.replay.records import ByteRun, Record, blob_note, payload_of, records_in
from preservation.replay.written import new_file
from preservation.store.port import ObjectStore

CONFIDENTIAL = frozenset({RECORDING_URI, NETWORK_LOG_URI})
"""Target URIs of what tells more than the capture: session keys, our way out, our DNS answers."""

_FOR_OWNER = 0o600


def take_recording(store: ObjectStore, item: SealedItem, target: Path) -> Rebuilt:
    """Write the recording of *item*'s attempt to *target* (pcapng), and derive its answers once more.

    Raises:
        BadInput: *target* exists or can't be made, or the attempt left no recording.
        EvidenceAtRisk: The item's records or the recording can't be read.
    """
    with new_file(target, mode=_FOR_OWNER) as sink:
        sink.writelines(recording_of(store, item))
    with readable(item):
        return rebuild(target, item.run(store))


def recording_of(store: ObjectStore, item: SealedItem) -> Iterator[bytes]:
    """The recording of *item*'s attempt as pcapng, piece by piece.

    Raises:
        BadInput: The attempt left none.
        EvidenceAtRisk: It can't be read.
    """
    run = item.run(store)
    with readable(item):
        record = next((one for one in records_in(run) if subject_of(run, one) == RECORDING_URI), None)
        if record is None:
            raise BadInput(
                f"Item {item.item_id} has no recording of its attempt {item.attempt_number}.",
                remedy="Recordings are kept where preserve.toml doesn't say keeps_recordings = false.",
            )
    yield from content_of(store, item, record)


def subject_of(run: ByteRun, record: Record) -> str:
    """The target URI of what *record* holds, or says to lie in a file of its own; empty without one."""
    note = blob_note(run, record)
    return (note.target_uri if note else record.field("WARC-Target-URI")) or ""


def content_of(store: ObjectStore, item: SealedItem, record: Record) -> Iterator[bytes]:
    """What *record* of *item* holds, or the file that it names.

    Raises:
        EvidenceAtRisk: It can't be read, or that file is gone.
    """
    run = item.run(store)
    with readable(item):
        note = blob_note(run, record)
        if note is None:
            yield from payload_of(run, record)
            return
        blob = blob_run(store, note.sha256)
        if blob is None:
            raise ValueError(f"there is no blob {note.sha256}")
        yield from blob.pieces(0, blob.length)


class Excerpt:
    """The records of *run* but for those about the target URIs *withheld*, byte for byte.

    Raises:
        ValueError: They can't be read.
    """

    def __init__(self, run: ByteRun, withheld: Collection[str]) -> None:
        self._run = run
        about = [(record, subject_of(run, record)) for record in records_in(run)]
        self._gaps = [record for record, subject in about if subject in withheld]
        self.length = run.length - sum(gap.length for gap in self._gaps)
        wanted = CONFIDENTIAL.difference(withheld)
        self.blob_notes = [
            (record, subject)
            for record, subject in about
            if record.kind == "metadata" and subject in wanted
        ]
        """Records that say where something confidential lies which isn't withheld, and what it is."""

    def offset_of(self, record: Record) -> int:
        """Where *record* stands among those that are left."""
        before = sum(gap.length for gap in self._gaps if gap.offset < record.offset)
        return record.offset - self._run.offset - before

    def pieces(self) -> Iterator[bytes]:
        """The records that are left."""
        offset = self._run.offset
        for gap in self._gaps:
            yield from self._run.pieces(offset, gap.offset - offset)
            offset = gap.offset + gap.length
        yield from self._run.pieces(offset, self._run.offset + self._run.length - offset)
