"""Sealed items as one WACZ 1.1.1 file (specs.webrecorder.net/wacz/1.1.1), for web-archive players.

- ``archive/data.warc.gz``: the items' records, gzip member by gzip member as they are in the archive,
  but for those that are withheld (see `recordings`).
- ``archive/copies.warc.gz``: copies (see `copies`), if any are needed.
- ``indexes/index.cdx.gz`` and ``index.idx``: the index in blocks, pointing into both.
- ``pages/pages.jsonl``, ``datapackage.json`` with the SHA-256 of each, and its own digest.

The same items give the same bytes. The custody log, not this file, is the proof of them.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self

import preservation
from preservation.model.digests import chunks_of, fixity_of, sha256_of
from preservation.replay.bodies import Bodies, BodyUnreadable
from preservation.replay.cdxj import cdxj_line, sorted_lines
from preservation.replay.copies import copied_blob, copied_record, needs_copy
from preservation.replay.index import Recorded, ReplayIndex
from preservation.replay.items import SealedItem, blob_run, index_of, page_of, readable
from preservation.replay.recordings import CONFIDENTIAL, Excerpt, content_of
from preservation.replay.written import new_file
from preservation.settings import Limits
from preservation.store.port import ObjectStore

_DATA, _COPIES = "data.warc.gz", "copies.warc.gz"
_BLOCK_LINES = 3000
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a ZIP can name: files in it have none of their own."""
_HINT = 2_000_000_000
"""Bytes that zipfile takes to need no ZIP64 field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenWacz:
    """What was written."""

    path: Path
    size_bytes: int
    sha256: str
    pages: int
    records: int
    """Answers in the index."""
    copies: int
    """Records in ``copies.warc.gz``."""
    left_out: tuple[str, ...]
    """URLs whose body can't be decoded, and so has no copy; the file has their records all the same."""

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**asdict(self), "path": str(self.path)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Resource:
    """One file of the package."""

    path: str
    size_bytes: int
    pieces: Callable[[], Iterator[bytes]]
    """Its content; may be called again."""

    @classmethod
    def of(cls, path: str, content: bytes) -> Self:
        """A file that is held in memory."""
        return cls(path=path, size_bytes=len(content), pieces=lambda: iter((content,)))

    def described(self) -> dict[str, Any]:
        """The entry of ``datapackage.json``."""
        digest = fixity_of(self.pieces()).sha256
        name = self.path.rpartition("/")[2]
        return {"name": name, "path": self.path, "hash": f"sha256:{digest}", "bytes": self.size_bytes}


@dataclass(slots=True, kw_only=True)
class _Contents:
    """The package in the making."""

    store: ObjectStore
    limits: Limits
    copied: BinaryIO
    """``copies.warc.gz``."""
    copies: int = 0
    excerpts: list[Excerpt] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    pages: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, item: SealedItem, withheld: Collection[str]) -> None:
        """Take *item*'s records, and say where each answer is."""
        index = index_of(self.store, item)
        with readable(item):
            excerpt = Excerpt(index.run, withheld)
        for note, target_uri in excerpt.blob_notes:
            content = content_of(self.store, item, note)
            self.copied.writelines(copied_blob(note, target_uri, content))
            self.copies += 1
        base = sum(one.length for one in self.excerpts)
        bodies = Bodies(index.run, lambda digest: blob_run(self.store, digest), self.limits)
        for answer in index.answers:
            offset = base + excerpt.offset_of(answer.record)
            line = cdxj_line(answer, index.run, filename=_DATA, offset=offset)
            if line is not None and needs_copy(answer):
                line = self._copied(answer, line, bodies)
            if line is not None:
                self.lines.append(line)
        self.excerpts.append(excerpt)
        self.pages.append(_page(item, index))

    def resources(self) -> list[_Resource]:
        """The files of the package, the smallest first."""
        data = _Resource(
            path=f"archive/{_DATA}",
            size_bytes=sum(one.length for one in self.excerpts),
            pieces=lambda: (piece for one in self.excerpts for piece in one.pieces()),
        )
        copied = _Resource(
            path=f"archive/{_COPIES}",
            size_bytes=self.copied.tell(),
            pieces=lambda: _from_start(self.copied),
        )
        archives = [data, copied] if self.copies else [data]
        archives.sort(key=lambda one: one.size_bytes)
        files = [*_indexes(self.lines), _pages(self.pages), *archives]
        return [*_descriptions(self.pages, files), *files]

    def _copied(self, answer: Recorded, line: str, bodies: Bodies) -> str | None:
        """Write a copy of *answer*, and let *line* point to it; null if its body can't be had."""
        offset = self.copied.tell()
        try:
            self.copied.writelines(copied_record(answer, bodies))
        except BodyUnreadable:
            self.copied.seek(offset)
            self.copied.truncate()
            self.left_out.append(answer.url)
            return None
        self.copies += 1
        key, timestamp, members = line.split(" ", 2)
        place = {"length": str(self.copied.tell() - offset), "offset": str(offset), "filename": _COPIES}
        mime = answer.media_type or "unk"
        return f"{key} {timestamp} {json.dumps({**json.loads(members), 'mime': mime, **place})}"


