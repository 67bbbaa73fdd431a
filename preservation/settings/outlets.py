"""Where people may have things written: not among what the deployment itself keeps."""

from __future__ import annotations

import os
from pathlib import Path

from preservation.errors import BadInput
from preservation.settings.deployment import Settings


def require_outside(settings: Settings, target: Path) -> None:
    """Make sure that *target* doesn't lie in the archive, which a file that nothing names refutes, nor
    in its second copy, nor among keys, what is trusted, and what isn't sealed yet.

    Raises:
        BadInput: It does; nothing was written.
    """
    named = [storage.folder for storage in (settings.storage, settings.replica) if storage is not None]
    kept = (settings.archive, settings.keys, settings.trust, settings.work, *named)
    place = Path(os.path.realpath(target))
    for folder in kept:
        if folder is not None and place.is_relative_to(os.path.realpath(folder)):
            msg = f"{target} lies in {folder}, where this deployment keeps its own."
            raise BadInput(msg, remedy="Nothing was written. Name another place with --to.")
