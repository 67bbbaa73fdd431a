"""A log in memory that can be asked for any checkpoint and proof, and can lie about its past."""

from __future__ import annotations

from preservation.custody import SigningKey, TreeHead, merkle, sign_note
from preservation.custody.signing import CosignRequest
from preservation.witness.rules import written_request


class WitnessedLog:
    """Entries of *origin*; logs of another *branch* differ from entry *forked_at* on."""

    def __init__(self, origin: str = "log.invalid/1", *, branch: str = "", forked_at: int = 0):
        self.key = SigningKey.from_raw(origin, bytes(32))
        self._leaves = [
            merkle.leaf_hash(f"{branch if index >= forked_at else ''}{index}".encode())
            for index in range(300)
        ]

    def head(self, size: int) -> TreeHead:
        return TreeHead(self.key.public.name, size, merkle.root(self._leaves[:size]))

    def note(self, size: int) -> bytes:
        return sign_note(self.head(size).text, self.key)

    def proof(self, old: int, size: int) -> list[bytes]:
        if not 0 < old < size:
            return []
        return merkle.consistency_proof(old, size, merkle.subtree_of(self._leaves))

    def request(self, old: int, size: int) -> bytes:
        return written_request(old, self.proof(old, size), self.note(size))

    def asks(self, old: int, size: int) -> CosignRequest:
        return CosignRequest(
            note=self.note(size),
            size=size,
            old_size=old,
            consistency_from=lambda named: self.proof(named, size),
        )
