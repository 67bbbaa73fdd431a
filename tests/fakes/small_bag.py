"""A small bag, written without the exporter, and what an attacker needs to write another one.

`SmallBag.of` reads a small archive's files and keeps everything as plain values; `write` puts a bag
on disk. In between, a test may do what an attacker would: rewrite rows, entries or times, and then
`rebuild` the chain, the tree, checkpoints, tokens and seals, with whichever keys were stolen.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from preservation.custody import SigningKey, sign_document, sign_note
from preservation.manifest import read_table
from preservation.model.canonical import canonical_json
from preservation.model.tables import MANIFEST_TABLES, TABLES
from preservation.store.warc import payload_at
from preservation.timestamp.test_authority import reply_to
from tests.fakes import small_archive as archives
from tests.fakes.small_archive import ORIGIN, SmallArchive, facts_of

ALGORITHMS = ("sha256", "sha512")
AUTHORITY = "test-authority"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 2.1, as it is written there."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree_root(leaves[:half]) + tree_root(leaves[half:])).digest()


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 2.1.1."""
    if len(leaves) == 1:
        return []
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if index < half:
        return [*path_of(index, leaves[:half]), tree_root(leaves[half:])]
    return [*path_of(index - half, leaves[half:]), tree_root(leaves[:half])]


def proof_of(size: int, leaves: list[bytes], *, is_whole: bool = True) -> list[bytes]:
    """RFC 6962 2.1.2."""
    if size == len(leaves):
        return [] if is_whole else [tree_root(leaves)]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    if size <= half:
        return [*proof_of(size, leaves[:half], is_whole=is_whole), tree_root(leaves[half:])]
    return [*proof_of(size - half, leaves[half:], is_whole=False), tree_root(leaves[:half])]


@dataclass
class Batch:
    """One sealed batch."""

    start: int
    end: int
    note: bytes
    seal: dict
    """Without its key and signature."""
    seal_bytes: bytes
    tokens: dict[str, bytes] = field(default_factory=dict)
    """Archive key to content: tokens, chains, revocation lists."""


