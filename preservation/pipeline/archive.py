"""Found an archive, and open it: a place that holds anything else is refused."""

from __future__ import annotations

import json
from importlib.resources import files

from preservation import clock
from preservation.custody import CustodyLog, EntryDraft, SigningKey
from preservation.errors import (
    UPGRADE,
    ArchiveTooNew,
    ForeignArchive,
    SettingsInvalid,
    StoreUnavailable,
)
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.model.tables import SCHEMA_VERSION
from preservation.model.vocabulary import EventType
from preservation.pipeline.events import AGENT
from preservation.pipeline.remembering import BRING_BACK, has_sealed, require_no_rollback
from preservation.settings import SETTINGS_FILE, Settings, StorageSettings
from preservation.store.bounded import read_document
from preservation.store.doctor import Diagnosis, examine
from preservation.store.places import archive_store, aside_of
from preservation.store.port import ObjectStore

DESCRIPTION_KEY = "archive.json"
SPEC_KEY = "SPEC.md"
_LARGEST_DESCRIPTION_BYTES = 1 << 20


def examine_place(settings: Settings, named: str) -> Diagnosis:
    """Try whether the place of the ``archive``, or of its ``replica``, is write-once.

    Raises:
        SettingsInvalid: No replica is configured, or nothing can be tried beside the archive.
        StoreUnavailable: The place doesn't answer.
    """
    places = {
        "archive": settings.storage or StorageSettings(folder=settings.archive),
        "replica": settings.replica,
    }
    place = places[named]
    if place is None:
        raise SettingsInvalid(
            f"No {named} is configured.", remedy=f"Name its url in [{named}] of {SETTINGS_FILE}."
        )
    return examine(place, aside=aside_of(settings, place))


def found_archive(settings: Settings, key: SigningKey) -> bool:
    """Write the archive's description and the log's first entry; False if it was founded before.

    Raises:
        ForeignArchive: The place holds something that isn't this deployment's archive.
        LogBroken: This deployment has sealed, and its log is gone.
    """
    store = archive_store(settings)
    if store.has(DESCRIPTION_KEY):
        open_archive(settings)
    elif next(store.keys(), None) is not None:
        raise ForeignArchive(
            f"{store.place} isn't empty and holds no {DESCRIPTION_KEY}.",
            remedy="Nothing was written. Choose an empty place, or move what is there.",
        )
    log = CustodyLog(store, settings.log_origin)
    if log.size():
        return False
    require_no_rollback(settings, log)
    spec = files("preservation.store").joinpath(SPEC_KEY).read_bytes()
    store.put(SPEC_KEY, spec)
    if not store.has(DESCRIPTION_KEY):
        store.put(DESCRIPTION_KEY, _description(settings, key, spec))
    log.append([_first_entry(store.read(DESCRIPTION_KEY), spec)], since=0)
    log.checkpoint(key)
    return True


def open_archive(settings: Settings) -> ObjectStore:
    """The deployment's archive.

    Raises:
        ForeignArchive: It is somebody else's, or its description can't be read.
        ArchiveTooNew: A newer version of this software founded it.
        StoreUnavailable: There is none.
    """
    store = archive_store(settings)
    try:
        description = json.loads(read_document(store, DESCRIPTION_KEY, _LARGEST_DESCRIPTION_BYTES))
    except KeyError as error:
        found = f"Run 'preserve init --home {settings.home}', or correct where it lies."
        raise StoreUnavailable(
            f"{store.place} holds no archive.",
            remedy=BRING_BACK if has_sealed(settings) else found,
        ) from error
    except (RecursionError, ValueError) as error:
        raise ForeignArchive(
            f"{DESCRIPTION_KEY} in {store.place} can't be read: {error}.",
            remedy="Run 'preserve verify', and restore the file from a copy.",
        ) from error
    if not isinstance(description, dict) or description.get("log_origin") != settings.log_origin:
        raise ForeignArchive(
            f"{store.place} belongs to another deployment: its log isn't {settings.log_origin}.",
            remedy="Nothing was written. Name the home that this archive belongs to.",
        )
    _require_known_version(store, description.get("schema_version"))
    return store


def _require_known_version(store: ObjectStore, version: object) -> None:
    """An archive keeps the version that it was founded with; later software reads it."""
    if type(version) is not int:
        raise ForeignArchive(
            f"{DESCRIPTION_KEY} in {store.place} names the schema version {version!r}.",
            remedy="Nothing was written. Run 'preserve verify', and restore the file from a copy.",
        )
    if version > SCHEMA_VERSION:
        raise ArchiveTooNew(
            f"{store.place} has schema version {version}; this program knows {SCHEMA_VERSION}.",
            remedy=f"Nothing was written. {UPGRADE}",
        )


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
