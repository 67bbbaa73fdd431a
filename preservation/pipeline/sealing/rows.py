"""The manifest rows of one item, from the database and what its attempts left in the spool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from preservation.model import tables
from preservation.model.captures import (
    CapturedObject,
    CapturedResource,
    CaptureResult,
    ReplayFigures,
    rank_of,
)
from preservation.model.tables import Row
from preservation.model.urls import requested_url
from preservation.pipeline.sealing.packing import PackedAttempt

Rows = list[tuple[str, Row]]
"""Table name and row."""

_UNDESCRIBED = "not-applicable"
"""Why a bitstream without a description has none: it is a log of our own."""

_CLAIMED = ("title", "description", "date", "place", "language", "source", "confidentiality")


def blob_key(sha256: str) -> str:
    """Archive key of the bitstream with this digest, when it is stored as a file of its own."""
    return f"blobs/sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def submission_row(submission: Any) -> Row:
    """The row of one submission."""
    columns = {column.name for column in tables.SUBMISSIONS.columns[1:-1]}
    return tables.SUBMISSIONS.row({name: getattr(submission, name) for name in columns})


def item_values(item: Any, results: list[CaptureResult]) -> dict[str, Any]:
    """The row of one finished item, nothing protected yet; what was observed is taken from its most
    telling attempt.
    """
    claimed = dict(item.claimed)
    columns = {f"claimed_{name}": _text(claimed.pop(name, None)) for name in _CLAIMED}
    columns["claimed_protection_flags"] = _text(claimed.pop("protection", None))
    columns["claimed_other_json"] = as_json(claimed) if claimed else None
    return {
        **columns,
        **_observed(results),
        "item_id": item.item_id,
        "submission_id": item.submission_id,
        "row_number": item.row_number,
        "submitter_ref": item.submitter_ref,
        "submitted_url": item.submitted_url,
        "normalised_url": item.normalised_url,
        "submitted_file_name": item.submitted_file_name,
        "host": item.host,
        "engine": item.engine,
        "outcome": item.outcome,
        "reason": item.reason,
        "collection_plan": item.collection_plan,
        "attempt_count": item.attempt_count,
        "object_count": sum(len(result.objects) for result in results),
        "submitted_at": item.submitted_at,
        "finished_at": item.finished_at,
    }


def attempt_rows(
    attempt: Any, result: CaptureResult, packed: PackedAttempt, description: dict[str, Any]
) -> Iterator[tuple[str, Row]]:
    """Every row that one attempt gives."""
    names = {"item_id": attempt.item_id, "capture_id": attempt.capture_id}
    number = str(attempt.attempt_number)
    figures = ReplayFigures(**description.get("replays", {}).get(number, {}))
    absence = description.get("made", {}).get(number, {}).get("absence")
    values = _capture_values(attempt, result, packed, figures)
    yield "captures", tables.CAPTURES.row({**names, **values, "prints_absence": absence})
    for entry in result.objects:
        described = description["objects"].get(entry.sha256, {})
        yield "objects", _object_row(names, entry, packed, described)
    for sequence, resource in enumerate(result.resources, start=1):
        yield "resources", _resource_row({**names, "sequence": sequence}, resource, packed)
    for made in result.derivations:
        yield (
            "derivations",
            tables.DERIVATIONS.row(
                {
                    "item_id": attempt.item_id,
                    "source_sha256": made.source_sha256,
                    "derived_sha256": made.derived_sha256,
                    "tool": made.tool,
                    "tool_version": made.tool_version,
                    "arguments": made.arguments,
                }
            ),
        )


def fingerprint_rows(item_id: str, description: dict[str, Any]) -> Iterator[tuple[str, Row]]:
    """The item's perceptual hashes, each bitstream once."""
    for sha256, entry in description["objects"].items():
        for fingerprint in entry["fingerprints"]:
            yield (
                "fingerprints",
                tables.FINGERPRINTS.row({"item_id": item_id, "sha256": sha256, **fingerprint}),
            )


