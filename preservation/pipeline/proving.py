"""Proofs for submitters: that what they sent stands in the custody log, checkable without us.

`proof.json` beside a receipt holds the sealed rows of that one submission and nobody else's, the log
entries that name their digests, and everything that leads from there to trusted time. It is written
anew as more of the submission is sealed, and says what isn't sealed yet.
"""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import select

from preservation.custody import CustodyLog
from preservation.errors import BadInput, Unavailable
from preservation.model.canonical import canonical_json
from preservation.model.tables import SUBMISSIONS
from preservation.pipeline.archive import DESCRIPTION_KEY, open_archive
from preservation.pipeline.log_keys import known_rotations
from preservation.pipeline.proof_sources import SealedBatches
from preservation.settings import Settings
from preservation.state import open_database, reading, schema
from preservation.store.port import ObjectStore
from preservation.submission.receipts import receipt_folder, replace_file, write_receipt

PROOF_VERSION = 1
PROOF_KIND = "receipt-proof"

_Lines = dict[int, tuple[int, str]]
"""Index of an entry to the size of the checkpoint that it is proven in, and its line."""


class Prover:
    """Writes proofs; reads each sealed batch once, however many submissions it holds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: ObjectStore = open_archive(settings)
        self._log = CustodyLog(self._store, settings.log_origin)
        self._sealed = SealedBatches(self._store, self._log)

    def write(self, submission_id: str) -> Path:
        """Write the proof for a submission beside its receipt; its path.

        Raises:
            BadInput: There is no such submission.
            Unavailable: None of it is sealed yet; nothing was written.
            LogBroken: The log can't be read.
        """
        submission, items = self._standing(submission_id)
        document = canonical_json(self._document(submission, items))
        folder = receipt_folder(self._settings, submission_id)
        signature = base64.b64decode(submission.receipt_signature)
        write_receipt(folder, submission.receipt.encode(), signature)
        _write_verifier(folder)
        path, content = folder / "proof.json", document
        if not path.exists() or path.read_bytes() != content:
            replace_file(path, content)
        return path

    def _standing(self, submission_id: str) -> tuple[Any, list[Any]]:
        item, table = schema.item, schema.submission
        with reading(open_database(self._settings.database_url)).connect() as connection:
            found = connection.execute(
                select(table).where(table.c.submission_id == submission_id)
            ).one_or_none()
            if found is None:
                msg = f"There is no submission {submission_id!r} here."
                raise BadInput(msg, remedy="'preserve status' lists the submissions.")
            columns = (item.c.item_id, item.c.row_number, item.c.sealed_batch_id)
            query = select(*columns).where(item.c.submission_id == submission_id)
            return found, list(connection.execute(query.order_by(item.c.row_number)))

    def _document(self, submission: Any, items: list[Any]) -> dict[str, Any]:
        named = {submission.sealed_batch_id, *(row.sealed_batch_id for row in items)}
        batches = sorted(batch_id for batch_id in named if batch_id in self._sealed)
        rows, lines = self._gathered(submission.submission_id, batches)
        names = sorted((*batches, self._sealed.newest), key=self._sealed.token_count)
        stated = {self._sealed.size_of(name): name for name in names}
        sizes, newest = sorted(stated), max(stated)
        lines |= self._rotations(sizes)
        return {
            "version": PROOF_VERSION,
            "kind": PROOF_KIND,
            "receipt_id": json.loads(submission.receipt)["receipt_id"],
            "receipt_sha256": submission.receipt_sha256,
            "submission_id": submission.submission_id,
            "log_origin": self._settings.log_origin,
            "log_public_key": json.loads(self._store.read(DESCRIPTION_KEY))["log_public_key"],
            "rows": rows,
            "entries": self._proven(lines),
            "checkpoints": [
                {"size": size, "note": self._log.read_checkpoint(size).body.decode()} for size in sizes
            ],
            "tokens": [token for size in sizes for token in self._sealed.tokens(stated[size])],
            "consistency": [
                {
                    "old_size": size,
                    "new_size": newest,
                    "proof": [node.hex() for node in self._log.consistency_proof(size, newest)],
                }
                for size in sizes[:-1]
            ],
            "pending": [
                {"item_id": row.item_id, "row": row.row_number}
                for row in items
                if row.sealed_batch_id not in self._sealed
            ],
        }

    def _gathered(
        self, submission_id: str, batch_ids: list[str]
    ) -> tuple[list[dict[str, Any]], _Lines]:
        """The submission's sealed rows, and the entries that name them."""
        rows: list[dict[str, Any]] = []
        lines: _Lines = {}
        for batch in map(self._sealed.batch, batch_ids):
            own = batch.rows.get(submission_id, [])
            rows += [{"table": table, "row": row} for table, row in own]
            for _, row in own:
                index, line = batch.lines[str(row.get("item_id") or row["submission_id"])]
                lines[index] = (batch.size, line)
        if not any(entry["table"] == SUBMISSIONS.name for entry in rows):
            msg = f"Submission {submission_id} isn't sealed yet."
            raise Unavailable(msg, remedy="Its proof can be made after the next seal.")
        return rows, lines

    def _rotations(self, sizes: list[int]) -> _Lines:
        """The entries that hand the log over to the keys that signed the checkpoints of *sizes*."""
        found = {}
        for rotation in known_rotations(self._settings, self._log):
            within = next((size for size in sizes if size > rotation.index), None)
            if within is not None:
                [entry] = self._log.entries(rotation.index, rotation.index + 1)
                found[rotation.index] = (within, entry.line.decode())
        return found

    def _proven(self, lines: _Lines) -> list[dict[str, Any]]:
        """Each line with the proof that it lies in its checkpoint, in the order of the log."""
        proofs: dict[int, list[bytes]] = {}
        for size in {size for size, _ in lines.values()}:
            indices = sorted(index for index, (within, _) in lines.items() if within == size)
            proofs |= zip(indices, self._log.inclusion_proofs(indices, size), strict=True)
        return [
            {"line": line, "size": size, "proof": [node.hex() for node in proofs[index]]}
            for index, (size, line) in sorted(lines.items())
        ]


def prove_receipt(settings: Settings, submission_id: str) -> tuple[Path, list[dict[str, Any]]]:
    """Write the proof that the submission stands in the log, as far as it is sealed by now.

    Returns:
        The proof's path, and the items (``item_id``, ``row``) that aren't sealed yet.

    Raises:
        BadInput: There is no such submission.
        Unavailable: None of it is sealed yet.
    """
    path = Prover(settings).write(submission_id)
    return path, list(json.loads(path.read_bytes())["pending"])


def _write_verifier(folder: Path) -> None:
    """Put the verifier that needs nothing of ours beside the receipt."""
    content = files("preservation.export").joinpath("verify.py").read_bytes()
    path = folder / "verify.py"
    if not path.exists() or path.read_bytes() != content:
        replace_file(path, content)
