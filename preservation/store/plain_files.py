"""Files of a folder that people put things into by hand: a pipe in a file's place isn't waited for."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_plain(path: Path) -> BinaryIO:
    """*path* for reading; OSError if it isn't there, isn't a plain file, or can't be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "Not a plain file", str(path))
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path) -> bytes:
    """All bytes of a plain file; raises as `open_plain`."""
    with open_plain(path) as stream:
        return stream.read()