def write_wacz(
    store: ObjectStore,
    items: Sequence[SealedItem],
    target: Path,
    limits: Limits,
    *,
    withheld: Collection[str] = CONFIDENTIAL,
) -> WrittenWacz:
    """Write *items* of the archive *store* to *target*, which must not exist.

    Records about the target URIs *withheld* stay in the archive.

    Raises:
        BadInput: *target* exists or can't be made, or an item has no page; nothing is left behind.
        EvidenceAtRisk: An item's records can't be read.
        StoreFull: There is no room.
    """
    unique = {item.capture_id: item for item in items}
    ordered = sorted(unique.values(), key=lambda item: (item.captured_at, item.item_id))
    with new_file(target) as stream, tempfile.TemporaryFile() as copies:
        contents = _Contents(store=store, limits=limits, copied=copies)
        for item in ordered:
            contents.add(item, withheld)
        _write_zip(stream, contents.resources())
        size, digest = _measured(stream)
    return WrittenWacz(
        path=target,
        size_bytes=size,
        sha256=digest,
        pages=len(contents.pages),
        records=len(contents.lines),
        copies=contents.copies,
        left_out=tuple(contents.left_out),
    )


def _write_zip(stream: BinaryIO, resources: Iterable[_Resource]) -> None:
    """Write *resources* without compression, so that players can read parts of them.

    wabac.js takes the length of a file's local header from the central directory, so both must have
    the same ZIP64 fields: sizes where a file needs them, and no offset that needs any before the
    last file; hence the order, and the hint below (zipfile would begin 5 % earlier).
    """
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for resource in resources:
            entry = zipfile.ZipInfo(resource.path, _EPOCH)
            entry.external_attr = 0o644 << 16
            is_large = resource.size_bytes > zipfile.ZIP64_LIMIT
            entry.file_size = resource.size_bytes if is_large else min(resource.size_bytes, _HINT)
            with archive.open(entry, "w") as sink:
                for piece in resource.pieces():
                    sink.write(piece)


def _from_start(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    yield from chunks_of(stream)


def _page(item: SealedItem, index: ReplayIndex) -> dict[str, Any]:
    page = page_of(item, index)
    return {
        "id": item.item_id,
        "url": page.url,
        "ts": page.answered_at,
        "title": item.title or page.url,
    }


def _indexes(unsorted_lines: Iterable[str]) -> list[_Resource]:
    """The index in gzip members of `_BLOCK_LINES` lines, and the list of these members."""
    lines = sorted_lines(unsorted_lines)
    header = '!meta 0 {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}'
    blocks, listing, offset = list[bytes](), [header], 0
    for first in range(0, len(lines), _BLOCK_LINES):
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        text = "".join(f"{line}\n" for line in lines[first : first + _BLOCK_LINES])
        block = packer.compress(text.encode()) + packer.flush()
        place = {"offset": offset, "length": len(block), "digest": f"sha256:{sha256_of(block)}"}
        begin = " ".join(lines[first].split(" ", 2)[:2])
        listing.append(f"{begin} {json.dumps({**place, 'filename': 'index.cdx.gz'})}")
        blocks.append(block)
        offset += len(block)
    index = "".join(f"{line}\n" for line in listing).encode()
    return [
        _Resource.of("indexes/index.cdx.gz", b"".join(blocks)),
        _Resource.of("indexes/index.idx", index),
    ]


def _pages(pages: Iterable[dict[str, Any]]) -> _Resource:
    header = {"format": "json-pages-1.0", "id": "pages", "title": "Preserved items", "hasText": False}
    lines = [json.dumps(line, ensure_ascii=False) for line in (header, *pages)]
    return _Resource.of("pages/pages.jsonl", "".join(f"{line}\n" for line in lines).encode())


def _descriptions(pages: Sequence[dict[str, Any]], files: Iterable[_Resource]) -> list[_Resource]:
    """``datapackage.json`` and its digest."""
    first = pages[0]
    description = {
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "title": first["title"] if len(pages) == 1 else f"{len(pages)} preserved items",
        "description": "Copied out of a sealed archive. The archive's custody log proves it.",
        "created": max(page["ts"] for page in pages),
        "software": f"preservation/{preservation.__version__}",
        "mainPageUrl": first["url"],
        "mainPageDate": first["ts"],
        "resources": [one.described() for one in files],
    }
    content = json.dumps(description, ensure_ascii=False, indent=2).encode()
    digest = {"path": "datapackage.json", "hash": f"sha256:{sha256_of(content)}"}
    return [
        _Resource.of("datapackage.json", content),
        _Resource.of("datapackage-digest.json", json.dumps(digest, indent=2).encode()),
    ]


def _measured(stream: BinaryIO) -> tuple[int, str]:
    stream.flush()
    stream.seek(0)
    fixity = fixity_of(chunks_of(stream))
    return fixity.size_bytes, fixity.sha256