def _resource_row(names: dict[str, Any], resource: CapturedResource, packed: PackedAttempt) -> Row:
    values = asdict(resource)
    offset = values.pop("warc_offset")
    is_packed = offset is not None
    return tables.RESOURCES.row(
        {
            **names,
            **values,
            "warc_file": packed.warc_key if is_packed else None,
            "warc_offset": packed.base_offset + offset if is_packed else None,
        }
    )


def _capture_values(
    attempt: Any, result: CaptureResult, packed: PackedAttempt, replay: ReplayFigures
) -> dict[str, Any]:
    return {
        "attempt_number": attempt.attempt_number,
        "engine": attempt.engine,
        "requested_url": requested_url(attempt.submitted_url),
        "final_url": result.final_url,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "outcome": result.outcome,
        "reason": result.reason,
        "error_class": result.error_class,
        "error_detail": result.error_detail,
        "http_status": result.http_status,
        "retry_after_s": result.retry_after_s,
        "request_headers_json": as_json(result.request_headers),
        "response_headers_json": as_json(result.response_headers),
        "redirects_json": as_json(
            [
                {"url": hop.url, "status": hop.status, "location": hop.location}
                for hop in result.redirects
            ]
        ),
        "server_address": result.server_address,
        "egress": result.egress,
        "bytes_received": result.bytes_received,
        "content_verdict": result.content_verdict,
        "content_flags_json": as_json([asdict(flag) for flag in result.content_flags]),
        "tools_json": as_json(result.tools),
        "isolation": result.isolation,
        "tls": result.tls,
        "certificate_sha256": result.certificate_sha256,
        "resources_in_doubt": result.resources_in_doubt,
        "replay_text": replay.text,
        "replay_pixels": replay.pixels,
        "replay_requests": replay.requests,
        "replay_fault": replay.fault,
        "warc_file": packed.warc_key,
        "warc_offset": packed.base_offset if packed.warc_key else None,
        "warc_length": packed.length if packed.warc_key else None,
        "warc_sha256": packed.sha256,
    }


def _object_row(
    names: dict[str, str], entry: CapturedObject, packed: PackedAttempt, described: dict[str, Any]
) -> Row:
    is_packed = entry.warc_offset is not None
    return tables.OBJECTS.row(
        {
            **names,
            "role": entry.role,
            "target_uri": entry.target_uri,
            "content_type": entry.content_type,
            "observed_format": described.get("observed_format"),
            "size_bytes": entry.size_bytes,
            "sha256": entry.sha256,
            "sha512": entry.sha512,
            "transfer_form": entry.transfer_form,
            "content_encoding": entry.content_encoding,
            "content_size_bytes": entry.content_size_bytes,
            "content_sha256": entry.content_sha256,
            "content_absence": entry.content_absence,
            "warc_file": packed.warc_key if is_packed else None,
            "warc_offset": packed.base_offset + (entry.warc_offset or 0) if is_packed else None,
            "warc_length": entry.warc_length,
            "warc_record_id": entry.warc_record_id,
            "blob_key": None if is_packed else blob_key(entry.sha256),
            "width_px": described.get("width_px") or entry.width_px,
            "height_px": described.get("height_px") or entry.height_px,
            "duration_ms": described.get("duration_ms"),
            "embedded_metadata_json": described.get("embedded_metadata_json"),
            "media_facts_json": described.get("media_facts_json"),
            "absence_reason": described.get("absence_reason", None if described else _UNDESCRIBED),
            "fingerprint_absence": described.get(
                "fingerprint_absence", None if described else _UNDESCRIBED
            ),
        }
    )


def _observed(results: list[CaptureResult]) -> dict[str, str | None]:
    # A tool that knows the platform says more than the page; of equals the newest does.
    newest_first = reversed(results)
    telling = sorted(newest_first, key=lambda one: (rank_of(one.outcome), not one.observed_platform))
    names = ("title", "uploader", "published_at", "platform", "platform_id")
    return {
        f"observed_{name}": next(
            (value for result in telling if (value := getattr(result, f"observed_{name}")) is not None),
            None,
        )
        for name in names
    }


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return as_json(value)


def as_json(value: object) -> str:
    """*value* as JSON text, with its characters as they are."""
    return json.dumps(value, ensure_ascii=False, sort_keys=isinstance(value, dict))
