"""Signals of files, kept by the digests of the file and of the code that makes them."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import preservation
from preservation.similarity.fingerprints import fingerprints_of
from preservation.similarity.signals import FingerprintResult

Row = dict[str, Any]
Kept = tuple[list[Row], str | None]
_PACKAGE = "preservation.similarity"
PICTURES = ("isolated",)
VIDEOS = ("video", "audio")
"""Modules that make signals; what they use counts as well."""
_COLUMNS = ("algorithm", "view", "frame_ms", "value", "quality", "box")
_SAID_EVERY = 100


class SignalCache:
    """Signals by file, below *work*, made by the modules *makers* and what they use."""

    def __init__(self, work: Path, makers: tuple[str, ...], said: Callable[[str], None]) -> None:
        kind = "-".join(("signals", *makers))
        self._path = work / f"{kind}-{code_digest(makers)}.jsonl"
        self._said = said
        for older in work.glob(f"{kind}-????????.jsonl"):
            if older != self._path:
                older.unlink()
        self._known = dict(_kept_in(self._path)) if self._path.exists() else {}

    def of_files(
        self, files: Iterable[tuple[Path, str]]
    ) -> Iterator[tuple[str, list[Row], str | None]]:
        """SHA-256, rows of the table `fingerprints` and reason of absence of each path and type."""
        made = 0
        with self._path.open("a", encoding="utf-8") as log:
            for path, media_type in files:
                sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
                if sha256 not in self._known:
                    self._known[sha256] = _plain(fingerprints_of(path, media_type))
                    log.write(json.dumps((sha256, *self._known[sha256])) + "\n")
                    made += 1
                    if made % _SAID_EVERY == 0:
                        self._said(f"signals of {made} files")
                rows, reason = self._known[sha256]
                yield sha256, [{"sha256": sha256, **row} for row in rows], reason


def _kept_in(path: Path) -> Iterator[tuple[str, Kept]]:
    """What *path* holds; a line that a stopped run left torn is lost, and ended."""
    with path.open("rb+") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                with suppress(json.JSONDecodeError):
                    sha256, rows, reason = json.loads(line)
                    yield sha256, (rows, reason)
            else:
                lines.write(b"\n")


def _plain(result: FingerprintResult) -> Kept:
    rows = [asdict(fingerprint) for fingerprint in result.fingerprints]
    return [{name: row[name] for name in _COLUMNS} for row in rows], result.absence_reason


def code_digest(makers: tuple[str, ...]) -> str:
    """Of those modules of `preservation.similarity` and all that they use."""
    digest = hashlib.sha256()
    for module in sorted(_reachable(makers)):
        digest.update(_source(module))
    return digest.hexdigest()[:8]


def _reachable(makers: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = [f"{_PACKAGE}.{maker}" for maker in makers]
    while waiting:
        module = waiting.pop()
        if module not in found and _source(module):
            found.add(module)
            waiting.extend(_imported(module))
    return found


def _imported(module: str) -> Iterator[str]:
    """Modules that *module* imports from, or names, as it does one that a child process runs."""
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(_PACKAGE):
            yield str(node.module)
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Constant) and str(node.value).startswith(_PACKAGE):
            yield str(node.value)


@cache
def _source(module: str) -> bytes:
    root = Path(str(preservation.__file__)).parent.parent
    path = (root / module.replace(".", "/")).with_suffix(".py")
    return path.read_bytes() if path.is_file() else b""
