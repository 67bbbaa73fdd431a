"""Files that are handed to somebody: whole or not at all, and never over another."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from preservation.errors import BadInput, StoreFull

_FOR_ALL = 0o644


@contextmanager
def new_file(target: Path, *, mode: int = _FOR_ALL) -> Iterator[BinaryIO]:
    """A stream, to be written and read, whose content becomes *target* at the end, with *mode*.

    Raises:
        BadInput: *target* exists, which was left as it was, or its folder doesn't.
        StoreFull: It can't be written; nothing is left behind.
    """
    if target.exists():
        raise _taken(target)
    part: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        part = Path(name)
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.chmod(mode)
        # Not linked to its name: exFAT has no links.
        target.touch(exist_ok=False)
        part.replace(target)
    except FileExistsError as error:
        raise _taken(target) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"{target.parent} isn't a directory.", remedy="Make it first.") from error
    except OSError as error:
        raise StoreFull(
            f"{target} can't be written: {error.strerror}.", remedy="Make room, or name another place."
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _taken(target: Path) -> BadInput:
    return BadInput(f"{target} exists.", remedy="Name another file; this one was left as it is.")
