"""The folder of one browser: made fresh, read without trust, removed without a trace."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from preservation import clock

_PREFIX = "preserve-profile-"
_GRACE_S = 5
_MOST_KEY_LOG_BYTES = 64 << 20
_LAST_WORDS_BYTES = 500
_LOCAL_STATE = '{"auth": {"schemes": ""}}'
"""Chromium's own file of settings: it knows no way to log in (RFC 9110 11), and so shows a 401 like any
other answer. By itself it opens a window that asks for a name, and lets the page wait for it for ever.
"""


class Profile:
    """One profile folder and the files in it that we read.

    They are opened before the browser starts: it appends to them, and could put a link to anything
    in their place later.
    """

    def __init__(self) -> None:
        _remove_orphans()
        # Not in the spool: the path of a Unix socket in it must stay below 108 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.key_log = self.folder / "keys.log"
        self.errors = self.folder / "stderr"
        (self.folder / "Local State").write_text(_LOCAL_STATE)
        self._key_log = _made(self.key_log)
        self._errors = _made(self.errors)
        self._keys_begin = 0

    def mark_keys(self) -> None:
        """Let `keys_since_mark` begin here."""
        self._keys_begin = os.fstat(self._key_log).st_size

    def keys_since_mark(self) -> bytes:
        """The whole lines of the key log since the mark; at most 64 MiB."""
        text = os.pread(self._key_log, _MOST_KEY_LOG_BYTES, self._keys_begin)
        return text[: text.rfind(b"\n") + 1]

    @property
    def last_words(self) -> str:
        """The end of what the browser wrote to its standard error."""
        size = os.fstat(self._errors).st_size
        text = os.pread(self._errors, _LAST_WORDS_BYTES, max(0, size - _LAST_WORDS_BYTES))
        return text.decode("utf-8", "replace").strip()

    def remove(self) -> None:
        """Remove the folder; a dying process may still write there for a moment."""
        os.close(self._key_log)
        os.close(self._errors)
        give_up_at = clock.monotonic_s() + _GRACE_S
        shutil.rmtree(self.folder, ignore_errors=True)
        while self.folder.exists() and clock.monotonic_s() < give_up_at:
            clock.sleep(0.05)
            shutil.rmtree(self.folder, ignore_errors=True)


def _made(path: Path) -> int:
    """A descriptor to read the new, empty file at *path*."""
    return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _remove_orphans() -> None:
    """Remove what killed workers left: a profile tells which sites were visited."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = path.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)