@dataclass
class SmallBag:
    """Everything that a bag is made of."""

    archive: SmallArchive
    items: list[str]
    entries: list[dict] = field(default_factory=list)
    """The whole log."""
    founding_note: bytes = b""
    batches: list[Batch] = field(default_factory=list)
    rows: dict[str, list[dict]] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    warcs: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    """Parquet files, as the archive has them."""
    withheld: list[dict] = field(default_factory=list)
    recipient: str = "court"
    is_shown: Callable[[dict], bool] = lambda entry: True
    rotations: list[tuple[int, SigningKey]] = field(default_factory=list)

    @classmethod
    def of(cls, archive: SmallArchive, *items: str) -> SmallBag:
        bag = cls(archive, list(items))
        store = archive.store
        segments = [store.read(key) for key in sorted(store.keys("log/entries/"))]
        bag.entries = [json.loads(line) for line in b"".join(segments).splitlines()]
        bag.founding_note = store.read(f"log/checkpoints/{1:012}")
        documents = [json.loads(store.read(key)) for key in store.keys("seals/")]
        for seal in sorted(documents, key=lambda seal: seal["log"]["start"]):
            bag.batches.append(_batch(archive, seal))
            for table in MANIFEST_TABLES:
                bag._take_rows(table.name, seal)
        bag._choose()
        return bag

    def _take_rows(self, table: str, seal: dict) -> None:
        for key in seal["files"]:
            if key.endswith(f"/manifest/{table}.parquet"):
                found = read_table(self.archive.store.read(key), TABLES[table])
                rows = [json.loads(canonical_json(row)) for row in found]
                self.rows.setdefault(table, []).extend(rows)
                self.tables[table] = self.archive.store.read(key)

    def _choose(self) -> None:
        """Rows, objects and entries of the items alone."""
        items = [row for row in self.rows["items"] if row["item_id"] in self.items]
        submissions = {row["submission_id"] for row in items}
        for table, rows in self.rows.items():
            if rows and "item_id" in rows[0] and table != "events":
                self.rows[table] = [row for row in rows if row["item_id"] in self.items]
        self.rows["submissions"] = [
            row for row in self.rows["submissions"] if row["submission_id"] in submissions
        ]
        shown = {row["row_sha256"] for rows in self.rows.values() for row in rows}
        keys = {e["event_key"] for e in self.entries if _is_about(e, self.items, shown)}
        self.is_shown = lambda e: e["event_key"] in keys or e["event_type"] == "key rotation"
        named = {e["body"]["event"] for e in self.shown() if "event" in e["body"]}
        self.rows["events"] = [row for row in self.rows["events"] if row["row_sha256"] in named]
        for row in self.rows["objects"]:
            self.objects[row["sha256"]] = self._payload(row)
        for row in self.rows["captures"]:
            end = row["warc_offset"] + row["warc_length"]
            content = self.archive.store.read(row["warc_file"])[row["warc_offset"] : end]
            self.warcs[row["capture_id"]] = content

    def _payload(self, row: dict) -> bytes:
        store = self.archive.store
        if row["blob_key"]:
            return store.read(row["blob_key"])
        with payload_at(BytesIO(store.read(row["warc_file"])), row["warc_offset"]) as payload:
            return payload.read()

    # What an attacker does.

    def rewrite(self, table: str, number: int = 0, **changes) -> None:
        """Change a row, with its digest, and the digest in the entry that names it."""
        row = self.rows[table][number]
        before = row["row_sha256"]
        row.update(changes)
        row["row_sha256"] = row_digest(row)
        for entry in self.entries:
            entry["body"] = json.loads(json.dumps(entry["body"]).replace(before, row["row_sha256"]))

    def rebuild(self, key: SigningKey | None = None, *, stamped: bool = True, authority=None) -> None:
        """Chain, tree, checkpoints, tokens and seals anew, under *key* (as stolen: the log's own)."""
        key, authority = key or self.archive.key, authority or self.archive.authority
        self._chain(0, 1)
        self.founding_note = self._note(1, key)
        done = 1
        for batch in self.batches:
            self._chain(done, batch.end)
            done = batch.end
            batch.note = self._note(batch.end, self.key_at(batch.end) or key)
            if stamped:
                self._stamp(batch, authority)
            self._seal(batch, self.key_at(batch.end) or key)

    def key_at(self, size: int) -> SigningKey | None:
        """The key that an earlier rotation handed over to."""
        return next((new for index, new in reversed(self.rotations) if index < size), None)

    def rotate(self, new: SigningKey, **changes) -> None:
        """Before the last batch the log hands over to *new*."""
        last, old = self.batches[-1], self.archive.key
        index = last.start
        message = canonical_json(
            {
                "index": index,
                "log_origin": ORIGIN,
                "new_public_key": str(new.public),
                "old_public_key": str(old.public),
            }
        )
        body = {
            "new_public_key": str(new.public),
            "new_signature": base64.b64encode(new.sign(message)).decode(),
            "old_public_key": str(old.public),
            "old_signature": base64.b64encode(old.sign(message)).decode(),
        }
        entry = self.entries[index] | {
            "event_key": "rotation-1",
            "event_type": "key rotation",
            "item": None,
            "salt": salt(),
            "body": body | changes,
        }
        self.entries.insert(index, entry)
        last.start, last.end = last.start + 1, last.end + 1
        renamed = {
            k.replace(f"{last.end - 1:012}", f"{last.end:012}"): v for k, v in last.tokens.items()
        }
        last.tokens = renamed
        for stamped in last.seal["timestamps"]:
            stamped["token_key"] = f"log/tokens/{last.end:012}/{AUTHORITY}.tsr"
        self.rotations.append((index, new))

    def _chain(self, start: int, end: int) -> None:
        for index in range(start, end):
            entry = self.entries[index]
            leaf = leaf_of(self.entries[index - 1]).hex() if index else None
            entry.update(index=index, previous_leaf_hash=leaf)

    def _note(self, size: int, key: SigningKey) -> bytes:
        root = base64.b64encode(tree_root(self.leaves()[:size])).decode()
        return sign_note(f"{key.public.name}\n{size}\n{root}\n".encode(), key)

    def _stamp(self, batch: Batch, authority) -> None:
        folder = Path(authority.url.removeprefix("test:"))
        asked = TimestampRequestBuilder().data(batch.note).hash_algorithm(HashAlgorithm.SHA256)
        token = reply_to(asked.build().as_bytes(), folder)
        chain = b"".join((folder / f"{name}.pem").read_bytes() for name in ("signer", "root"))
        prefix = f"log/tokens/{batch.end:012}/{AUTHORITY}"
        old = batch.tokens.get(f"{prefix}.tsr", b"")
        lists = x509.load_der_x509_crl((folder / "root.crl").read_bytes())
        batch.tokens = {
            f"{prefix}.tsr": token,
            f"{prefix}.chain.pem": chain,
            f"{prefix}.crl.pem": lists.public_bytes(Encoding.PEM),
        }
        for number, row in enumerate(self.rows["events"]):
            if sha256(old) in row["detail_json"]:
                detail = row["detail_json"].replace(sha256(old), sha256(token))
                self.rewrite("events", number, detail_json=detail)
        for row in self.rows["timestamps"]:
            if row["token_sha256"] == sha256(old):
                row["token_sha256"] = sha256(token)
                row["row_sha256"] = row_digest(row)

    def _seal(self, batch: Batch, key: SigningKey) -> None:
        root = tree_root(self.leaves()[: batch.end])
        batch.seal["checkpoint"] |= {
            "root_sha256": root.hex(),
            "file_sha256": sha256(batch.note),
            "size": batch.end,
            "key": f"log/checkpoints/{batch.end:012}",
        }
        kept = {k: v for k, v in batch.seal["files"].items() if not k.startswith("log/tokens/")}
        batch.seal["files"] = kept | {k: facts_of(content) for k, content in batch.tokens.items()}
        batch.seal["log"] |= {"start": batch.start, "end": batch.end}
        batch.seal_bytes = sign_document(batch.seal, key)

    def date_back(self, by: timedelta) -> None:
        """Every entry and event says that it happened earlier."""
        for entry in self.entries:
            entry["at"], entry["event_at"] = moved(entry["at"], -by), moved(entry["event_at"], -by)
        for number, row in enumerate(self.rows["events"]):
            self.rewrite("events", number, event_at=moved(row["event_at"], -by))

    def proof_of_receipt(self, receipt: dict, submission: str) -> dict:
        """What a submitter holds about *receipt*: the proof.json beside it."""
        leaves, newest = self.leaves(), self.batches[-1]
        promised = {item["item_id"] for item in receipt.get("items", ())}
        rows = [
            ("submissions", r) for r in self.rows["submissions"] if r["submission_id"] == submission
        ]
        rows += [("items", row) for row in self.rows["items"] if row["item_id"] in promised]
        named = [
            e for e in self.entries if any(r["row_sha256"] in json.dumps(e["body"]) for _, r in rows)
        ]
        entries = [
            {
                "line": canonical_json(entry).decode(),
                "size": newest.end,
                "proof": _hex(path_of(entry["index"], leaves[: newest.end])),
            }
            for entry in named
        ]
        tokens = [
            {
                "size": newest.end,
                "authority": AUTHORITY,
                "token": base64.b64encode(content).decode(),
                "chain_pem": newest.tokens[key.replace(".tsr", ".chain.pem")].decode(),
                "crl_pem": newest.tokens[key.replace(".tsr", ".crl.pem")].decode(),
            }
            for key, content in newest.tokens.items()
            if key.endswith(".tsr")
        ]
        return {
            "version": 1,
            "kind": "receipt-proof",
            "receipt_id": receipt["receipt_id"],
            "receipt_sha256": sha256(canonical_json(receipt)),
            "submission_id": submission,
            "log_origin": ORIGIN,
            "log_public_key": str(self.archive.key.public),
            "rows": [{"table": table, "row": row} for table, row in rows],
            "entries": entries,
            "checkpoints": [{"size": newest.end, "note": newest.note.decode()}],
            "tokens": tokens,
            "consistency": [],
        }

    # What is written.

    def leaves(self) -> list[bytes]:
        return [leaf_of(entry) for entry in self.entries]

    def shown(self) -> list[dict]:
        return [entry for entry in self.entries if self.is_shown(entry)]

    def export(self) -> dict:
        return {
            "version": 1,
            "export_id": "export-1",
            "created_at": "2026-01-02T03:04:05.000006Z",
            "archive_id": "archive-1",
            "log_origin": ORIGIN,
            "log_public_key": str(self.archive.key.public),
            "recipient": self.recipient,
            "purpose": "trial",
            "software": "small",
            "schema_version": 1,
            "items": self.items,
            "checkpoint_size": self.batches[-1].end,
            "withheld": self.withheld,
            "tables": {table: len(rows) for table, rows in self.rows.items()},
        }

    def files(self) -> dict[str, bytes]:
        """Every payload file."""
        leaves = self.leaves()
        notes = {1: self.founding_note} | {batch.end: batch.note for batch in self.batches}
        newest = self.batches[-1].end
        proofs = []
        for entry in self.shown():
            size = min(size for size in notes if size > entry["index"])
            path = path_of(entry["index"], leaves[:size])
            proofs.append({"index": entry["index"], "size": size, "proof": _hex(path)})
        growth = [
            {"old_size": size, "new_size": newest, "proof": _hex(proof_of(size, leaves[:newest]))}
            for size in sorted(notes)
            if size < newest
        ]
        files = {
            "export.json": canonical_json(self.export()),
            "log/entries.jsonl": _lines(self.shown()),
            "log/inclusion.jsonl": _lines(proofs),
            "log/consistency.jsonl": _lines(growth),
            "history/item.en.html": b"<p>told in plain words</p>",
        }
        files |= {f"log/checkpoints/{size:012}": note for size, note in notes.items()}
        for batch in self.batches:
            files |= batch.tokens
            if any(self.is_shown(entry) for entry in self.entries[batch.start : batch.end]):
                files[f"seals/{batch.seal['batch_id']}.json"] = batch.seal_bytes
        files |= {f"objects/{sha256(content)}": content for content in self.objects.values()}
        files |= {f"warc/{capture}.warc.gz": content for capture, content in self.warcs.items()}
        files |= {f"rows/{table}.jsonl": _lines(rows) for table, rows in self.rows.items()}
        files |= {f"rows/{table}.parquet": content for table, content in self.tables.items()}
        return {f"data/{name}": content for name, content in files.items()}

    def write(self, folder: Path) -> Path:
        for name, content in self.files().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "README.txt").write_text("read me\n")
        (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
        refresh(folder, self.key_at(self.batches[-1].end) or self.archive.key)
        return folder


def refresh(folder: Path, key: SigningKey | None = None) -> None:
    """Write the bag's own lists anew, as anybody can; with the archive's *key*, its signature, too."""
    payload = _plain_files(folder, "data/")
    size = sum(len(content) for content in payload.values())
    info = f"Bagging-Date: 2026-01-02\nPayload-Oxum: {size}.{len(payload)}\n"
    (folder / "bag-info.txt").write_text(info)
    for algorithm in ALGORITHMS:
        _write_list(folder / f"manifest-{algorithm}.txt", algorithm, payload)
    tags = _plain_files(folder, "")
    apart = ("data/", "tagmanifest-", "signature.txt")
    tags = {n: c for n, c in tags.items() if not n.startswith(apart)}
    for algorithm in ALGORITHMS:
        _write_list(folder / f"tagmanifest-{algorithm}.txt", algorithm, tags)
    if key is not None:
        digest = sha256((folder / "tagmanifest-sha256.txt").read_bytes())
        said = f"preservation-bag/v1\ntagmanifest-sha256.txt {digest}\n"
        (folder / "signature.txt").write_bytes(sign_note(said.encode(), key))


def trust_of(archive: SmallArchive, folder: Path) -> Path:
    """What somebody outside would have of this archive."""
    folder.mkdir(parents=True)
    for name in ("log.vkey", f"{AUTHORITY}.pem"):
        shutil.copyfile(archive.home / "trust" / name, folder / name)
    return folder


def row_digest(row: dict) -> str:
    return sha256(canonical_json({k: v for k, v in row.items() if k != "row_sha256"}))


def leaf_of(entry: dict) -> bytes:
    return hashlib.sha256(b"\0" + canonical_json(entry)).digest()


def moved(text: str, by: timedelta) -> str:
    at = datetime.fromisoformat(text) + by
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def salt() -> str:
    return secrets.token_hex(16)


def _batch(archive: SmallArchive, seal: dict) -> Batch:
    bare = {k: v for k, v in seal.items() if k not in {"public_key", "signature"}}
    tokens = {k: archive.store.read(k) for k in seal["files"] if k.startswith("log/tokens/")}
    return Batch(
        start=seal["log"]["start"],
        end=seal["log"]["end"],
        note=archive.store.read(seal["checkpoint"]["key"]),
        seal=bare,
        seal_bytes=canonical_json(seal),
        tokens=tokens,
    )


def _is_about(entry: dict, items: list[str], shown: set[str]) -> bool:
    if entry["event_type"] in {"creation", "timestamping", "packing"} or entry["item"] in items:
        return True
    named = {d for digests in entry["body"].get("rows", {}).values() for d in digests}
    return entry["item"] is None and bool(named & shown)


def _lines(documents: list[dict]) -> bytes:
    return b"".join(canonical_json(document) + b"\n" for document in documents)


def _hex(hashes: list[bytes]) -> list[str]:
    return [found.hex() for found in hashes]


def _plain_files(folder: Path, prefix: str) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and name.startswith(prefix):
            found[name] = path.read_bytes()
    return found


def _write_list(path: Path, algorithm: str, files: dict[str, bytes]) -> None:
    digests = {name: hashlib.new(algorithm, content).hexdigest() for name, content in files.items()}
    path.write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))


def three_batches(home: Path) -> SmallArchive:
    """Three sealed batches, each of which logs the token of the one before it."""
    archive = SmallArchive.found(home)
    earlier = archive.seal_batch(1)
    for number in (2, 3):
        batch = archives.Batch(archive, number)
        [stamped] = earlier.document["timestamps"]
        key = stamped["token_key"]
        digest = earlier.document["files"][key]["sha256"]
        detail = {"batch_id": earlier.batch_id, "token_key": key, "token_sha256": digest}
        batch.event_details.append(("timestamping", detail))
        batch.build()
        batch.publish()
        batch.append()
        batch.seal()
        earlier = batch
    return archive
