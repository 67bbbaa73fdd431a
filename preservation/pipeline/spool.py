"""Where an attempt's bytes wait until they are sealed, and how an attempt survives a crash.

    work/captures/<item_id>/<attempt>/started.json    before the first byte
    work/captures/<item_id>/<attempt>/capture.warc.gz and blobs
    work/captures/<item_id>/<attempt>/result.json     last: the attempt's commit point
    work/captures/<item_id>/description.json          when the item is characterised
    work/captures/<item_id>/begun-<capture_id>/       an attempt that was killed before it began

    work/captures/<item_id>/<attempt>/torn-<id>/  what an interrupted attempt had recorded
    work/captures/<item_id>/<attempt>/made-<id>/  what was made of the capture after it

An attempt without `result.json` was interrupted: that, too, is a fact to record.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.model.canonical import instant, parse_instant
from preservation.model.captures import (
    CapturedObject,
    CapturedResource,
    CaptureResult,
    ContentFlag,
    Derivation,
    Redirect,
)
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from preservation.settings import Settings
from preservation.store.plain_files import read_plain

DESCRIPTION = "description.json"
"""Name of the file in an item's folder that tells what its bitstreams are."""


def item_folder(settings: Settings, item_id: str) -> Path:
    """Everything about one unsealed item."""
    return settings.work / "captures" / item_id


def attempt_folder(settings: Settings, item_id: str, attempt_number: int) -> Path:
    """Everything that one attempt left behind."""
    return item_folder(settings, item_id) / str(attempt_number)


def begin_attempt(folder: Path, *, capture_id: str, started_at: datetime) -> None:
    """Leave word that an attempt begins in *folder*, which must be new: there are both or neither."""
    begun = folder.with_name(f"begun-{capture_id}")
    begun.mkdir(parents=True)
    write_json(begun / "started.json", {"capture_id": capture_id, "started_at": instant(started_at)})
    # Earlier releases made the folder first, and may have been killed before they left word.
    (folder / "started.json.part").unlink(missing_ok=True)
    begun.rename(folder)  # an empty folder makes way, a full one doesn't


def started_of(folder: Path) -> tuple[str, datetime] | None:
    """Capture identifier and start of the attempt in *folder*, if one began there."""
    document = read_json(folder / "started.json")
    if document is None:
        return None
    return document["capture_id"], parse_instant(document["started_at"])


def finish_attempt(folder: Path, result: CaptureResult) -> CaptureResult:
    """Commit the attempt: from now on it is never made again.

    Returns the result that stands: an earlier one, should another worker have committed first.
    """
    return result if _create_json(folder / "result.json", asdict(result)) else _standing(folder)


def result_of(folder: Path) -> CaptureResult | None:
    """What the attempt in *folder* came to; None if it didn't finish."""
    document = read_json(folder / "result.json")
    return None if document is None else _result(document)


def results_of(settings: Settings, item_id: str, attempts: int) -> Iterator[tuple[int, CaptureResult]]:
    """Number and result of each attempt of an item that isn't sealed yet."""
    for number in range(1, attempts + 1):
        result = result_of(attempt_folder(settings, item_id, number))
        if result is not None:
            yield number, result


def discard_torn_files(folder: Path, *, kept: str) -> None:
    """Drop what an interrupted attempt wrote but for *kept*: a torn file proves nothing."""
    for path in folder.iterdir():
        if path.name not in {"started.json", "result.json", kept}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_json(path: Path, document: object) -> None:
    """Write *document* whole or not at all, durably."""
    draft = path.with_name(f"{path.name}.part")
    with draft.open("wb") as stream:
        stream.write(json.dumps(document, default=_plain).encode())
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)


def _create_json(path: Path, document: object) -> bool:
    """Like `write_json`, but an existing file stays; False if there was one."""
    draft = path.with_name(f"{path.name}.{clock.new_id()}")
    write_json(draft, document)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _standing(folder: Path) -> CaptureResult:
    return _result(read_json(folder / "result.json"))


def read_json(path: Path) -> Any:
    """What `write_json` wrote; None if there is nothing."""
    try:
        return json.loads(read_plain(path))
    except FileNotFoundError:
        return None


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return instant(value)
    msg = f"{value!r} has no form in JSON"
    raise TypeError(msg)


def _result(document: dict[str, Any]) -> CaptureResult:
    return CaptureResult(
        **{
            **document,
            "outcome": Outcome(document["outcome"]),
            "started_at": parse_instant(document["started_at"]),
            "ended_at": parse_instant(document["ended_at"]),
            "reason": _maybe(Reason, document["reason"]),
            "reroute_to": _maybe(Engine, document["reroute_to"]),
            "request_headers": _pairs(document["request_headers"]),
            "response_headers": _pairs(document["response_headers"]),
            "redirects": tuple(Redirect(**hop) for hop in document["redirects"]),
            "objects": tuple(
                CapturedObject(**{**entry, "role": Role(entry["role"])})
                for entry in document["objects"]
            ),
            "resources": tuple(
                CapturedResource(**{**entry, "reason": _maybe(Reason, entry["reason"])})
                for entry in document["resources"]
            ),
            "content_flags": tuple(ContentFlag(**flag) for flag in document["content_flags"]),
            "derivations": tuple(Derivation(**entry) for entry in document["derivations"]),
        }
    )


def _maybe(kind: Any, value: Any) -> Any:
    return None if value is None else kind(value)


def _pairs(entries: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in entries)
