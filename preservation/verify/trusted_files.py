"""Files of the trust folder, the verifier's own: one that can't be read refutes nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from preservation.store.plain_files import open_plain

_LARGEST_BYTES = 1 << 24


def read_trusted(path: Path) -> bytes:
    """All bytes of a plain file, which is small; a pipe isn't waited for.

    Raises:
        OSError: It isn't there, isn't a plain file, is too large, or can't be read.
    """
    with open_plain(path) as stream:
        return _within(stream.read(_LARGEST_BYTES + 1), path)


def trusted_lines(path: Path) -> Iterator[bytes]:
    """The lines of a plain file with their ends; it may be large, if its lines are small.

    Raises:
        OSError: As of `read_trusted`.
    """
    with open_plain(path) as stream:
        while line := stream.readline(_LARGEST_BYTES + 1):
            yield _within(line, path)


def _within(content: bytes, path: Path) -> bytes:
    if len(content) > _LARGEST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def kept_checkpoints(trust: Path) -> list[Path]:
    """Checkpoints that were kept in the folder *trust*; OSError if it can't be listed."""
    return sorted(path for path in trust.iterdir() if path.name.endswith(".checkpoint"))
