"""A deployment in this process: the pipeline's own functions, and the rows that they seal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from preservation.manifest import manifest_keys, newest_seals, read_table
from preservation.model.tables import TABLES
from preservation.model.vocabulary import Engine
from preservation.pipeline import (
    capture_batch,
    characterise_batch,
    initialise,
    open_batches,
    plan,
    seal_ready,
)
from preservation.pipeline.archive import open_archive
from preservation.settings import Limits, parse_networks
from preservation.state import open_database
from preservation.store.warc import payload_at
from preservation.submission import add_agreement, add_organisation, submit

WHO = "relief-watch"
LIMITS = replace(
    Limits(), idle_timeout_s=3, connect_timeout_s=3, host_interval_ms=1, retry_wait_percent=1
)


class OwnHome:
    """An initialised home at *home* with one organisation; loopback may be reached."""

    def __init__(self, home: Path, **settings: Any) -> None:
        own = {"allow_networks": parse_networks("127.0.0.0/8"), "limits": LIMITS, **settings}
        self.settings = replace(initialise(home), **own)
        self.database = open_database(self.settings.database_url)
        add_organisation(self.database, WHO, name="Relief Watch")
        add_agreement(self.database, WHO, {})

    def submit(self, *sources: str, **more: Any) -> Any:
        return submit(self.database, self.settings, organisation_id=WHO, sources=list(sources), **more)

    def capture(self) -> list[str]:
        """Make one attempt at whatever is due; the batches."""
        plan(self.settings)
        batches = [one for engine in Engine for one in open_batches(self.settings, engine)]
        for batch_id in batches:
            capture_batch(self.settings, batch_id)
        return batches

    def characterise(self, batches: list[str]) -> None:
        for batch_id in batches:
            characterise_batch(self.settings, batch_id)

    def seal(self) -> dict[str, list[dict[str, Any]]]:
        """Seal what is ready; the rows of all that is sealed, by table."""
        seal_ready(self.settings)
        store = open_archive(self.settings)
        keys = [manifest_keys(seal) for seal in newest_seals(store)]
        return {
            name: [row for own in keys for row in read_table(store.read(own[name]), TABLES[name])]
            for name in keys[0]
        }

    def run(self) -> dict[str, list[dict[str, Any]]]:
        """Capture once, characterise, seal; the sealed rows."""
        self.characterise(self.capture())
        return self.seal()

    def content(self, row: dict[str, Any]) -> bytes:
        """The bitstream of an objects row, out of its WARC."""
        path = self.settings.archive / row["warc_file"]
        with path.open("rb") as stream, payload_at(stream, row["warc_offset"]) as payload:
            return payload.read()
