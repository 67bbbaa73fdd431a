"""Derived files: what is made from sealed manifests, can be made again, and proves nothing.

    derived/<table>/<log size>-<sha256>.parquet    rows; the size of the log that their batches end at
    derived/coverage/<log size>-<sha256>.json      which batches are compared, and where that lies

A run of comparisons writes its files first and its coverage document last: what no document names
doesn't count. A document says which batches it comes after, by one digest over their identifiers. So
documents form a chain along the sealed batches, and where it ends, comparing goes on, whatever else
lies there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from io import BytesIO
from typing import Any

from preservation.errors import EvidenceAtRisk
from preservation.manifest.files import read_table, write_table
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import Row, Table
from preservation.store.bounded import read_document
from preservation.store.port import ObjectStore

RULES = 3
"""Version of the rules that bitstreams are compared by; raising it compares all of them anew."""

_COVERAGE_PREFIX = "derived/coverage/"
_NAME = re.compile(r"(?P<log_size>\d{12})-(?P<sha256>[0-9a-f]{64})\.(?:parquet|json)")
_LARGEST_DOCUMENT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Sealed batches that were compared with everything before them."""

    rules: int
    after: str
    """`prefix_digest` of all batches before."""
    batches: tuple[str, ...]
    log_size: int
    bitstreams: int
    """Rows in the file *compared*."""
    compared: str | None
    """Key of their rows of `compared`; None without rows."""
    edges: str | None

    def key_of(self, table: Table) -> str | None:
        """Key of the file with its rows of *table*."""
        return {"compared": self.compared, "edges": self.edges}[table.name]


def prefix_digest(batch_ids: Iterable[str], before: str = "") -> str:
    """One digest for a sequence of batches, which may go on from the digest of those *before*."""
    return reduce(
        lambda digest, batch_id: sha256_of(f"{digest}\n{batch_id}".encode()), batch_ids, before
    )


def covered(store: ObjectStore, batch_ids: Sequence[str]) -> list[Coverage]:
    """The documents that cover the first of *batch_ids*, all sealed batches in their order, one after
    the other. A document that can't be read, names what isn't there, or was made by
    other rules, doesn't count.
    """
    keys = set(store.keys("derived/"))
    by_start: dict[str, list[Coverage]] = {}
    for key in sorted(key for key in keys if key.startswith(_COVERAGE_PREFIX)):
        document = _coverage(store, key)
        if document is not None and _counts(document, keys):
            by_start.setdefault(document.after, []).append(document)
    chain: list[Coverage] = []
    done, digest = 0, ""
    while found := _fitting(by_start.get(digest, ()), batch_ids, done):
        chain.append(found)
        done += len(found.batches)
        digest = prefix_digest(found.batches, digest)
    return chain


def damaged_coverage(store: ObjectStore) -> list[str]:
    """Keys of documents that aren't what their names tell: what they covered isn't told any more."""
    names = (key.removeprefix(_COVERAGE_PREFIX) for key in store.keys(_COVERAGE_PREFIX))
    keys = sorted(f"{_COVERAGE_PREFIX}{name}" for name in names if _NAME.fullmatch(name))
    return [key for key in keys if _coverage(store, key) is None]


def part_keys(chain: Iterable[Coverage], table: Table) -> list[str]:
    """Keys of the files with the rows of *table*, `compared` or `edges`, in their order."""
    return [key for key in (each.key_of(table) for each in chain) if key is not None]


def newest_derived(store: ObjectStore, table: Table) -> str | None:
    """Key of the newest whole file of *table*, `clusters` or `merges`; None before the first."""
    prefix = f"derived/{table.name}/"
    return max(
        (key for key in store.keys(prefix) if _NAME.fullmatch(key.removeprefix(prefix))), default=None
    )


def read_derived(store: ObjectStore, table: Table) -> list[Row]:
    """All rows of the newest file of *table*, `clusters` or `merges`; none before the first; raises
    like `derived_bytes`.
    """
    key = newest_derived(store, table)
    return [] if key is None else read_table(derived_bytes(store, key), table)


def derived_bytes(store: ObjectStore, key: str) -> bytes:
    """What lies under *key*.

    Raises:
        EvidenceAtRisk: It isn't what its name tells. Nothing may be made from it.
        KeyError: Nothing lies there.
    """
    content = store.read(key)
    if sha256_of(content) != digest_in(key):
        msg = f"{key} was changed: its digest isn't the one in its name."
        remedy = "Delete it and run 'preserve cluster update': it is made again from what is sealed."
        raise EvidenceAtRisk(msg, remedy=remedy)
    return content


def derived_key(name: str, log_size: int, content: bytes, *, suffix: str = "parquet") -> str:
    """Where *content* lies among the derived files called *name*."""
    return f"derived/{name}/{log_size:012}-{sha256_of(content)}.{suffix}"


def digest_in(key: str) -> str:
    """The digest that a derived file's name tells."""
    return key.rpartition("-")[2].partition(".")[0]


def write_coverage(store: ObjectStore, coverage: Coverage) -> None:
    """Commit what *coverage* names; its files must be there."""
    content = canonical_json(asdict(coverage))
    store.put(derived_key("coverage", coverage.log_size, content, suffix="json"), content)


def write_derived(store: ObjectStore, table: Table, rows: Iterable[Row], log_size: int) -> str:
    """Store a file with *rows* of *table*; its key. The same rows and size again are a no-op."""
    content = table_bytes(table, rows)
    key = derived_key(table.name, log_size, content)
    store.put(key, content)
    return key


def write_newest(
    store: ObjectStore, table: Table, rows: Iterable[Row], log_size: int
) -> tuple[str | None, bool]:
    """Store *rows* as the newest file of *table*, unless that has them; its key, and whether it is new.

    Without any rows ever there is no file. It is named after a size beyond that of the file before it.
    Raises like `derived_bytes`.
    """
    content = table_bytes(table, found := list(rows))
    newest = newest_derived(store, table)
    if newest is None and not found:
        return None, False
    if newest is not None and derived_bytes(store, newest) == content:
        return newest, False
    before = 0 if newest is None else int(newest.rpartition("/")[2][:12]) + 1
    key = derived_key(table.name, max(log_size, before), content)
    store.put(key, content)
    return key, True


def table_bytes(table: Table, rows: Iterable[Row]) -> bytes:
    """A manifest file with *rows*: the same rows, the same bytes."""
    buffer = BytesIO()
    write_table(buffer, table, rows)
    return buffer.getvalue()


def _fitting(documents: Iterable[Coverage], batch_ids: Sequence[str], done: int) -> Coverage | None:
    """The longest document whose batches are those of *batch_ids* after the first *done*."""
    fitting = [
        each for each in documents if each.batches == tuple(batch_ids[done : done + len(each.batches)])
    ]
    return max(fitting, key=lambda each: len(each.batches), default=None)


def _counts(document: Coverage, keys: set[str]) -> bool:
    named = {document.compared, document.edges} - {None}
    return document.rules == RULES and bool(document.batches) and named <= keys


def _coverage(store: ObjectStore, key: str) -> Coverage | None:
    try:
        content = read_document(store, key, _LARGEST_DOCUMENT_BYTES)
        document: dict[str, Any] = json.loads(content)
        found = Coverage(**{**document, "batches": tuple(document["batches"])})
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return found if sha256_of(content) == digest_in(key) else None
