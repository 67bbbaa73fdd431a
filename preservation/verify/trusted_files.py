"""Files of the trust folder, the verifier's own: one that can't be read refutes nothing."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_LARGEST_BYTES = 1 << 24


def read_trusted(path: Path) -> bytes:
    """All bytes of a plain file, which is small; a pipe isn't waited for.

    Raises:
        OSError: It isn't there, isn't a plain file, is too large, or can't be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a plain file", str(path))
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(_LARGEST_BYTES + 1)
    if len(content) > _LARGEST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


def kept_checkpoints(trust: Path) -> list[Path]:
    """Checkpoints that were kept in the folder *trust*; OSError if it can't be listed."""
    return sorted(path for path in trust.iterdir() if path.name.endswith(".checkpoint"))
