"""Take out of a batch's rows what identifies a source, and keep it encrypted beside them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine as Database
from sqlalchemy import select

from preservation.errors import SettingsInvalid
from preservation.model import tables
from preservation.model.tables import Row
from preservation.pipeline.archive import open_archive
from preservation.pipeline.holdings import sealed_rows
from preservation.pipeline.sealing import rows
from preservation.protection import Protected, SourceKey, SourceKeys, protect, protected_columns
from preservation.settings import Settings
from preservation.state import reading, schema
from preservation.submission import submitted_sheet

SHEET = "submissions.source"
"""Subject of a submitted sheet or list as it was received."""


def source_keys(settings: Settings) -> SourceKeys:
    """The keys of this deployment's sources."""
    return SourceKeys(settings.keys / "sources")


class Protector:
    """Protects the rows of one batch; ciphertexts that become files of their own lie in *folder*."""

    def __init__(self, settings: Settings, database: Database, folder: Path) -> None:
        self._settings, self._database, self._folder = settings, database, folder
        self._keys = source_keys(settings)
        self.blobs: dict[str, Path] = {}
        """SHA-256 to file, for every ciphertext that is stored as a file of its own."""

    def item(self, values: dict[str, Any]) -> Iterator[tuple[str, Row]]:
        """The item's row, and one row for each value in it that is protected."""
        hidden: dict[str, str] = {}
        if self._settings.protects_sources:
            columns = protected_columns(values["claimed_protection_flags"])
            hidden = {name: values[name] for name in columns if values[name] is not None}
        names = ",".join(hidden) or None
        shown = {**values, **dict.fromkeys(hidden), "protected_columns": names}
        yield "items", tables.ITEMS.row(shown)
        for column, value in hidden.items():
            sealed = protect(value.encode("utf-8"), self._key(values["submitter_ref"]))
            encoded = base64.b64encode(sealed.ciphertext).decode("ascii")
            own = {"item_id": values["item_id"], "ciphertext_base64": encoded}
            yield "protected", _row(values, f"items.{column}", sealed, own)

    def sheet(self, submission: Any) -> Iterator[tuple[str, Row]]:
        """The row of the sheet as received, which becomes a file of its own; none if none came."""
        content = submitted_sheet(self._settings, submission)
        if content is None or not self._settings.protects_sources:
            return
        sealed = protect(content, self._key(submission.submitter_ref))
        self._folder.mkdir(exist_ok=True)
        path = self._folder / sealed.ciphertext_sha256
        path.write_bytes(sealed.ciphertext)
        self.blobs[sealed.ciphertext_sha256] = path
        own = {"blob_key": rows.blob_key(sealed.ciphertext_sha256)}
        yield "protected", _row(submission._mapping, SHEET, sealed, own)  # noqa: SLF001 - SQLAlchemy's name

    def _key(self, source: str) -> SourceKey:
        """The key of *source*, made if it is the first or the one before was erased on record.

        Raises:
            SettingsInvalid: What is sealed of it was protected by a key that is lost, or its file
                can't be read.
        """
        if (known := self._keys.known(source)) is not None:
            return known
        if self._has_sealed(source):
            erased = {key.recipient for key in self._keys.erased(source)}
            own = sealed_rows(
                open_archive(self._settings), tables.PROTECTED, {"submitter_ref": {source}}
            )
            if {row["recipient"] for row in own} - erased:
                raise _lost(self._settings, source)
        return self._keys.of(source)

    def _has_sealed(self, source: str) -> bool:
        """Whether the database knows of any; if not, nobody has to read the archive."""
        submission, batch = schema.submission, schema.seal_batch
        sealed = select(batch.c.batch_id).where(batch.c.sealed_at.is_not(None))
        query = select(submission.c.submission_id).where(
            submission.c.submitter_ref == source, submission.c.sealed_batch_id.in_(sealed)
        )
        with reading(self._database).connect() as connection:
            return connection.execute(query.limit(1)).first() is not None


def _lost(settings: Settings, source: str) -> SettingsInvalid:
    path = settings.keys / "sources" / f"{source}.agekey"
    return SettingsInvalid(
        f"The key of the source {source} is gone, and was never erased: {path}.",
        remedy="Restore keys/ from its safe copy; the batch waits, and nothing is lost. "
        "docs/protection.md says how to go on if there is no copy.",
    )


def _row(whose: Any, subject: str, sealed: Protected, own: dict[str, str]) -> Row:
    return tables.PROTECTED.row(
        {
            "submission_id": whose["submission_id"],
            "submitter_ref": whose["submitter_ref"],
            "subject": subject,
            "recipient": sealed.recipient,
            "plaintext_sha256": sealed.plaintext_sha256,
            "ciphertext_sha256": sealed.ciphertext_sha256,
            "ciphertext_size_bytes": len(sealed.ciphertext),
            **own,
        }
    )
