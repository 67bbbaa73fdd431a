"""One verification in progress: what is read, counted and found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from preservation.errors import PreservationError, ProgramMissing
from preservation.model.digests import chunks_of
from preservation.model.findings import Finding, Severity
from preservation.settings import Settings
from preservation.store.port import ObjectStore, checked_key

Progress = Callable[[int, int], None]
"""Told the bytes read so far and the bytes in all."""

DAMAGE = (LookupError, OSError, RecursionError, TypeError, ValueError, PreservationError)
"""What reading and parsing damaged bytes may raise; each becomes a finding about its file."""

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
        """All bytes of the plain file *key*; raises like `chunks`."""
        return b"".join(self.chunks(key))

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
