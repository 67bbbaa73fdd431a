"""What a running supervisor writes down about itself, so that others find it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from preservation.settings import Settings
from preservation.supervisor.configuration import write_private
from preservation.supervisor.processes import ProcessIdentity, is_alive


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One supervisor: its process, its API's port and the process of each part."""

    supervisor: ProcessIdentity
    port: int
    parts: dict[str, ProcessIdentity] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    failure: str | None = None
    """Why the supervisor gave up."""

    @property
    def url(self) -> str:
        """Address of Airflow's pages and API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor still runs."""
        return is_alive(self.supervisor)

    def with_part(self, name: str, process: ProcessIdentity | None) -> Self:
        """The record after *name* was started as *process*, or ended."""
        parts = {key: value for key, value in self.parts.items() if key != name}
        return replace(self, parts=parts if process is None else {**parts, name: process})


def record_path(settings: Settings) -> Path:
    """Where the record stands."""
    return settings.airflow / "supervisor.json"


def write_record(settings: Settings, record: Record) -> None:
    """Replace the record, atomically."""
    write_private(record_path(settings), json.dumps(asdict(record), indent=1))


def read_record(settings: Settings) -> Record | None:
    """The latest record; None if there is none that can be read."""
    try:
        document = json.loads(record_path(settings).read_text("utf-8"))
        return Record(
            supervisor=ProcessIdentity(**document["supervisor"]),
            port=document["port"],
            parts={name: ProcessIdentity(**each) for name, each in document["parts"].items()},
            restarts=document["restarts"],
            failure=document["failure"],
        )
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
