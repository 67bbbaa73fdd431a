"""A small sealed archive, made through the public functions alone: what a verifier is tried on."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from preservation import clock
from preservation.custody import CustodyLog, EntryDraft, SigningKey, sign_document
from preservation.custody.segments import segment_key, segment_start
from preservation.custody.tiles import partial_tiles
from preservation.manifest import write_table
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import fixity_of, sha256_of
from preservation.model.tables import TABLES
from preservation.settings import Settings
from preservation.store.disk import DiskStore
from preservation.store.warc import HttpBlock, WarcWriter, http_head
from preservation.timestamp import create_test_authority, stamp
from preservation.verify import Verdict, verify_archive
from tests.fakes.time_stamp_forger import Forger

AGENT = "preservation/test"
ORIGIN = "small.invalid/log"
_EVENT = {"event_type": "capture", "agent": AGENT, "outcome": "success"}


@dataclass
class SmallArchive:
    """Sealed batches below *home*, and what a forger would need to go on with them."""

    home: Path
    key: SigningKey = field(init=False)
    settings: Settings = field(init=False)
    logged_size: int = 0

    def __post_init__(self):
        authority = create_test_authority(
            self.home / "keys/test-authority", self.home / "trust/test-authority.pem"
        )
        self.settings = Settings(
            home=self.home, database_url="", log_origin=ORIGIN, authorities=(authority,)
        )
        self.authority = authority

    @classmethod
    def found(cls, home: Path, *, schema_version: int = 1) -> SmallArchive:
        archive = cls(home)
        archive.key = SigningKey.generate(home / "keys/log.pem", ORIGIN)
        (home / "trust/log.vkey").write_text(f"{archive.key.public}\n")
        spec = b"# A small archive\n"
        description = canonical_json(
            {
                "archive_id": clock.new_id(),
                "created_at": instant(clock.now()),
                "log_origin": ORIGIN,
                "log_public_key": str(archive.key.public),
                "schema_version": schema_version,
                "spec_sha256": sha256_of(spec),
            }
        )
        archive.store.put("SPEC.md", spec)
        archive.store.put("archive.json", description)
        body = {"archive_json_sha256": sha256_of(description), "spec_sha256": sha256_of(spec)}
        archive.log.append([_draft("creation", "creation", body)], since=0)
        archive.log.checkpoint(archive.key, size=1)
        return archive

    @classmethod
    def reopen(cls, home: Path) -> SmallArchive:
        archive = cls(home)
        archive.key = SigningKey.load(home / "keys/log.pem")
        return archive

    def copy(self, home: Path) -> SmallArchive:
        """The same archive elsewhere, to be damaged."""
        shutil.copytree(self.home, home, symlinks=True)
        return SmallArchive.reopen(home)

    @property
    def root(self) -> Path:
        return self.home / "archive"

    @property
    def store(self) -> DiskStore:
        return DiskStore(self.root, self.home / "aside")

    @property
    def log(self) -> CustodyLog:
        return CustodyLog(self.store, ORIGIN)

    def files(self) -> list[str]:
        return list(self.store.keys())

    def verify(self) -> Verdict:
        return verify_archive(self.store, self.settings)

    def trust(self, forger: Forger) -> None:
        """Pin the forger's root in place of the test authority's."""
        (self.home / "trust/test-authority.pem").write_bytes(forger.roots.read_bytes())

    def overwrite(self, key: str, content: bytes) -> None:
        """What write-once storage would refuse, done behind its back."""
        path = self.root / key
        if path.exists():
            path.chmod(0o644)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def remove(self, key: str) -> None:
        (self.root / key).unlink()

    def seal_batch(self, number: int = 1, **changes) -> Batch:
        batch = Batch(self, number)
        batch.build()
        batch.publish()
        batch.append()
        batch.seal(**changes)
        return batch


class Batch:
    """One batch of one item with one page in a WARC and one file as a blob."""

    def __init__(self, archive: SmallArchive, number: int):
        self.archive = archive
        self.batch_id = f"batch-{number:04}"
        self.prefix = f"batches/2026/01/{self.batch_id}"
        self.item = f"item-{number}"
        self.names = {"item_id": self.item, "capture_id": f"capture-{number}"}
        self.number = number
        self.contents: dict[str, bytes] = {}
        self.declared = dict(TABLES)
        """The tables as the software that seals the batch knows them."""
        self.event_details: list[tuple[str, dict]] = [("capture", {})]

    def build(self):
        now = datetime.now(UTC)
        work = self.archive.home / "work" / self.batch_id
        work.mkdir(parents=True)
        page, blob = f"<p>page {self.number}</p>".encode() * 50, f"video {self.number}".encode() * 99
        with WarcWriter(work / "w") as writer:
            writer.warcinfo([("software", AGENT)], date=now)
            place = writer.response(
                "http://site.invalid/",
                HttpBlock(http_head("HTTP/1.1 200 OK", [("Content-Type", "text/html")]), BytesIO(page)),
                date=now,
            )
        warc_key = f"{self.prefix}/warc/001.warc.gz"
        self.contents[warc_key] = (work / "w").read_bytes()
        film = fixity_of([blob])
        blob_key = f"blobs/sha256/{film.sha256[:2]}/{film.sha256[2:4]}/{film.sha256}"
        self.contents[blob_key] = blob
        self.rows = {
            "submissions": [
                {
                    "submission_id": f"submission-{self.number}",
                    "submitter_ref": "someone",
                    "agreement_version": 1,
                    "submitted_at": now,
                    "source_kind": "urls",
                    "source_sha256": "0" * 64,
                    "row_count": 1,
                    "accepted_count": 1,
                    "refused_count": 0,
                    "receipt_sha256": "0" * 64,
                }
            ],
            "items": [
                {
                    "item_id": self.item,
                    "submission_id": f"submission-{self.number}",
                    "row_number": 1,
                    "submitter_ref": "someone",
                    "submitted_url": "http://site.invalid/",
                    "engine": "page",
                    "outcome": "captured",
                    "attempt_count": 1,
                    "object_count": 2,
                    "submitted_at": now,
                    "finished_at": now,
                }
            ],
            "captures": [
                {
                    **self.names,
                    "attempt_number": 1,
                    "engine": "page",
                    "started_at": now,
                    "ended_at": now,
                    "outcome": "captured",
                    "egress": "direct",
                    "bytes_received": len(page),
                    "tools_json": "{}",
                    "resources_in_doubt": 0,
                    "warc_file": warc_key,
                    "warc_offset": place.offset,
                    "warc_length": place.length,
                    "warc_sha256": sha256_of(
                        self.contents[warc_key][place.offset : place.offset + place.length]
                    ),
                }
            ],
            "objects": [
                {
                    **self.names,
                    **_fixity_columns(place.payload),
                    "role": "html-as-served",
                    "transfer_form": "as-sent",
                    "warc_file": warc_key,
                    "warc_offset": place.offset,
                    "warc_length": place.length,
                    "warc_record_id": place.record_id,
                },
                {
                    **self.names,
                    **_fixity_columns(film),
                    "role": "media",
                    "transfer_form": "as-sent",
                    "blob_key": blob_key,
                },
            ],
            "resources": [
                {
                    **self.names,
                    "sequence": 1,
                    "url": "http://site.invalid/",
                    "is_held": True,
                    "sha256": place.payload.sha256,
                }
            ],
            "derivations": [],
            "fingerprints": [],
            "protected": [],
            "events": [
                {
                    **_EVENT,
                    "event_id": f"event-{self.number}-{position}",
                    "event_type": kind,
                    "event_at": now,
                    "item_id": self.item if kind == "capture" else None,
                    "detail_json": json.dumps(detail),
                }
                for position, (kind, detail) in enumerate(self.event_details)
            ],
        }
        self.write_tables()

    def write_tables(self):
        """The manifest files for `rows`, which a test may have changed."""
        self.tables = {
            name: [self.declared[name].row(row) for row in rows] for name, rows in self.rows.items()
        }
        for name, rows in self.tables.items():
            self.contents[f"{self.prefix}/manifest/{name}.parquet"] = self._parquet(
                self.declared[name], rows
            )

    def _parquet(self, table, rows) -> bytes:
        path = self.archive.home / "work" / "table.parquet"
        write_table(path, table, rows)
        return path.read_bytes()

    def publish(self):
        for key, content in self.contents.items():
            self.archive.store.put(key, content)

    def drafts(self) -> list[EntryDraft]:
        by_subject: dict[str | None, dict[str, list]] = {}
        for table, rows in self.tables.items():
            for row in rows:
                if table != "events":
                    subject = by_subject.setdefault(row.get("item_id"), {})
                    subject.setdefault(table, []).append(row["row_sha256"])
        events = [
            EntryDraft(
                event_key=row["event_id"],
                event_type=row["event_type"],
                event_at=row["event_at"],
                item_id=row["item_id"],
                agent=row["agent"],
                body={"event": row["row_sha256"]},
            )
            for row in self.tables["events"]
        ]
        ingestions = [
            _draft(f"ingestion:{self.number}:{item}", "ingestion", {"rows": rows}, item)
            for item, rows in by_subject.items()
        ]
        body = {
            "batch_id": self.batch_id,
            "files": {key: facts_of(content) for key, content in self.contents.items()},
            "rows": {name: len(rows) for name, rows in self.tables.items()},
        }
        return [*events, *ingestions, _draft(f"packing:{self.batch_id}", "packing", body)]

    def append(self):
        log = self.archive.log
        self.places = list(log.append(self.drafts(), since=0).values())
        self.checkpoint = log.checkpoint(self.archive.key, size=self.places[-1] + 1)

    def seal(self, *, answer=None, **changes):
        """*answer* stands in for the authority's; None in it means that there was none."""
        token = (
            stamp(self.archive.authority, self.checkpoint.body, at=clock.now())
            if answer is None
            else answer(self.checkpoint.body)
        )
        row = {
            "batch_id": self.batch_id,
            "checkpoint_size": self.checkpoint.size,
            "authority": "test-authority",
            "is_test_authority": True,
            "status": "accepted" if token else "pending",
        }
        stamps = {}
        if token:
            prefix = f"log/tokens/{self.checkpoint.size:012}/test-authority"
            stamps = {f"{prefix}.tsr": token.token, f"{prefix}.chain.pem": token.chain_pem}
            row |= {"token_key": f"{prefix}.tsr", "token_sha256": sha256_of(token.token)}
            row["is_late"] = getattr(token, "is_late", None)
            if getattr(token, "lists_pem", b""):
                stamps[f"{prefix}.crl.pem"] = token.lists_pem
        timestamps = TABLES["timestamps"]
        stamps[f"{self.prefix}/manifest/timestamps.parquet"] = self._parquet(
            timestamps, [timestamps.row(row)]
        )
        for key, content in stamps.items():
            self.archive.store.put(key, content)
        self.document = self._document(stamps, row) | changes
        self.archive.store.put(
            f"seals/{self.batch_id}.json", sign_document(self.document, self.archive.key)
        )

    def _segment_keys(self):
        starts = [segment_start(key) for key in self.archive.store.keys("log/entries/")]
        first = max(start for start in starts if start <= self.places[0])
        return [segment_key(start) for start in starts if first <= start <= self.places[-1]]

    def _document(self, stamps, row):
        store = self.archive.store
        written = [*self._segment_keys(), *(place.key for place in partial_tiles(self.checkpoint.size))]
        files = self.contents | stamps | {key: store.read(key) for key in written}
        return {
            "version": 1,
            "batch_id": self.batch_id,
            "sealed_at": instant(clock.now()),
            "log": {
                "origin": ORIGIN,
                "start": self.places[0],
                "end": self.places[-1] + 1,
            },
            "checkpoint": {
                "key": self.checkpoint.key,
                "size": self.checkpoint.size,
                "root_sha256": self.checkpoint.root_hex,
                "file_sha256": sha256_of(self.checkpoint.body),
            },
            "files": {key: facts_of(content) for key, content in files.items()},
            "timestamps": [
                {
                    name: row.get(name)
                    for name in (
                        "authority",
                        "is_test_authority",
                        "status",
                        "detail",
                        "token_key",
                        "is_late",
                    )
                }
            ],
            "status": "sealed" if row["status"] == "accepted" else "pending",
        }


@dataclass(frozen=True)
class ForgedToken:
    """What `Batch.seal` needs of a token."""

    token: bytes
    chain_pem: bytes
    is_late: bool | None


def forged(forger: Forger, note: bytes, *, is_late: bool | None = None, **fault) -> ForgedToken:
    """The forger's token over *note*."""
    query = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).build()
    answer = forger.answer(query.as_bytes(), **fault)
    return ForgedToken(token=answer, chain_pem=forger.roots.read_bytes(), is_late=is_late)


def facts_of(content: bytes) -> dict:
    return {"sha256": sha256_of(content), "size_bytes": len(content)}


def _fixity_columns(fixity) -> dict:
    return {"size_bytes": fixity.size_bytes, "sha256": fixity.sha256, "sha512": fixity.sha512}


def _draft(event_key, event_type, body, item=None, ago=timedelta(0)) -> EntryDraft:
    return EntryDraft(
        event_key=event_key,
        event_type=event_type,
        event_at=clock.now() - ago,
        item_id=item,
        agent=AGENT,
        body=body,
    )
