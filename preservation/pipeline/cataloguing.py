"""List everything that must be in the archive, so that every file of it is judged.

1. The log's own files, seals and the archive's description are digested, and then proven as `verify`
   proves them: entries, tree, checkpoints and signatures. A file that fails is damage; what it says
   isn't believed.
2. Packing entries and seals name the files of batches, blobs and tokens with their digests.
3. Whatever else is there has its digest in its own name (derived files, blobs), or is the trace of a
   seal that isn't finished, or is a stranger.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from preservation import clock
from preservation.errors import UPGRADE, ArchiveTooNew
from preservation.fixity import (
    LOG_SHARD,
    Catalogue,
    Damage,
    Fault,
    NamedFile,
    Unfit,
    reader_of,
    shard_of,
)
from preservation.manifest import seal_key
from preservation.model.canonical import instant
from preservation.model.findings import Finding
from preservation.pipeline.archive import DESCRIPTION_KEY, SPEC_KEY
from preservation.pipeline.places import Place, store_of
from preservation.pipeline.proving_log import is_damage, prove_log
from preservation.settings import Settings
from preservation.store.port import ObjectStore, checked_key
from preservation.verify.examination import NEWER_VERSION

BUILT_AT, FOUNDED_AT, UNSEALED, NOTES = "built_at", "founded_at", "unsealed", "notes"
UNREAD = "unread"
"""Facts of a catalogue: when it was made, when the archive was founded, how many files wait for a
seal, what lies beside originals that are intact (a JSON list), and the shares of the files that wait.
"""
_MOST_NOTES = 100

_PROVEN = (DESCRIPTION_KEY, SPEC_KEY, "log/entries/", "log/tile/", "log/checkpoints/", "seals/")
_TOKENS, _SEGMENTS, _SEALS = "log/tokens/", "log/entries/", "seals/"
_OWN_DIGEST = re.compile(
    r"(?:blobs/sha256/[0-9a-f]{2}/[0-9a-f]{2}/|derived/[a-z]+/[0-9]{12}-)([0-9a-f]{64})(?:\.[a-z]+)?"
)
_OF_BATCH = re.compile(r"batches/[0-9]{4}/[0-9]{2}/(?P<batch>[0-9A-Za-z_-]+)/(?:warc|manifest)/[^/]+")
_OF_STAMPS = re.compile(
    r"log/tokens/[0-9]{12}/[A-Za-z0-9_.-]+|batches/.+/manifest/timestamps\.[0-9]+\.parquet"
)


def catalogue_path(settings: Settings, place: Place) -> Path:
    """Where the list of *place* lies between the steps of an audit."""
    return settings.work / "audit" / f"{place}.sqlite"


def build_catalogue(settings: Settings, place: Place) -> Catalogue:
    """List what *place* must hold, and prove its log and seals; replaces the list of the last audit.

    Raises:
        StoreUnavailable: The store did not answer.
        ForeignArchive: The place holds something that isn't an archive.
        ArchiveTooNew: A newer version of this software founded the archive, or wrote to its log.
    """
    path, store = catalogue_path(settings, place), store_of(settings, place)
    draft = path.with_name(f"{clock.new_id()}.part")
    built_at = clock.now()
    try:
        with Catalogue.draft(draft) as catalogue:
            _prove_log(catalogue, store, settings, place)
            catalogue.name_all(_named_files(store, catalogue), _shard)
            notes = _look_beside(catalogue, store)
            unsealed, unread = _account_for_the_rest(catalogue, store)
            founded_at = _founded_at(store) or instant(built_at)
            catalogue.finish(
                {
                    BUILT_AT: instant(built_at),
                    FOUNDED_AT: founded_at,
                    UNSEALED: str(unsealed),
                    UNREAD: json.dumps(sorted(unread)),
                    NOTES: json.dumps(notes),
                }
            )
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Catalogue(path)


def open_catalogue(settings: Settings, place: Place) -> Catalogue:
    """The list that was made last; it is made now if there is none."""
    path = catalogue_path(settings, place)
    return Catalogue(path) if path.exists() else build_catalogue(settings, place)


def _prove_log(catalogue: Catalogue, store: ObjectStore, settings: Settings, place: Place) -> None:
    """Step 1. The digests come first: whoever copies a file later copies the bytes that were proven."""
    reader = reader_of(store)
    for key in _log_keys(store):
        try:
            size_bytes, sha256 = reader.measure(checked_key(key))
        except Unfit as unfit:
            _add(catalogue, key, unfit.fault, observed=unfit.said)
        except ValueError as error:
            _add(catalogue, key, Fault.STRANGER, observed=str(error))
        else:
            own = NamedFile(key=key, size_bytes=size_bytes, sha256=sha256, named_by=key)
            catalogue.name_all([own], _shard)
    findings = prove_log(store, settings)
    _refuse_newer(findings)
    for finding in findings:
        # A second copy that lags behind is no rollback; the next copying goes on with it.
        is_lag = place is Place.REPLICA and finding.rule == "log-rolled-back"
        if is_damage(finding) and not is_lag:
            _blame(catalogue, finding)


def _refuse_newer(findings: Sequence[Finding]) -> None:
    """What a newer version wrote may name files in ways that aren't known here."""
    newer = [finding for finding in findings if finding.rule == NEWER_VERSION]
    if newer and not any(map(is_damage, findings)):
        msg = f"{newer[0].subject} is newer than this software: {newer[0].observed}"
        raise ArchiveTooNew(msg, remedy=f"Nothing was checked. {UPGRADE}")


