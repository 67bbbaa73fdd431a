"""Writes one bag: rows, objects, the part of the log that proves them, and what people read."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files

from preservation.custody import SigningKey, open_document
from preservation.export.bag import BagWriter
from preservation.export.bitstreams import object_chunks, run_chunks
from preservation.export.chain import Chain, ChainReader
from preservation.export.contents import Contents
from preservation.export.documents import write_documents
from preservation.export.evidence import Evidence, Facts
from preservation.export.faults import broken, readable
from preservation.export.holdings import Batch
from preservation.export.instructions import Stamp, readme
from preservation.export.loadfile import load_file
from preservation.export.premis import premis
from preservation.export.printing import Printer
from preservation.manifest import write_table
from preservation.model.canonical import canonical_json
from preservation.model.digests import sha256_of
from preservation.model.tables import MANIFEST_TABLES
from preservation.store.port import ObjectStore
from preservation.timestamp.token import parse_response

Progress = Callable[[str], None]
_SAY_EVERY = 50
_WORTH_SAYING_BYTES = 100_000_000


class BagJob:
    """One bag in the making: from *store*, of *evidence*, into *bag*."""

    def __init__(self, bag: BagWriter, store: ObjectStore, evidence: Evidence) -> None:
        self._bag, self._store, self._evidence = bag, store, evidence

    def write(
        self, reader: ChainReader, printer: Printer, progress: Progress, key: SigningKey | None
    ) -> str:
        """Write all of it, signed by *key*; SHA-256 of its tag manifest, which stands for all of it.

        Raises:
            EvidenceAtRisk: Something isn't what was sealed; the message names it.
            Unavailable: The documents could not be printed.
        """
        bag, evidence = self._bag, self._evidence
        bag.add("export.json", canonical_json(evidence.to_json()))
        _write_rows(bag, evidence.contents)
        self._write_bitstreams(progress)
        _write_log(bag, reader, evidence.chain)
        stamps = list(self._write_tokens())
        for batch in evidence.batches:
            _write_seals(bag, self._store, batch, evidence.chain)
        progress("rows, objects and log written")
        bag.add("loadfile/loadfile.dat", load_file(evidence))
        bag.add("premis.xml", premis(evidence))
        for number, name in enumerate(write_documents(bag, evidence, printer), start=1):
            if number % _SAY_EVERY == 0:
                progress(f"{number} documents printed, the last {name}")
        bag.tag("README.txt", readme(evidence, stamps).encode())
        bag.tag("verify.py", (files("preservation.export") / "verify.py").read_bytes())
        return bag.finish(bag_info(evidence.facts), key)

    def _write_bitstreams(self, progress: Progress) -> None:
        contents, store = self._evidence.contents, self._store
        for number, (sha256, row) in enumerate(sorted(contents.objects.items()), start=1):
            size_bytes = int(str(row["size_bytes"]))
            if size_bytes > _WORTH_SAYING_BYTES or number % _SAY_EVERY == 0:
                progress(f"object {number} of {len(contents.objects)}: {size_bytes:,} bytes")
            self._bag.stream(f"objects/{sha256}", object_chunks(store, row), size_bytes)
        for capture_id, row in sorted(contents.runs.items()):
            name = f"warc/{capture_id}.warc.gz"
            self._bag.stream(name, run_chunks(store, row), int(str(row["warc_length"])))

    def _write_tokens(self) -> Iterator[Stamp]:
        sealed = _digests_in_seals(self._evidence.batches)
        for size in sorted(self._evidence.chain.sizes):
            for key in self._store.keys(f"log/tokens/{size:012}/"):
                with readable(key):
                    content = self._store.read(key)
                    if sealed.get(key, sha256_of(content)) != sha256_of(content):
                        raise broken(key, "its digest isn't the one in the seal")
                    if key.endswith(".tsr"):
                        at = parse_response(content).info.gen_time
                        authority = key.rpartition("/")[2].removesuffix(".tsr")
                        yield Stamp(size=size, authority=authority, gen_time=at)
                self._bag.add(key, content)


def bag_info(facts: Facts) -> list[tuple[str, str]]:
    """What bag-info.txt says (RFC 8493 2.2.2)."""
    return [
        ("Bag-Software-Agent", facts.software),
        ("Bagging-Date", f"{facts.created_at:%Y-%m-%d}"),
        ("External-Identifier", facts.export_id),
        ("External-Description", "Evidence with its chain of custody; see README.txt."),
        ("Bag-Group-Identifier", facts.archive_id),
    ]


def _write_rows(bag: BagWriter, contents: Contents) -> None:
    for table in MANIFEST_TABLES:
        rows = contents.rows[table.name]
        bag.add(f"rows/{table.name}.jsonl", b"".join(canonical_json(row) + b"\n" for row in rows))
        parquet = io.BytesIO()
        write_table(parquet, table, rows)
        bag.add(f"rows/{table.name}.parquet", parquet.getvalue())


def _write_log(bag: BagWriter, reader: ChainReader, chain: Chain) -> None:
    entries = (chain.entries[index] for index in sorted(chain.entries))
    bag.add("log/entries.jsonl", b"".join(entry.line + b"\n" for entry in entries))
    inclusion = (
        {"index": index, "size": size, "proof": [node.hex() for node in proof]}
        for index, size, proof in sorted(reader.inclusion(chain))
    )
    consistency = (
        {"old_size": old, "new_size": new, "proof": [node.hex() for node in proof]}
        for old, new, proof in reader.consistency(chain)
    )
    bag.add("log/inclusion.jsonl", _lines(inclusion))
    bag.add("log/consistency.jsonl", _lines(consistency))
    for size, note in sorted(chain.notes.items()):
        bag.add(f"log/checkpoints/{size:012}", note)


def _lines(documents: Iterator[Mapping[str, object]]) -> bytes:
    return b"".join(canonical_json(document) + b"\n" for document in documents)


def _digests_in_seals(batches: list[Batch]) -> dict[str, str]:
    return {key: facts["sha256"] for batch in batches for key, facts in batch.seal["files"].items()}


def _write_seals(bag: BagWriter, store: ObjectStore, batch: Batch, chain: Chain) -> None:
    for key in store.keys(f"seals/{batch.batch_id}."):
        with readable(key):
            content = store.read(key)
            _require_signed(content, batch, chain)
        bag.add(key, content)


def _require_signed(content: bytes, batch: Batch, chain: Chain) -> None:
    """ValueError unless the log's key of that time, or a later one, signed the seal."""
    faults = []
    for key in chain.keys.trusted(batch.checkpoint_size):
        try:
            open_document(content, key)
        except ValueError as error:
            faults.append(str(error))
        else:
            return
    raise ValueError(faults[0])
