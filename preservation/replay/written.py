"""Files that are handed to somebody: whole or not at all, and never over another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from preservation import clock
from preservation.errors import BadInput, StoreFull

_AS_THE_UMASK_SAYS = 0o666


@contextmanager
def new_file(target: Path, *, mode: int = _AS_THE_UMASK_SAYS) -> Iterator[BinaryIO]:
    """A stream, to be written and read, whose content becomes *target* at the end.

    Its permissions are *mode* without what the process's umask takes away.

    Raises:
        BadInput: *target* exists, which was left as it was, or its folder doesn't.
        StoreFull: It can't be written; nothing is left behind.
    """
    if target.exists():
        raise _taken(target)
    part = target.with_name(f".{clock.new_id()}.part")
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w+b") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
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
        with suppress(OSError):  # its folder may be none
            part.unlink()


def _taken(target: Path) -> BadInput:
    return BadInput(f"{target} exists.", remedy="Name another file; this one was left as it is.")
