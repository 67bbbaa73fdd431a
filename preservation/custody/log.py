"""The custody log of one archive: entries, tiles and checkpoints in its object store.

One append writes one segment, ``log/entries/<index of its first entry>.jsonl``, by compare-and-set:
of two writers that saw the same end exactly one creates the key, the other looks again. So the log
can't fork, and a crash leaves either the whole segment or nothing. A store that answers "perhaps" is
asked again by whoever repeats the act: it is found by its event key, a checkpoint by its size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from preservation.custody import merkle
from preservation.custody.appending import Appending, Tail, read_tail
from preservation.custody.checkpoints import TreeHead
from preservation.custody.entries import Entry, EntryDraft, chains_to
from preservation.custody.keys import PublicKey, SigningKey
from preservation.custody.notes import LARGEST_NOTE_BYTES, open_note, parse_note, sign_note
from preservation.custody.segments import Segments, log_broken, segment_key
from preservation.custody.signing import (
    CHECKPOINT_PREFIX,
    Checkpoint,
    Cosign,
    CosignRequest,
    SignedBy,
    checkpoint_key,
    checkpoint_size,
    is_checkpoint_key,
)
from preservation.custody.tile_tree import TileTree, read_tile
from preservation.custody.tiles import TileBuilder
from preservation.errors import LogBroken
from preservation.store.bounded import read_document
from preservation.store.port import ObjectStore


class CustodyLog:
    """The log that *origin* names, in *store*."""

    def __init__(self, store: ObjectStore, origin: str) -> None:
        self.origin = origin
        self._store = store

    def size(self) -> int:
        """How many entries the log has; reads its last segment only.

        Raises:
            LogBroken: The last segment is damaged, or a checkpoint covers more entries than there are.
        """
        return self._tail().size

    def append(self, drafts: Iterable[EntryDraft], *, since: int) -> dict[str, int]:
        """Log each of *drafts* once, all that are new in one segment, in the order given.

        Gives the index of each by its event key. A draft whose event key stands at *since* or later is
        logged already and not again: pass the size that the log had before the act's first attempt.

        Raises:
            LogBroken: The log contradicts itself, or our clock runs behind it or behind an event.
            StoreUnavailable: Perhaps they are logged, perhaps not: append them again.
            TypeError, ValueError: A draft has no canonical form, or an event key stands twice.
        """
        placed: dict[str, int] = {}
        missing: Iterable[EntryDraft] = drafts
        while True:
            tail = self._tail(since)
            segment = Appending(tail)
            if segment.add(missing, placed) > len(placed):
                msg = "an event key stands twice in one append"
                raise ValueError(msg)
            content = segment.content
            if not content or self._store.claim(segment_key(tail.size), content):
                return placed
            missing = segment.drafts()

    def entries(self, start: int, end: int) -> Iterator[Entry]:
        """The entries from *start* up to, not including, *end*, segment by segment.

        Raises:
            LogBroken: One is missing, unreadable or out of place.
        """
        return Segments(self._store).entries(start, end)

    def inclusion_proofs(self, indices: Iterable[int], size: int) -> Iterator[list[bytes]]:
        """What shows that each of the entries *indices* is in the checkpoint of *size*; reads tiles
        only, and each of them once if *indices* ascend.

        Raises:
            LogBroken: A tile is missing or damaged.
            ValueError: There is no such entry.
        """
        return TileTree(self._store, size).inclusion_proofs(indices)

    def consistency_proof(self, old_size: int, new_size: int) -> list[bytes]:
        """What shows that the first *old_size* entries of a checkpoint are those of an older one."""
        return merkle.consistency_proof(old_size, new_size, TileTree(self._store, new_size).subtree)

    def checkpoint_sizes(self) -> list[int]:
        """The sizes of all checkpoints, ascending."""
        keys = filter(is_checkpoint_key, self._store.keys(CHECKPOINT_PREFIX))
        return [checkpoint_size(key) for key in keys]

    def read_checkpoint(self, size: int) -> Checkpoint:
        """The checkpoint of *size* as it is stored; its signatures aren't verified.

        Raises:
            LogBroken: There is none, or it isn't a checkpoint.
        """
        try:
            note = read_document(self._store, checkpoint_key(size), LARGEST_NOTE_BYTES)
            root = TreeHead.parse(parse_note(note)[0]).root
        except KeyError as error:
            raise log_broken(f"The custody log has no {checkpoint_key(size)}.") from error
        except ValueError as error:
            raise log_broken(f"{checkpoint_key(size)}: {error}.") from error
        return Checkpoint(size=size, root_hex=root.hex(), key=checkpoint_key(size), body=note)

    def checkpoint(
        self,
        key: SigningKey,
        *,
        size: int | None = None,
        cosign: Cosign | None = None,
        signed_by: SignedBy | None = None,
    ) -> Checkpoint:
        """Sign the first *size* entries (all, if None) and keep their tiles.

        The first complete note of a size wins: the same size again gives the same bytes, whatever was
        appended in between, and witnesses aren't asked again. *signed_by* tells the key in force; None
        means that *key* always was.

        Raises:
            LogBroken: The log is shorter, contradicts the checkpoint before, or *key* isn't in force.
            StoreConflict: A tile of this size exists with other bytes: a fork.
        """
        in_force = signed_by or (lambda _: key.public)
        size = self._tail().size if size is None else size
        if size < 1:
            raise log_broken("An empty custody log can't be signed.")
        old_size = max((known for known in self.checkpoint_sizes() if known < size), default=0)
        tree = self._signed_tree(old_size, in_force)
        tree.extend(self._unsigned_leaves(old_size, size))
        for place, tile in tree.partials():
            self._store.put(place.key, tile)
        head = TreeHead(self.origin, size, tree.root())
        if not self._store.has(checkpoint_key(size)):
            _require_in_force(key.public, in_force(size), size)
            note = self._note(head, old_size, key=key, cosign=cosign)
            self._store.claim(checkpoint_key(size), note)
        return self._stored(head, in_force(size))

    def _tail(self, since: int | None = None) -> Tail:
        """The log's end; acts known from *since* on."""
        # Listed before the segments: whatever a checkpoint covers was appended before it.
        signed = self.checkpoint_sizes()
        segments = Segments(self._store)
        tail = read_tail(segments, sys.maxsize if since is None else since)
        expected = max([*signed, since or 0])
        if tail.size < expected:
            raise log_broken(
                f"The custody log has {tail.size} entries, but once had {expected}: "
                f"{segment_key(tail.size)} is missing.",
            )
        self._require_segments(segments, (size for size in signed if size < tail.size))
        return tail

    def _require_segments(self, segments: Segments, signed: Iterable[int]) -> None:
        """Raise LogBroken unless the entry behind each checkpoint is there."""
        missing = next((size for size in signed if not segments.holds(size)), None)
        # A listing while others append may skip what is new: only a second look is sure.
        if missing is not None and not Segments(self._store).holds(missing):
            raise log_broken(f"The custody log has a gap: {segment_key(missing)} is missing.")

    def _signed_tree(self, size: int, in_force: SignedBy) -> TileBuilder:
        """The tree as last signed: a damaged tile can't slip under a new signature."""
        if size:
            root = TileTree(self._store, size).root()
            self._stored(TreeHead(self.origin, size, root), in_force(size))
        return TileBuilder.resume(
            size,
            read=lambda place: read_tile(self._store, place),
            full_tile=lambda place, tile: self._store.put(place.key, tile),
        )

    def _unsigned_leaves(self, start: int, end: int) -> Iterator[bytes]:
        """Hashes of the entries that a checkpoint of *end* adds to one of *start*."""
        signed = TileTree(self._store, start).leaf(start - 1) if start else None
        expected = start
        for index, line, leaf in Segments(self._store).lines(start, end):
            if index != expected or index >= end:
                continue
            if index == start and signed is not None and not chains_to(line, signed):
                raise log_broken(f"Entry {index} doesn't follow the entry that was signed last.")
            yield leaf
            expected += 1
        if expected < end:
            raise log_broken(f"Entry {expected} is missing.")

    def _note(self, head: TreeHead, old_size: int, *, key: SigningKey, cosign: Cosign | None) -> bytes:
        """The checkpoint, signed by *key* and by those that *cosign* asks."""
        note = sign_note(head.text, key)
        if cosign is None:
            return note
        request = CosignRequest(
            note=note,
            size=head.size,
            old_size=old_size,
            consistency_from=lambda old: self.consistency_proof(old, head.size) if old else [],
        )
        note += b"".join(cosign(request))
        open_note(note, key.public)
        return note

    def _stored(self, head: TreeHead, signer: PublicKey) -> Checkpoint:
        """The checkpoint over *head* as it is stored.

        Raises:
            LogBroken: It isn't signed by *signer*, or is over another tree.
        """
        stored = self.read_checkpoint(head.size)
        try:
            text = open_note(stored.body, signer)
        except ValueError as error:
            raise log_broken(f"{stored.key} can't be trusted: {error}.") from error
        if text != head.text:
            raise log_broken(f"{stored.key} and the tree contradict each other.")
        return stored


def _require_in_force(key: PublicKey, in_force: PublicKey, size: int) -> None:
    if key != in_force:
        raise LogBroken(
            f"A checkpoint of size {size} must be signed by {in_force}.",
            remedy="Nothing was signed. Sign with that key, or a size behind the key rotation.",
        )