def _blame(catalogue: Catalogue, finding: Finding) -> None:
    is_there = catalogue.find(finding.subject) is not None
    fault = Fault.NOT_PROVEN if is_there else Fault.MISSING
    catalogue.forget(finding.subject)
    observed = f"{finding.rule}: {finding.observed}"
    _add(catalogue, finding.subject, fault, expected=finding.expected, observed=observed)


def _add(
    catalogue: Catalogue, key: str, fault: Fault, *, expected: str = "a file of log", observed: str
) -> None:
    found = Damage(key=key, fault=fault, expected=expected, observed=observed)
    catalogue.add_damage(found, lambda _: LOG_SHARD)


def _shard(key: str) -> str:
    """The log's own files make a share of their own, even where a seal names them, too."""
    return LOG_SHARD if key.startswith(_PROVEN) else shard_of(key)


def _log_keys(store: ObjectStore) -> Iterator[str]:
    """What proves itself; tokens are named by seals."""
    yield from (key for key in (DESCRIPTION_KEY, SPEC_KEY) if store.has(key))
    yield from (key for key in store.keys("log/") if not key.startswith(_TOKENS))
    yield from store.keys(_SEALS)


def _named_files(store: ObjectStore, catalogue: Catalogue) -> Iterator[NamedFile]:
    """Step 2: first what the log says, then what the seals say."""
    for prefix, documents in ((_SEGMENTS, _packing_bodies), (_SEALS, _seals)):
        for key in store.keys(prefix):
            if catalogue.find(key) is not None:
                for document in documents(store, key):
                    yield from _files_in(document, key)


def _packing_bodies(store: ObjectStore, key: str) -> Iterator[Any]:
    with store.open(key) as segment:
        for line in segment:
            if b'"event_type":"packing"' in line:
                yield json.loads(line)["body"]


def _seals(store: ObjectStore, key: str) -> Iterable[Any]:
    return [json.loads(store.read(key))]


def _files_in(document: Mapping[str, Any], named_by: str) -> Iterator[NamedFile]:
    for key, facts in document["files"].items():
        yield NamedFile(
            key=checked_key(key),
            size_bytes=int(facts["size_bytes"]),
            sha256=str(facts["sha256"]),
            named_by=named_by,
        )


def _look_beside(catalogue: Catalogue, store: ObjectStore) -> list[str]:
    """Newer versions and delete markers over locked originals: somebody tried to change the archive."""
    notes: list[str] = []
    for finding in store.anomalies():
        if is_damage(finding):
            _blame(catalogue, finding)
        elif len(notes) < _MOST_NOTES:
            notes.append(f"{finding.rule}: {finding.subject}: {finding.observed}")
    return notes


def _account_for_the_rest(catalogue: Catalogue, store: ObjectStore) -> tuple[int, set[str]]:
    """Step 3; how many files wait for a seal, and in which shares they lie."""
    unsealed, unread = 0, set[str]()
    for key in catalogue.compare_listing(store.keys("")):
        own = _OWN_DIGEST.fullmatch(key)
        if own:
            named = NamedFile(key=key, size_bytes=None, sha256=own[1], named_by=key)
            catalogue.name_all([named])
        elif _is_awaited(catalogue, key):
            unsealed += 1
            unread.add(_shard(key))
        else:
            nothing, seen = "no such file", "a file that nothing names"
            stranger = Damage(key=key, fault=Fault.STRANGER, expected=nothing, observed=seen)
            catalogue.add_damage(stranger)
    return unsealed, unread


def _is_awaited(catalogue: Catalogue, key: str) -> bool:
    """Whether a seal that is under way, or was interrupted, could have left *key*."""
    if key.startswith(_PROVEN):  # it wasn't there a moment ago: somebody seals right now
        return True
    batch = _OF_BATCH.fullmatch(key)
    if batch and catalogue.find(seal_key(batch["batch"], 1)) is None:
        return True
    return _OF_STAMPS.fullmatch(key) is not None


def _founded_at(store: ObjectStore) -> str | None:
    try:
        return str(json.loads(store.read(DESCRIPTION_KEY))["created_at"])
    except (KeyError, TypeError, ValueError):
        return None
