"""What ties exported rows to the log and the log to time: entries, proofs, checkpoints, tokens, seals.

1. The pinned keys and the log's rotations make the chain of keys.
2. Every row is named by the entry of its item, submission or event; no entry names a missing row.
3. The newest time stamp that the log itself knew before an item bounds its time from below.
4. Where the log knows of the tokens over these checkpoints, that renews them (RFC 4998 5.2).
5. Every entry is in a checkpoint, every checkpoint in the newest, each signed by the key of its size.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from preservation.custody import CustodyLog, Entry, PublicKey, TreeHead, open_note
from preservation.custody.merkle import is_consistent, is_included
from preservation.custody.rotation import KeyChain, is_rotation, rotations_in
from preservation.export.faults import broken, readable
from preservation.export.holdings import ITEM_TABLES, Batch, Gathered
from preservation.model.tables import Row
from preservation.model.vocabulary import EventType

Proof = tuple[bytes, ...]


@dataclass(slots=True)
class Chain:
    """The part of the custody log that concerns some rows, checked."""

    keys: KeyChain
    newest_size: int
    """Size of the newest sealed checkpoint."""
    entries: dict[int, Entry] = field(default_factory=dict)
    sizes: set[int] = field(default_factory=set)
    """Of the checkpoints that matter."""
    heads: dict[int, TreeHead] = field(default_factory=dict)
    notes: dict[int, bytes] = field(default_factory=dict)
    ingestion: dict[str, Entry] = field(default_factory=dict)
    """Item or submission to the entry that names its rows."""
    older: dict[str, Row] = field(default_factory=dict)
    """Item to the event of the newest time stamp before it: the lower bound of its time."""

    def size_for(self, index: int) -> int:
        """Size of the smallest of these checkpoints that covers entry *index*."""
        return min(size for size in self.sizes if size > index)


class ChainReader:
    """Reads chains out of one log; *pinned* are the keys that its owner trusts."""

    def __init__(self, log: CustodyLog, batches: Sequence[Batch], pinned: Sequence[PublicKey]) -> None:
        self._log, self._batches = log, list(batches)
        self._stamps: dict[str, list[tuple[Entry, Row]]] = {}
        newest = self._batches[-1].checkpoint_size
        self._apart = list(self._entries_apart(newest))
        with readable("The log's keys"):
            rotations = rotations_in(self._apart, log.origin)
            keys = KeyChain.of(pinned, rotations)
        self._chain = Chain(keys=keys, newest_size=newest)

    def read(self, gathered: Gathered) -> Chain:
        """The chain of everything in *gathered*; events of earlier time stamps are added to it.

        Raises:
            EvidenceAtRisk: Rows, entries, proofs and checkpoints contradict each other.
        """
        chain = self._chain
        for entry in self._apart:
            if entry.index == 0 or is_rotation(entry):
                chain.entries[entry.index] = entry
        picked = _Picked(gathered)
        for batch in gathered.batches.values():
            for entry in self._log.entries(batch.start, batch.end):
                if picked.wants(entry):
                    chain.entries[entry.index] = entry
            chain.sizes.add(batch.checkpoint_size)
        chain.ingestion = picked.judged()
        self._bound_below(gathered)
        chain.sizes |= {chain.newest_size} | ({1} & set(self._log.checkpoint_sizes()))
        self._renew(gathered)
        for size in sorted(chain.sizes):
            self._open(size)
        return chain

    def inclusion(self, chain: Chain) -> Iterator[tuple[int, int, Proof]]:
        """Index, size and proof of each entry, in the order of the log."""
        by_size: dict[int, list[int]] = defaultdict(list)
        for index in sorted(chain.entries):
            by_size[chain.size_for(index)].append(index)
        for size, indices in sorted(by_size.items()):
            root = chain.heads[size].root
            for index, proof in zip(indices, self._log.inclusion_proofs(indices, size), strict=True):
                leaf = chain.entries[index].leaf_hash
                if not is_included(leaf, index=index, size=size, proof=proof, root=root):
                    raise broken(f"Log entry {index}", f"it isn't in the checkpoint of size {size}")
                yield index, size, tuple(proof)

    def consistency(self, chain: Chain) -> Iterator[tuple[int, int, Proof]]:
        """Old size, new size and proof from every sealed checkpoint of the archive to the newest."""
        newest = chain.heads[chain.newest_size]
        sealed = {batch.checkpoint_size for batch in self._batches}
        for size in sorted((sealed | chain.sizes) - {chain.newest_size}):
            head = chain.heads.get(size) or self._open(size)
            proof = self._log.consistency_proof(size, newest.size)
            if not is_consistent(
                size, head.root, new_size=newest.size, new_root=newest.root, proof=proof
            ):
                raise broken(f"The checkpoint of size {size}", "the newest doesn't go on from it")
            yield size, newest.size, tuple(proof)

    def _open(self, size: int) -> TreeHead:
        """The checkpoint of *size*, signed by the key of its time."""
        chain, subject = self._chain, f"The checkpoint of size {size}"
        with readable(subject):
            note = self._log.read_checkpoint(size).body
            head = TreeHead.parse(open_note(note, chain.keys.at(size)))
        if (head.origin, head.size) != (self._log.origin, size):
            raise broken(subject, "it is of another log or size")
        if size in chain.sizes:
            chain.notes[size], chain.heads[size] = note, head
        return head

    def _entries_apart(self, size: int) -> Iterator[Entry]:
        """The entries that belong to no batch: the founding, and rotations of the key."""
        at = 0
        for batch in self._batches:
            yield from self._log.entries(at, batch.start)
            at = batch.end
        yield from self._log.entries(at, max(at, size))

    def _bound_below(self, gathered: Gathered) -> None:
        """Find for each item the newest time stamps that were logged before it."""
        for item_id in gathered.item_ids:
            for entry, row in self._stamps_before(self._chain.ingestion[item_id].index):
                self._chain.sizes.add(stamped_size(row))
                self._chain.older[item_id] = row
                self._add(gathered, entry, row)

    def _renew(self, gathered: Gathered) -> None:
        """Add what the log says later of the tokens over these checkpoints."""
        sizes = self._chain.sizes
        later = [batch for batch, row in gathered.stamped_with if stamped_size(row) in sizes]
        for batch in {batch.batch_id: batch for batch in later}.values():
            for entry, row in self._stamps_of(batch):
                if stamped_size(row) in sizes:
                    self._add(gathered, entry, row)

    def _add(self, gathered: Gathered, entry: Entry, row: Row) -> None:
        """Add an event of a time stamp, once."""
        if entry.index not in self._chain.entries:
            self._chain.entries[entry.index] = entry
            gathered.rows["events"].append(row)

    def _stamps_before(self, index: int) -> list[tuple[Entry, Row]]:
        """The events of the newest checkpoint that was stamped before entry *index*; none, maybe."""
        position = bisect_right([batch.start for batch in self._batches], index)
        for batch in reversed(self._batches[:position]):
            known = [stamp for stamp in self._stamps_of(batch) if stamp[0].index < index]
            if known:
                newest = max(stamped_size(row) for _, row in known)
                return [stamp for stamp in known if stamped_size(stamp[1]) == newest]
        return []

    def _stamps_of(self, batch: Batch) -> list[tuple[Entry, Row]]:
        """The time-stamping events that were logged with *batch*."""
        if batch.batch_id not in self._stamps:
            entries = {
                str(entry.body["event"]): entry
                for entry in self._log.entries(batch.start, batch.end)
                if entry.event_type == EventType.TIMESTAMPING and "event" in entry.body
            }
            rows = batch.rows("events", {"row_sha256": entries.keys()}) if entries else []
            self._stamps[batch.batch_id] = [(entries[str(row["row_sha256"])], row) for row in rows]
        return self._stamps[batch.batch_id]


def stamped_size(event: Row) -> int:
    """Size of the checkpoint that a time-stamping event is about.

    Raises:
        EvidenceAtRisk: Its detail doesn't say.
    """
    with readable(f"The event {event['event_id']}"):
        return int(json.loads(str(event["detail_json"]))["token_key"].split("/")[2])


class _Picked:
    """Chooses the entries about gathered rows, and makes sure that rows and entries agree."""

    def __init__(self, gathered: Gathered) -> None:
        self._events = {str(row["row_sha256"]) for row in gathered.rows["events"]}
        self._subjects = {
            str(row["row_sha256"]): str(row[name])
            for table, name in (("items", "item_id"), ("submissions", "submission_id"))
            for row in gathered.rows[table]
        }
        self._expected = {
            **{item_id: _rows_of_item(gathered, item_id) for item_id in gathered.item_ids},
            **_rows_of_submissions(gathered),
        }
        self._found: dict[str, Entry] = {}
        self._seen: set[str] = set()

    def wants(self, entry: Entry) -> bool:
        """Whether *entry* is about a gathered row, or tells what its batch consists of."""
        if entry.body.get("event") in self._events:
            self._seen.add(str(entry.body["event"]))
            return True
        if entry.event_type != EventType.INGESTION:
            return entry.event_type == EventType.PACKING and "files" in entry.body
        named = entry.body.get("rows", {})
        subject = self._subjects.get(next(iter(named.get("items", named.get("submissions", []))), ""))
        if subject is not None:
            self._found[subject] = entry
        return subject is not None

    def judged(self) -> dict[str, Entry]:
        """Each item and submission with its entry.

        Raises:
            EvidenceAtRisk: A row isn't logged, or a logged row is missing.
        """
        for subject, rows in self._expected.items():
            entry = self._found.get(subject)
            if entry is None:
                raise broken(f"The ingestion of {subject}", "it isn't in the log")
            if {table: Counter(digests) for table, digests in entry.body["rows"].items()} != rows:
                raise broken(f"The rows of {subject}", "they aren't the ones that were logged")
        if self._seen != self._events:
            raise broken(f"The event row {min(self._events - self._seen)}", "it isn't in the log")
        return self._found


def _rows_of_item(gathered: Gathered, item_id: str) -> dict[str, Counter[str]]:
    tables = {table: gathered.of_item(table, item_id) for table in ("items", *ITEM_TABLES)}
    return _digests(tables)


def _rows_of_submissions(gathered: Gathered) -> dict[str, dict[str, Counter[str]]]:
    expected = {}
    for row in gathered.rows["submissions"]:
        sheets = [
            one
            for one in gathered.rows["protected"]
            if one["item_id"] is None and one["submission_id"] == row["submission_id"]
        ]
        expected[str(row["submission_id"])] = _digests({"submissions": [row], "protected": sheets})
    return expected


def _digests(tables: dict[str, list[Row]]) -> dict[str, Counter[str]]:
    return {
        table: Counter(str(row["row_sha256"]) for row in rows) for table, rows in tables.items() if rows
    }
