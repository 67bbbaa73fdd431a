"""Describe every captured bitstream: format, embedded metadata, media facts, perceptual hashes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.capture import BrowserPool
from preservation.metadata import AbsenceReason, Describer, tool_versions
from preservation.model.captures import CapturedObject, CaptureResult
from preservation.model.vocabulary import EventType, Role
from preservation.pipeline import spool
from preservation.pipeline.events import record_event
from preservation.pipeline.leasing import Held, held
from preservation.pipeline.payloads import payload_file
from preservation.pipeline.planning import FINISHED
from preservation.pipeline.replaying import replayed
from preservation.settings import Settings
from preservation.similarity import fingerprints_of, ineligibility
from preservation.state import open_database, reading, schema

_OUR_OWN_LOGS = frozenset(
    {Role.RECORDING, Role.NETWORK_LOG, Role.VISIT_LOG, Role.MESSAGES, Role.SINGLE_FILE}
)
"""What we wrote ourselves in a form that we know: no tool has anything to tell about it."""
_FOR_THE_ROLE = frozenset({"role-not-compared", "media-type-not-eligible"})
"""Why the same bytes may be compared in another role."""


def characterise_batch(settings: Settings, batch_id: str) -> dict[str, Any]:
    """Characterise the finished items of a captured batch; safe to run again.

    Raises:
        ProgramMissing: ExifTool or ffmpeg isn't installed, or Chromium where pages wait.
    """
    database = open_database(settings.database_url)
    if not _is_captured(database, batch_id):
        return {"batch_id": batch_id, "skipped": "not captured yet, or done"}
    with held(settings, database, f"characterise:{batch_id}") as lease:
        if lease is None:
            return {"batch_id": batch_id, "skipped": "another worker holds it"}
        counts: Counter[str] = Counter()
        with Describer() as describer, BrowserPool(settings) as pool:
            for item_id, attempts in _items_of(database, batch_id):
                counts.update(_characterise(settings, (describer, pool), item_id, attempts))
                _commit(database, lease, settings, item_id)
        _finish_batch(database, lease, batch_id)
    return {"batch_id": batch_id, **counts}


def _is_captured(database: Database, batch_id: str) -> bool:
    query = select(schema.capture_batch.c.state).where(schema.capture_batch.c.batch_id == batch_id)
    with reading(database).connect() as connection:
        return bool(connection.execute(query).scalar_one() == "captured")


def _items_of(database: Database, batch_id: str) -> list[tuple[str, int]]:
    table = schema.item
    query = select(table.c.item_id, table.c.attempt_count).where(
        table.c.batch_id == batch_id,
        table.c.status.in_(FINISHED),
        table.c.is_characterised.is_(False),
    )
    with reading(database).connect() as connection:
        return [(row.item_id, row.attempt_count) for row in connection.execute(query)]


def _characterise(
    settings: Settings, tools: tuple[Describer, BrowserPool], item_id: str, attempts: int
) -> Counter[str]:
    """Write the item's description: one entry per distinct bitstream, under its SHA-256; how well each
    attempt at a page plays back, and what was made of it then, under the attempt's number.
    """
    describer, pool = tools
    described: dict[str, Any] = {}
    replays: dict[str, Any] = {}
    made: dict[str, Any] = {}
    for number, result in spool.results_of(settings, item_id, attempts):
        folder = spool.attempt_folder(settings, item_id, number)
        stored = [result]
        if (replay := replayed(settings, pool, folder, result)) is not None:
            made[str(number)] = asdict(replay.made)
            stored.append(replay.made.alone(result))
            if replay.figures is not None:
                replays[str(number)] = asdict(replay.figures)
        for place in stored:
            for entry in place.objects:
                if entry.role not in _OUR_OWN_LOGS and _tells_more(entry, described):
                    described[entry.sha256] = _describe(describer, folder, place, entry)
    document = {"objects": described, "replays": replays, "made": made, "tools": tool_versions()}
    spool.write_json(spool.item_folder(settings, item_id) / spool.DESCRIPTION, document)
    return Counter(
        objects=len(described), fingerprints=sum(len(d["fingerprints"]) for d in described.values())
    )


def _tells_more(entry: CapturedObject, described: dict[str, Any]) -> bool:
    """Whether its bytes are new, or were met in a role that isn't compared, and this one is."""
    known = described.get(entry.sha256)
    if known is None:
        return True
    return known["fingerprint_absence"] in _FOR_THE_ROLE and _ineligibility(entry, known) is None


def _describe(
    describer: Describer, folder: Path, result: CaptureResult, entry: CapturedObject
) -> dict[str, Any]:
    with payload_file(folder, result, entry) as path:
        description = asdict(describer.describe(path, entry.content_type))
        fingerprints: list[dict[str, Any]] = []
        absence = _ineligibility(entry, description)
        if absence is None:
            found = fingerprints_of(path, _media_type(entry, description))
            fingerprints = [asdict(each) for each in found.fingerprints]
            absence = found.absence_reason
    return {**description, "fingerprints": fingerprints, "fingerprint_absence": absence}


def _ineligibility(entry: CapturedObject, description: dict[str, Any]) -> str | None:
    return ineligibility(
        entry.role,
        _media_type(entry, description),
        description["width_px"] or entry.width_px,
        description["height_px"] or entry.height_px,
        is_empty=description["absence_reason"] == AbsenceReason.EMPTY,
    )


def _media_type(entry: CapturedObject, description: dict[str, Any]) -> str:
    return description["observed_format"] or entry.content_type or ""


def _commit(database: Database, lease: Held, settings: Settings, item_id: str) -> None:
    document = spool.read_json(spool.item_folder(settings, item_id) / spool.DESCRIPTION)
    objects = document["objects"]
    hashed = sorted(sha256 for sha256, entry in objects.items() if entry["fingerprints"])
    with database.begin() as connection:
        lease.check(connection)
        connection.execute(
            update(schema.item)
            .where(schema.item.c.item_id == item_id)
            .values(is_characterised=True, updated_at=clock.now())
        )
        if objects:
            detail = {"objects": sorted(objects), "tools": document["tools"]}
            record_event(
                connection,
                f"describe:{item_id}",
                EventType.METADATA_EXTRACTION,
                item_id=item_id,
                detail=detail,
            )
        for number, made in document["made"].items():
            _record_rendering(connection, item_id, number, made)
        if hashed:
            record_event(
                connection,
                f"fingerprint:{item_id}",
                EventType.FINGERPRINTING,
                item_id=item_id,
                detail={"objects": hashed},
            )


def _record_rendering(connection: Connection, item_id: str, number: str, made: dict[str, Any]) -> None:
    record_event(
        connection,
        f"render:{item_id}:{number}",
        EventType.RENDERING,
        item_id=item_id,
        outcome=made["absence"] or "success",
        detail={
            "attempt_number": int(number),
            "objects": [entry["sha256"] for entry in made["objects"]],
        },
    )


def _finish_batch(database: Database, lease: Held, batch_id: str) -> None:
    with database.begin() as connection:
        lease.check(connection)
        connection.execute(
            update(schema.capture_batch)
            .where(schema.capture_batch.c.batch_id == batch_id)
            .values(state="done", finished_at=clock.now())
        )
