"""Members and edges of families as tables of their own, for other programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from preservation.errors import BadInput, StoreUnavailable
from preservation.manifest import write_table
from preservation.model.canonical import instant
from preservation.model.digests import sha256_of
from preservation.model.tables import CLUSTERS, EDGES, Row, Table
from preservation.pipeline.archive import open_archive
from preservation.pipeline.clustering.reading import edge_rows
from preservation.pipeline.showing import rows_named
from preservation.settings import Settings, require_outside
from preservation.submission.sheets.formulas import neutralised


def export_clusters(
    settings: Settings, names: Collection[str], target: Path, *, forms: Iterable[str]
) -> list[dict[str, Any]]:
    """Write ``members`` and ``edges`` of the families that *names* stand for, or of all, into *target*,
    in each of *forms* (csv, json, parquet): path, rows and SHA-256 of each file.

    Raises:
        BadInput: A name stands for nothing that is in a group; or a file is there already; or *target*
            lies where the deployment keeps its own.
        StoreUnavailable: A file can't be written.
    """
    require_outside(settings, target)
    store = open_archive(settings)
    members = rows_named(store, names)
    ends = {str(row["sha256"]) for row in members} if names else None
    edges = list(edge_rows(store, ends))
    drafts = {
        target / f"{name}.{form}": (len(rows), _FORMS[form](table, rows))
        for form in forms
        for name, table, rows in (("members", CLUSTERS, members), ("edges", EDGES, edges))
    }
    for path in drafts:
        if path.exists():
            raise BadInput(f"{path} is there already.", remedy="Nothing was written. Name another.")
    try:
        target.mkdir(parents=True, exist_ok=True)
        for path, (_, content) in drafts.items():
            with path.open("xb") as file:
                file.write(content)
    except OSError as error:
        msg = f"{target} can't be written to: {error.strerror}."
        raise StoreUnavailable(msg, remedy="Name another place.") from error
    return [
        {"path": str(path), "rows": count, "sha256": sha256_of(content)}
        for path, (count, content) in drafts.items()
    ]


def _as_csv(table: Table, rows: Iterable[Row]) -> bytes:
    """With a byte order mark, for spreadsheet programs; what they would run is neutralised."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    names = [column.name for column in table.columns]
    writer.writerow(names)
    writer.writerows([neutralised(_cell(row[name])) for name in names] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _as_json(table: Table, rows: Iterable[Row]) -> bytes:
    del table
    document = [{name: _told(value) for name, value in row.items()} for row in rows]
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _as_parquet(table: Table, rows: Iterable[Row]) -> bytes:
    content = io.BytesIO()
    write_table(content, table, rows)
    return content.getvalue()


_FORMS: Mapping[str, Callable[[Table, list[Row]], bytes]] = {
    "csv": _as_csv,
    "json": _as_json,
    "parquet": _as_parquet,
}


def _told(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(_told(value))
