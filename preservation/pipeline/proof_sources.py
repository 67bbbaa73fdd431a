"""What proofs for submitters are made from: sealed batches, each read once."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from preservation.custody import CustodyLog
from preservation.manifest import manifest_keys, newest_editions, read_table
from preservation.model.tables import ITEMS, SUBMISSIONS, Row
from preservation.pipeline.holdings import sealed_document
from preservation.store.port import ObjectStore

_OPENING = "ingestion:"


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """What of one sealed batch can be handed back."""

    size: int
    """Of its checkpoint."""
    rows: dict[str, list[tuple[str, Row]]]
    """Submission to its rows, each with its table's name."""
    lines: dict[str, tuple[int, str]]
    """Subject (submission or item) to index and line of its entry."""


class SealedBatches:
    """The sealed batches of an archive."""

    def __init__(self, store: ObjectStore, log: CustodyLog) -> None:
        self._store, self._log = store, log
        self.batch = lru_cache(maxsize=4)(self._batch)

    @cached_property
    def _editions(self) -> Mapping[str, int]:
        """Batch to its seal's newest edition; listed when first asked for."""
        return newest_editions(self._store)

    def __contains__(self, batch_id: object) -> bool:
        return batch_id in self._editions

    @property
    def newest(self) -> str:
        """The batch that was sealed last: identifiers sort by creation, and sealing keeps to that."""
        return max(self._editions)

    def size_of(self, batch_id: str) -> int:
        """Size of its checkpoint."""
        return int(self._seal(batch_id)["checkpoint"]["size"])

    def token_count(self, batch_id: str) -> int:
        """How many tokens its seal names: of two over one checkpoint, one may be an edition behind."""
        return sum(stamp["token_key"] is not None for stamp in self._seal(batch_id)["timestamps"])

    def tokens(self, batch_id: str) -> Iterator[dict[str, Any]]:
        """The tokens over its checkpoint, with the certificates that they were accepted under and the
        revocation lists that were had.
        """
        seal = self._seal(batch_id)
        for stamp in seal["timestamps"]:
            if key := stamp["token_key"]:
                chain = self._store.read(f"{key.removesuffix('.tsr')}.chain.pem")
                lists = (
                    self._store.read(stamp["revocation_key"]) if stamp.get("revocation_key") else b""
                )
                yield {
                    "size": seal["checkpoint"]["size"],
                    "authority": stamp["authority"],
                    "token": base64.b64encode(self._store.read(key)).decode("ascii"),
                    "chain_pem": chain.decode("ascii"),
                    "crl_pem": lists.decode("ascii"),
                }

    def _seal(self, batch_id: str) -> dict[str, Any]:
        return sealed_document(self._store, batch_id, self._editions[batch_id])

    def _batch(self, batch_id: str) -> SealedBatch:
        seal = self._seal(batch_id)
        keys = manifest_keys(seal)
        rows: dict[str, list[tuple[str, Row]]] = {}
        for table in (SUBMISSIONS, ITEMS):
            for row in read_table(self._store.read(keys[table.name]), table):
                rows.setdefault(str(row["submission_id"]), []).append((table.name, row))
        lines = {
            entry.event_key.removeprefix(_OPENING): (entry.index, entry.line.decode())
            for entry in self._log.entries(seal["log"]["start"], seal["log"]["end"])
            if entry.event_key.startswith(_OPENING)
        }
        return SealedBatch(seal["checkpoint"]["size"], rows, lines)
