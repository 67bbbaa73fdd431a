"""One verification in progress: what is read, counted and found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from preservation.custody.entries import EntryTooNew
from preservation.custody.segments import LARGEST_LINE_BYTES
from preservation.errors import ArchiveTooNew, PreservationError, ProgramMissing
from preservation.model.digests import chunks_of
from preservation.model.findings import Finding, Severity
from preservation.settings import Settings
from preservation.store.bounded import LARGEST_DOCUMENT_BYTES
from preservation.store.port import ObjectStore, checked_key

Progress = Callable[[int, int], None]
"""Told the bytes read so far and the bytes in all."""

DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    PreservationError,
)
"""What reading and parsing damaged bytes may raise; each becomes a finding about its file."""

NEWER_VERSION = "newer-software"
"""The rule of a gap: a newer version of this software wrote it, so that it can't be judged here.

No store may report a rule of this name: whoever can write beside an archive would end the examination.
"""

COUNTED = ("files", "bytes", "entries", "batches", "rows", "objects", "tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a log entry or a seal says of a file."""

    sha256: str
    size_bytes: int


@dataclass(slots=True)
class Examination:
    """Collects findings; reads only plain files that the archive itself holds."""

    store: ObjectStore
    settings: Settings
    progress: Progress | None = None
    keys: frozenset[str] = frozenset()
    """Every plain file below the archive."""
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    named: dict[str, FileFacts] = field(default_factory=dict)
    """Every file that a log entry or a seal vouches for."""
    accounted: set[str] = field(default_factory=set)
    """Every file that some step has vouched for or reported."""
    total_bytes: int = 0
    _read_bytes: int = 0
    """Small files of the log are read twice, so this may end above the total."""

    def list_files(self) -> None:
        """Learn what the archive holds; whatever isn't a plain file under a proper name is reported."""
        plain = set()
        for key in self.store.keys(""):
            with self.about("unexpected-file", key):
                if self.store.is_plain(checked_key(key)):
                    plain.add(key)
                    self.total_bytes += self.store.size_bytes(key)
                else:
                    self.broken("unexpected-file", key, "a plain file", "a link or a special file")
        self.keys = frozenset(plain)
        self.counts["files"], self.counts["bytes"] = len(plain), self.total_bytes
        for seen in self.store.anomalies():
            self._found(seen.rule, seen.subject, seen.expected, seen.observed, seen.severity)

    def broken(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Something refutes the claim."""
        self._found(rule, subject, expected, observed, Severity.BROKEN)

    def gap(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """The claim can't be made in full."""
        self._found(rule, subject, expected, observed, Severity.GAP)

    def note(self, rule: str, subject: str, expected: str, observed: str) -> None:
        """Worth reading; the claim stands."""
        self._found(rule, subject, expected, observed, Severity.NOTE)

    @contextmanager
    def about(self, rule: str, subject: str) -> Iterator[None]:
        """Turn damage met inside into a finding about *subject*.

        Raises:
            ProgramMissing: That is no damage; nothing can be checked without the program.
        """
        try:
            yield
        except ProgramMissing:
            raise
        except (ArchiveTooNew, EntryTooNew) as error:
            self.gap(NEWER_VERSION, subject, "what this version knows; use a newer one", f"{error}")
        except DAMAGE as error:
            self.broken(rule, subject, "readable and well-formed", f"{error or type(error).__name__}")

    def chunks(self, key: str) -> Iterator[bytes]:
        """The bytes of the plain file *key*, piece by piece.

        Raises:
            KeyError: The archive holds no such plain file.
            OSError, StoreUnavailable: It can't be read.
        """
        if key not in self.keys:
            msg = f"there is no file {key}"
            raise KeyError(msg)
        with self.store.open(key) as stream:
            for chunk in chunks_of(stream):
                self._read_bytes += len(chunk)
                if self.progress is not None:
                    self.progress(min(self._read_bytes, self.total_bytes), self.total_bytes)
                yield chunk

    def read(self, key: str) -> bytes:
        """All bytes of the plain file *key*, which is small; raises like `chunks`, and ValueError if it
        is larger than any such file.
        """
        found, size_bytes = [], 0
        for chunk in self.chunks(key):
            found.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > LARGEST_DOCUMENT_BYTES:
                msg = f"it has {self.store.size_bytes(key)} bytes, too many for what it should be"
                raise ValueError(msg)
        return b"".join(found)

    def lines(self, key: str) -> Iterator[bytes]:
        """The lines of a segment, without their newlines; raises like `chunks`, and ValueError, before
        the first of them, if its last line has no end.
        """
        if key in self.keys:
            end = max(1, self.store.size_bytes(key))
            if self.store.read_range(key, end - 1, 1) != b"\n":
                msg = "a segment is one or more lines, each with a newline at its end"
                raise ValueError(msg)
        rest = b""
        for chunk in self.chunks(key):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            if len(rest) > LARGEST_LINE_BYTES:
                msg = f"a line has more than {LARGEST_LINE_BYTES} bytes"
                raise ValueError(msg)

    @property
    def is_newer(self) -> bool:
        """Whether anything was met that a newer version of this software wrote."""
        gaps = (f for f in self.findings.values() if f.severity is Severity.GAP)
        return any(f.rule == NEWER_VERSION for f in gaps)

    def keys_below(self, prefix: str) -> list[str]:
        """The plain files below *prefix*, sorted."""
        return sorted(key for key in self.keys if key.startswith(prefix))

    def is_blamed(self, subject: str) -> bool:
        """Whether a finding says that *subject* is broken."""
        return any(
            f.subject == subject for f in self.findings.values() if f.severity is Severity.BROKEN
        )

    def _found(self, rule: str, subject: str, expected: str, observed: str, severity: Severity) -> None:
        # Names of foreign files may hold bytes that aren't UTF-8; a report must stay printable.
        subject = subject.encode("utf-8", "backslashreplace").decode("utf-8")
        finding = Finding(
            rule=rule, subject=subject, expected=expected, observed=observed[:500], severity=severity
        )
        self.findings.setdefault((rule, subject), finding)
