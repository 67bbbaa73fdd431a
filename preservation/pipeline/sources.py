"""Open what is protected about an item, and erase a source: both on record."""

from __future__ import annotations

import base64
import shutil
from typing import Any

from sqlalchemy import Connection, select, update

from preservation import clock
from preservation.errors import BadInput, EvidenceAtRisk, OrganisationUnknown
from preservation.model.digests import sha256_of
from preservation.model.tables import PROTECTED, Row
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.events import record_event, words_digest
from preservation.pipeline.holdings import sealed_rows
from preservation.pipeline.sealing.protecting import SHEET, source_keys
from preservation.protection import open_value
from preservation.settings import Settings
from preservation.state import forget_deleted, open_database, schema
from preservation.store.port import ObjectStore
from preservation.submission.inbox import inbox_key, needed_keys

ERASED, KEY_MISSING = "erased", "key-missing"
"""Why a protected value can't be shown: its source's key was destroyed on record, or it is lost."""


def show_protected(settings: Settings, subject_id: str, *, reason: str) -> dict[str, Any]:
    """What is protected about the item or submission *subject_id*, opened; the access is on record.

    A value whose key was destroyed has ``absence: erased`` instead of ``value``; one whose key isn't
    here, and was never erased, ``absence: key-missing``.

    Raises:
        BadInput: Nothing protected is sealed under that identifier.
        EvidenceAtRisk: A ciphertext isn't the one that was logged.
    """
    store = open_archive(settings)
    found = [row for row in sealed_rows(store, PROTECTED) if _concerns(row, subject_id)]
    if not found:
        raise BadInput(
            f"Nothing protected is sealed for {subject_id!r}.",
            remedy="Give the identifier of a sealed item or submission; 'preserve status' lists them.",
        )
    with open_database(settings.database_url).begin() as connection:
        record_event(
            connection,
            f"access:{subject_id}:{clock.new_id()}",
            EventType.ACCESS,
            detail={
                "subject": subject_id,
                "values": len(found),
                "reason_sha256": words_digest(reason),
            },
        )
    return {"subject": subject_id, "values": [_opened(settings, store, row) for row in found]}


def erase_source(settings: Settings, organisation_id: str, *, authority: str) -> dict[str, Any]:
    """Destroy the key of a source, and what this deployment holds in plain text of the same.

    The archive isn't changed: its ciphertexts stay, and nobody can read them any more. *authority*
    is the reference of the lawful decision. After a crash the same call goes on where it stopped.

    Raises:
        OrganisationUnknown: No such organisation is registered.
        BadInput: Nothing of it is protected yet, or its key is lost.
        StateUnavailable: The database is in use; the key is destroyed, the call must be repeated.
    """
    database, organisation = open_database(settings.database_url), schema.organisation
    with database.begin() as connection:
        query = select(organisation.c.submitter_ref).where(
            organisation.c.organisation_id == organisation_id
        )
        source = connection.execute(query).scalar()
    if source is None:
        raise OrganisationUnknown(
            f"There is no organisation {organisation_id!r} here.", remedy="Nothing was erased."
        )
    erased = source_keys(settings).erase(source)
    if not erased:
        raise BadInput(
            f"No key of {organisation_id} is here, and none was erased.",
            remedy="Nothing was erased. Seal first ('preserve run --until-idle'), then erase. A key "
            "that was lost must come back into keys/sources/ before.",
        )
    with database.begin() as connection:
        _erase_rows(connection, organisation_id)
        for submission in _submissions_of(connection, organisation_id):
            _erase_files(connection, settings, submission)
        for key in erased:
            record_event(
                connection,
                f"erasure:{source}:{sha256_of(key.recipient.encode())}",
                EventType.ERASURE,
                detail={"recipient": key.recipient, "erased_at": key.erased_at, "authority": authority},
                asks_for_seal=True,
            )
    forget_deleted(database)
    return {"submitter_ref": source, "erased_keys": [key.recipient for key in erased]}


def _concerns(row: Row, subject_id: str) -> bool:
    return subject_id in {row["item_id"], row["submission_id"] if row["item_id"] is None else None}


def _opened(settings: Settings, store: ObjectStore, row: Row) -> dict[str, Any]:
    known = {name: row[name] for name in ("subject", "submission_id", "item_id", "recipient")}
    keys, source = source_keys(settings), str(row["submitter_ref"])
    key = keys.known(source)
    if key is None or key.recipient != row["recipient"]:
        is_erased = row["recipient"] in {erased.recipient for erased in keys.erased(source)}
        return {**known, "absence": ERASED if is_erased else KEY_MISSING}
    try:
        opened = open_value(_ciphertext(store, row), str(row["plaintext_sha256"]), key)
    except ValueError as error:
        raise _altered(row, str(error)) from error
    if not opened.is_as_logged:
        raise _altered(row, "its digest differs")
    if row["subject"] == SHEET:
        return {**known, "value_base64": base64.b64encode(opened.value).decode("ascii")}
    return {**known, "value": opened.value.decode("utf-8")}


def _ciphertext(store: ObjectStore, row: Row) -> bytes:
    if row["blob_key"] is not None:
        return store.read(str(row["blob_key"]))
    return base64.b64decode(str(row["ciphertext_base64"]))


def _altered(row: Row, why: str) -> EvidenceAtRisk:
    return EvidenceAtRisk(
        f"{row['subject']} of {row['item_id'] or row['submission_id']} isn't what was sealed: {why}.",
        remedy="Run 'preserve verify'.",
    )


def _submissions_of(connection: Connection, organisation_id: str) -> list[Any]:
    table = schema.submission
    query = select(table).where(table.c.organisation_id == organisation_id)
    return list(connection.execute(query))


def _erase_files(connection: Connection, settings: Settings, submission: Any) -> None:
    """The sheet as received, unless others sent the same, and what went back with its columns."""
    key = inbox_key(submission.source_sha256)
    if key not in needed_keys(connection):
        (settings.inbox / key).unlink(missing_ok=True)
    shutil.rmtree(settings.returned / submission.submission_id, ignore_errors=True)


def _erase_rows(connection: Connection, organisation_id: str) -> None:
    """What our database still holds of it in plain text; pseudonym, digests and statuses stay."""
    organisation, submission = schema.organisation, schema.submission
    item, row = schema.item, schema.submission_row
    own = select(submission.c.submission_id).where(submission.c.organisation_id == organisation_id)
    connection.execute(update(row).where(row.c.submission_id.in_(own)).values(claimed={}, refusals=[]))
    connection.execute(
        update(item)
        .where(item.c.organisation_id == organisation_id)
        .values(claimed={}, submitted_file_name=None)
    )
    connection.execute(
        update(submission)
        .where(submission.c.organisation_id == organisation_id)
        .values(source_name=None, notes=[])
    )
    connection.execute(
        update(organisation).where(organisation.c.organisation_id == organisation_id).values(name=None)
    )
