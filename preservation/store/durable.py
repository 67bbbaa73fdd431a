"""Making names last: a file's own bytes are synced with it, its name with the folder that holds it."""

from __future__ import annotations

import os
from pathlib import Path


def fsync_folder(folder: Path) -> None:
    """Return once the names in *folder* would survive a power cut (fsync(2), notes on directories).

    Raises:
        OSError: It isn't a folder, or the disk refuses.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
