"""Copy one file between two places, and only if its bytes are the ones that log or seal name."""

from __future__ import annotations

import hashlib
from pathlib import Path

from preservation import clock
from preservation.errors import StoreConflict, StoreUnavailable
from preservation.fixity.files import Fault, NamedFile, Unfit, compared
from preservation.fixity.reading import check_file, reader_of
from preservation.model.digests import chunks_of
from preservation.store.port import ObjectStore


def copy_file(source: ObjectStore, target: ObjectStore, named: NamedFile, scratch: Path) -> None:
    """Make *target* hold *named*, create-only and read back; a no-op if it does already.

    The digest is compared on the way, so that damage never spreads. Files from a store that isn't a
    disk pass through *scratch*.

    Raises:
        Unfit: *source* doesn't hold these bytes; nothing was stored.
        StoreConflict: *target* holds other bytes; nothing was changed.
        StoreUnavailable: A store did not answer; run it again.
    """
    if not source.is_plain(named.key):
        raise Unfit(Fault.MISSING, "nothing, or no plain file")
    path = source.local_path(named.key)
    if path is None:
        _copy_by_draft(source, target, named, scratch)
        return
    try:
        target.put_file(named.key, path, named.sha256)
    except (StoreConflict, StoreUnavailable) as error:
        damage = check_file(reader_of(source), named)
        if damage is not None:
            raise Unfit(damage.fault, damage.observed) from error
        raise


def _copy_by_draft(source: ObjectStore, target: ObjectStore, named: NamedFile, scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    draft, digest = scratch / f"{clock.new_id()}.part", hashlib.sha256()
    try:
        with source.open(named.key) as stream, draft.open("xb") as copy:
            for chunk in chunks_of(stream):
                digest.update(chunk)
                copy.write(chunk)
        damage = compared(named, draft.stat().st_size, digest.hexdigest())
        if damage is not None:
            raise Unfit(damage.fault, damage.observed)
        target.take_file(named.key, draft, named.sha256)
    finally:
        draft.unlink(missing_ok=True)
