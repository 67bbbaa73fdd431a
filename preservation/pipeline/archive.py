"""Found an archive, and open it: a directory that holds anything else is refused."""

from __future__ import annotations

import json
from importlib.resources import files

from preservation import clock
from preservation.custody import CustodyLog, EntryDraft, SigningKey
from preservation.errors import ForeignArchive, StoreUnavailable
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.model.tables import SCHEMA_VERSION
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import AGENT
from preservation.settings import Settings
from preservation.store.disk import DiskStore

DESCRIPTION_KEY = "archive.json"
SPEC_KEY = "SPEC.md"


def disk_store(settings: Settings) -> DiskStore:
    """The store on the local disk, whether or not an archive was founded in it."""
    return DiskStore(settings.archive, aside=settings.work / "aside")


def found_archive(settings: Settings, key: SigningKey) -> bool:
    """Write the archive's description and the log's first entry; False if it was founded before.

    Raises:
        ForeignArchive: The directory holds something that isn't this deployment's archive.
    """
    store = disk_store(settings)
    if store.has(DESCRIPTION_KEY):
        open_archive(settings)
    elif next(store.keys(), None) is not None:
        raise ForeignArchive(
            f"{settings.archive} isn't empty and holds no {DESCRIPTION_KEY}.",
            remedy="Nothing was written. Choose an empty directory, or move what is there.",
        )
    log = CustodyLog(store, settings.log_origin)
    if log.size():
        return False
    spec = files("preservation.store").joinpath(SPEC_KEY).read_bytes()
    store.put(SPEC_KEY, spec)
    if not store.has(DESCRIPTION_KEY):
        store.put(DESCRIPTION_KEY, _description(settings, key, spec))
    log.append([_first_entry(store.read(DESCRIPTION_KEY), spec)], since=0)
    log.checkpoint(key)
    return True


def open_archive(settings: Settings) -> DiskStore:
    """The deployment's archive.

    Raises:
        ForeignArchive: It is somebody else's.
        StoreUnavailable: There is none.
    """
    store = disk_store(settings)
    try:
        description = json.loads(store.read(DESCRIPTION_KEY))
    except KeyError as error:
        raise StoreUnavailable(
            f"{settings.archive} holds no archive.",
            remedy=f"Run 'preserve init --home {settings.home}', or mount the disk that holds it.",
        ) from error
    except ValueError as error:
        raise ForeignArchive(
            f"{settings.archive / DESCRIPTION_KEY} can't be read: {error}.",
            remedy="Run 'preserve verify', and restore the file from a copy.",
        ) from error
    if not isinstance(description, dict) or description.get("log_origin") != settings.log_origin:
        raise ForeignArchive(
            f"{settings.archive} belongs to another deployment: its log isn't {settings.log_origin}.",
            remedy="Nothing was written. Name the home that this archive belongs to.",
        )
    return store


def _description(settings: Settings, key: SigningKey, spec: bytes) -> bytes:
    return canonical_json(
        {
            "archive_id": clock.new_id(),
            "created_at": instant(clock.now()),
            "log_origin": settings.log_origin,
            "log_public_key": str(key.public),
            "schema_version": SCHEMA_VERSION,
            "spec_sha256": sha256_of(spec),
        }
    )


def _first_entry(description: bytes, spec: bytes) -> EntryDraft:
    return EntryDraft(
        event_key="creation",
        event_type=EventType.CREATION,
        event_at=clock.now(),
        item_id=None,
        agent=AGENT,
        body={"archive_json_sha256": sha256_of(description), "spec_sha256": sha256_of(spec)},
    )
