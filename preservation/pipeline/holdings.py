"""Read what is sealed: the only holdings that count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from preservation.errors import EvidenceAtRisk
from preservation.manifest import newest_seals, read_seal, read_table, seal_key, sealed_keys
from preservation.manifest.files import Wanted
from preservation.model.tables import Row, Table
from preservation.store.port import ObjectStore


def sealed_rows(store: ObjectStore, table: Table, wanted: Wanted | None = None) -> Iterator[Row]:
    """Every sealed row of *table*, or only those *wanted*, batch by batch in the order of sealing.

    Raises:
        ArchiveTooNew: A newer version of this software sealed some of them.
        EvidenceAtRisk: A seal or a manifest is missing or can't be read.
    """
    with readable():
        keys = sealed_keys(newest_seals(store), table.name)
    for key in keys:
        with readable():
            rows = read_table(store.read(key), table, wanted=wanted)
        yield from rows


def sealed_document(store: ObjectStore, batch_id: str, edition: int) -> dict[str, Any]:
    """An edition of a batch's seal; raises like `sealed_rows`."""
    with readable():
        return read_seal(store, seal_key(batch_id, edition))


@contextmanager
def readable() -> Iterator[None]:
    """What is missing or can't be read in this block is evidence at risk."""
    try:
        yield
    except KeyError as error:
        msg = f"{error.args[0]} is missing."
        raise EvidenceAtRisk(msg, remedy="Run 'preserve verify' to see what else is.") from error
    except ValueError as error:
        msg = f"The archive is damaged: {error}."
        raise EvidenceAtRisk(msg, remedy="Run 'preserve verify' to see what changed.") from error
