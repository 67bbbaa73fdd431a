"""Turns at a host: the beginnings of attempts at it keep apart, whichever process makes them.

All processes of one machine that use one folder keep the interval together, threads and containers
with the same folder included. Several machines each keep it for themselves: with n of them a host
may see n beginnings in an interval (give each the n-fold interval, or each its own hosts).
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import os
import shutil
import struct
from pathlib import Path

from preservation import clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_SLOTS = 4096
_MOMENT = struct.Struct("<d")
LONGEST_WAIT_S = 6 * 3600
"""No turn is further away: nothing that a site says stops a host for longer."""


class Politeness:
    """Gives turns at hosts, at least *interval_ms* apart, in the order of asking.

    *folder* holds one small file per slot, and a host's slot is 12 bits of a digest that is keyed
    with the identifier of this boot: after the machine is switched off, nobody can tell from the
    folder which hosts were visited. Two hosts may share a slot; then each waits for the other as well.

    What a host asks for itself (Retry-After) is a pause, in a file of its own: all attempts at it wait.

    A turn is a moment of the machine's monotonic clock that is written down under a lock of the kernel
    (flock(2)), so a process that dies leaves no lock, and at most one turn unused.
    """

    def __init__(self, folder: Path, interval_ms: int) -> None:
        self._interval_s = interval_ms / 1000
        self._boot = _BOOT_ID.read_bytes().strip() if _BOOT_ID.exists() else b""
        # Moments of an earlier boot mean nothing now.
        self._folder = folder / hashlib.sha256(self._boot).hexdigest()[:16]
        if not self._folder.is_dir():
            self._folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            _remove_others(folder, kept=self._folder.name)

    def turn(self, host: str) -> float:
        """Take the next turn at *host*: the seconds to wait for it, 0 if it is now."""
        wait_s = self._taken(host, at_most_s=math.inf)
        return 0.0 if wait_s is None else wait_s

    def wait_for_turn(self, host: str, *, at_most_s: float = math.inf) -> bool:
        """Return at the next turn at *host*; False at once if it is more than *at_most_s* away.

        In the latter case no turn is taken.
        """
        wait_s = self._taken(host, at_most_s=at_most_s)
        if wait_s is None:
            return False
        if wait_s > 0:
            clock.sleep(wait_s)
        return True

    def pause(self, host: str, seconds: float) -> None:
        """Let nobody begin at *host* for so long, `LONGEST_WAIT_S` at most; a longer pause stays."""
        with self._pause_of(host) as descriptor:
            now = clock.monotonic_s()
            end = now + min(seconds, LONGEST_WAIT_S)
            _write(descriptor, max(end, _read(descriptor, now)))

    def pause_left_s(self, host: str) -> float:
        """Seconds until an attempt at *host* may begin again; 0 if none was asked to wait."""
        pause = self._pause_of(host)
        if not pause.exists:
            return 0.0
        with pause as descriptor:
            now = clock.monotonic_s()
            return _read(descriptor, now) - now

    def _taken(self, host: str, *, at_most_s: float) -> float | None:
        with self._file(host) as descriptor:
            now = clock.monotonic_s()
            mine = _read(descriptor, now)
            if mine - now > at_most_s:
                return None
            _write(descriptor, mine + self._interval_s)
            return mine - now

    def _file(self, host: str) -> _Locked:
        return _Locked(self._folder / f"{int.from_bytes(self._digest(host)) % _SLOTS:03x}")

    def _pause_of(self, host: str) -> _Locked:
        """A pause may last for hours: no two hosts share one."""
        return _Locked(self._folder / f"pause-{self._digest(host).hex()}")

    def _digest(self, host: str) -> bytes:
        name = host.strip("[]").lower().removesuffix(".")
        return hashlib.blake2b(name.encode("utf-8", "replace"), key=self._boot, digest_size=8).digest()


class _Locked:
    """The descriptor of a file that this thread alone may read and write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def exists(self) -> bool:
        """Whether anybody has made it."""
        return self._path.exists()

    def __enter__(self) -> int:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def _read(descriptor: int, now: float) -> float:
    """The moment of the next free turn, not before *now*; a torn or absurd one counts as *now*."""
    written = os.pread(descriptor, _MOMENT.size, 0)
    moment = _MOMENT.unpack(written)[0] if len(written) == _MOMENT.size else now
    return float(moment) if now <= moment <= now + LONGEST_WAIT_S else now


def _write(descriptor: int, moment: float) -> None:
    os.pwrite(descriptor, _MOMENT.pack(moment), 0)


def _remove_others(folder: Path, *, kept: str) -> None:
    for other in folder.iterdir():
        if other.name != kept:
            shutil.rmtree(other, ignore_errors=True)
