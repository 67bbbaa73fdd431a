"""A load file for review platforms: Concordance DAT as the EDRM describes it, one record an object.

UTF-8 with a byte order mark; fields stand in þ (U+00FE) and are separated by U+0014; a line break
within a field is ® (U+00AE), a record ends in CR LF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from preservation.export.evidence import Evidence
from preservation.model.canonical import instant
from preservation.model.plain import visible
from preservation.model.tables import Row

QUALIFIER, SEPARATOR, LINE_BREAK = "\u00fe", "\u0014", "\u00ae"
_BREAKS = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_FORMULA = re.compile(r"\s*[=+\-@\t]")

FIELDS = (
    "BEGDOC", "ENDDOC", "ITEM", "CUSTODIAN", "FILENAME", "DOCTYPE", "MIMETYPE", "FILESIZE",
    "SHA256", "SHA512", "URL", "SUBMITTEDURL", "TITLE", "DATECAPTURED", "DATESUBMITTED",
    "OUTCOME", "WITHHELD", "NATIVE",
)  # fmt: skip


def load_file(evidence: Evidence) -> bytes:
    """The load file of everything in *evidence*; what is withheld has no native path and its reason."""
    records = [FIELDS, *_records(evidence)]
    lines = (SEPARATOR.join(field_of(value) for value in record) + "\r\n" for record in records)
    return b"\xef\xbb\xbf" + "".join(lines).encode()


def field_of(value: str) -> str:
    """*value* as a field: it can't end the field, nor the line, nor turn into a formula."""
    joined = LINE_BREAK.join(_BREAKS.split(value.replace(LINE_BREAK, "(R)")))
    safe = visible(joined).replace(QUALIFIER, "[U+00FE]")
    return f"{QUALIFIER}{chr(39) if _FORMULA.match(safe) else ''}{safe}{QUALIFIER}"


def _records(evidence: Evidence) -> Iterator[tuple[str, ...]]:
    hidden = {
        (thing.subject, thing.item_id): str(thing.reason)
        for thing in evidence.contents.withheld
        if thing.kind == "object"
    }
    captures = {str(row["capture_id"]): row for row in evidence.contents.rows["captures"]}
    for number, row in enumerate(evidence.contents.rows["objects"], start=1):
        # The end of the identifier: its beginning is the time, which two exports may share.
        name = f"{evidence.facts.export_id[-12:].upper()}-{number:08}"
        reason = hidden.get((str(row["sha256"]), str(row["item_id"])), "")
        yield name, name, *_record(evidence, row, captures[str(row["capture_id"])], reason)


def _record(evidence: Evidence, row: Row, captured: Row, reason: str) -> tuple[str, ...]:
    """What the record says behind its number."""
    item: Row = next(iter(evidence.contents.of_item("items", str(row["item_id"]))), {})
    values = {
        "ITEM": row["item_id"],
        "CUSTODIAN": evidence.facts_of[str(row["item_id"])]["submitter_ref"],
        "FILENAME": item.get("submitted_file_name"),
        "DOCTYPE": row["role"],
        "MIMETYPE": row["observed_format"] or row["content_type"],
        "FILESIZE": row["size_bytes"],
        "SHA256": row["sha256"],
        "SHA512": row["sha512"],
        "URL": row["target_uri"],
        "SUBMITTEDURL": item.get("submitted_url"),
        "TITLE": item.get("observed_title"),
        "DATECAPTURED": captured["started_at"],
        "DATESUBMITTED": item.get("submitted_at"),
        "OUTCOME": item.get("outcome"),
        "WITHHELD": reason,
        "NATIVE": "" if reason else f"../objects/{row['sha256']}",
    }
    return tuple(_text(values[field]) for field in FIELDS[2:])


def _text(value: object) -> str:
    if value is None:
        return ""
    return instant(value) if isinstance(value, datetime) else str(value)
