"""Tries a bucket: that conditions, digests, locks and versions are kept and not only answered.

What is locked can't be deleted, so each probe leaves a few tiny objects beside the archive, below
``<prefix>.doctor/``, locked for a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from preservation import clock
from preservation.errors import SettingsInvalid
from preservation.settings import StorageSettings
from preservation.store.probes import RACERS, Diagnosis, Try, clock_judged, raced, tried
from preservation.store.s3_bucket import Bucket
from preservation.store.s3_faults import read_fault
from preservation.store.s3_replies import Refused, Reply, named
from preservation.store.s3_trial import ORIGINAL, OTHER, UNANSWERED, TrialObject, checksum_of

_LIMITS = (
    "Whoever owns the account can close it, and whoever runs the server owns its disks: a second copy "
    "with somebody else, and receipts outside, are what that needs."
)


def examine_bucket(place: StorageSettings, *, races: int = 3) -> Diagnosis:
    """Try the bucket of *place* beside the archive's prefix; writers race for a key *races* times.

    Raises:
        StoreUnavailable: It doesn't answer.
        SettingsInvalid: The archive has no prefix, so nothing lies beside it.
    """
    if not place.prefix:
        raise SettingsInvalid(
            f"The archive is all of the bucket {place.bucket}, so nothing can be tried beside it.",
            remedy=f"Give it a prefix: s3://{place.bucket}/archive.",
        )
    trials = _BucketTrials(Bucket(place), f"{place.prefix}.doctor/{clock.new_id()}", races)
    name = f"s3://{place.bucket}/{place.prefix}"
    return Diagnosis(place=name, probes=tried(trials.all(), _guarded), limits=_LIMITS)


def _guarded(attempt: Try) -> tuple[bool, str]:
    try:
        return attempt()
    except Refused as refused:
        if refused.reply in UNANSWERED:
            raise read_fault("The store", refused) from refused
        return False, refused.words


class _BucketTrials(TrialObject):
    def __init__(self, bucket: Bucket, folder: str, races: int) -> None:
        super().__init__(bucket, folder)
        self._race_count = races

    def all(self) -> Iterator[tuple[str, str, Try]]:
        """Every trial, in order: later ones use the object of the earlier."""
        yield "lock-configuration", "the bucket has Object Lock", self._has_lock
        yield "versioning", "the bucket keeps versions", self._has_versions
        yield "create", "a locked object is created and gets a VersionId", self._create
        yield "read-back", "it reads back by its VersionId, whole and in ranges", self._read_back
        yield "checksum-kept", "its SHA-256 is kept beside it", self._checksum
        yield "retention-kept", "it is locked in compliance mode for as long as asked", self._retention
        yield "wrong-digest", "an object with a wrong SHA-256 is refused, and isn't there", self._digest
        yield "condition", "If-None-Match refuses a key that exists", self._condition
        yield "condition-races", "exactly one of several writers creates a key", self._races
        yield (
            "parts",
            "a part with a wrong SHA-256 is refused, and a key that exists",
            self._parts,
        )
        yield "parts-locked", "what comes in parts is locked, too", self._parts_locked
        yield "listing", "what was stored is listed at once", self._listing
        yield "delete-version", "deleting a locked version is refused", self._delete
        yield "delete-in-a-list", "so it is in a list of deletions", self._delete_listed
        yield "delete-bypassing", "so it is with the right to bypass governance", self._bypass
        yield "shorten-retention", "a lock in compliance mode can't be shortened", self._shorten
        yield "weaken-retention", "nor turned into governance mode", self._weaken
        yield "overwrite", "overwriting adds a version, and the original stays", self._overwrite
        yield "delete-marker", "deleting the key adds a marker, and the original stays", self._mark
        yield "oldest-version", "the original is listed as the oldest version", self._oldest
        yield "clock", "the store's clock agrees with ours", self._clock

    def _has_lock(self) -> tuple[bool, str]:
        answer = self._bucket.ask("get_object_lock_configuration")
        state = answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled")
        return state == "Enabled", str(state)

    def _has_versions(self) -> tuple[bool, str]:
        state = self._bucket.ask("get_bucket_versioning").get("Status")
        return state == "Enabled", str(state)

    def _create(self) -> tuple[bool, str]:
        answer = self._put(self._key, ORIGINAL)
        self._version = str(answer.get("VersionId", ""))
        return self._version not in {"", "null"}, f"VersionId {self._version or 'absent'}"

    def _read_back(self) -> tuple[bool, str]:
        whole, part = self._original(), self._original(Range="bytes=2-4")
        return (whole, part) == (ORIGINAL, ORIGINAL[2:5]), f"{whole!r}, {part!r}"

    def _checksum(self) -> tuple[bool, str]:
        found = self._head().get("ChecksumSHA256")
        return found == checksum_of(ORIGINAL), str(found)

    def _retention(self) -> tuple[bool, str]:
        return self._is_locked(**self._by_id())

    def _is_locked(self, **version: str) -> tuple[bool, str]:
        facts = self._bucket.once("head_object", **version)
        mode, until = facts.get("ObjectLockMode"), facts.get("ObjectLockRetainUntilDate")
        return mode == "COMPLIANCE" and until is not None and until >= self._until, f"{mode} {until}"

    def _digest(self) -> tuple[bool, str]:
        key = f"{self._folder}/wrong"
        is_refused, words = self._is_refused(
            "put_object", Key=key, Body=OTHER, ChecksumSHA256=checksum_of(ORIGINAL), **self._lock()
        )
        return is_refused and not self._versions(key), words

    def _condition(self) -> tuple[bool, str]:
        try:
            self._put(self._key, OTHER)
        except Refused as refused:
            return refused.reply is Reply.EXISTS, refused.words
        return False, "taken all the same"

    def _races(self) -> tuple[bool, str]:
        keys = [f"{self._folder}/race-{number}" for number in range(self._race_count)]
        wins = [sum(raced(partial(self._wins, key))) for key in keys]
        kept = [len(self._versions(key)) for key in keys]
        return set(wins + kept) == {1}, f"{wins} of {RACERS} each won, {kept} versions were kept"

    def _wins(self, key: str, racer: int) -> bool:
        try:
            self._put(key, b"%d" % racer)
        except Refused as refused:
            if refused.reply in {Reply.EXISTS, Reply.AGAIN}:
                return False
            raise
        return True

    def _parts(self) -> tuple[bool, str]:
        upload = self._upload(self._key)
        is_refused, words = self._is_refused(
            "upload_part", **upload, PartNumber=1, Body=OTHER, ChecksumSHA256=checksum_of(ORIGINAL)
        )
        part = {"PartNumber": 1, "ChecksumSHA256": checksum_of(OTHER)}
        sent = self._bucket.once("upload_part", **upload, **part, Body=OTHER)
        parts = {"Parts": [{**part, "ETag": named(sent, "ETag")}]}
        is_second_refused, more = self._is_refused(
            "complete_multipart_upload", **upload, MultipartUpload=parts, IfNoneMatch="*"
        )
        with suppress(Refused):
            self._bucket.once("abort_multipart_upload", **upload)
        return is_refused and is_second_refused, f"{words}; {more}"

    def _parts_locked(self) -> tuple[bool, str]:
        key = f"{self._folder}/parts"
        upload = self._upload(key)
        part = {"PartNumber": 1, "ChecksumSHA256": checksum_of(ORIGINAL)}
        sent = self._bucket.once("upload_part", **upload, **part, Body=ORIGINAL)
        parts = {"Parts": [{**part, "ETag": named(sent, "ETag")}]}
        done = self._bucket.once(
            "complete_multipart_upload", **upload, MultipartUpload=parts, IfNoneMatch="*"
        )
        return self._is_locked(Key=key, VersionId=named(done, "VersionId"))

    def _upload(self, key: str) -> dict[str, str]:
        started = self._bucket.once(
            "create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256", **self._lock()
        )
        return {"Key": key, "UploadId": named(started, "UploadId")}

    def _listing(self) -> tuple[bool, str]:
        keys = [f"{self._folder}/list/{number}" for number in range(5)]
        for key in keys:
            self._put(key, b"")
        found = [named(entry, "Key") for entry in self._versions(f"{self._folder}/list/")]
        return sorted(found) == keys, f"{len(found)} of {len(keys)}"

    def _delete(self, **more: Any) -> tuple[bool, str]:
        is_refused, words = self._is_refused("delete_object", **self._by_id(), **more)
        return is_refused and self._original() == ORIGINAL, words

    def _delete_listed(self) -> tuple[bool, str]:
        """S3 says no to each key of the list by itself, others to the list as a whole."""
        try:
            answer = self._bucket.once("delete_objects", Delete={"Objects": [self._by_id()]})
        except Refused as refused:
            if refused.reply in UNANSWERED:
                raise
            words = refused.words
        else:
            words = ", ".join(named(error, "Code") for error in answer.get("Errors", []))
        return bool(words) and self._original() == ORIGINAL, words or "done"

    def _bypass(self) -> tuple[bool, str]:
        return self._delete(BypassGovernanceRetention=True)

    def _shorten(self) -> tuple[bool, str]:
        return self._relocked("COMPLIANCE", self._until - timedelta(seconds=30))

    def _weaken(self) -> tuple[bool, str]:
        return self._relocked("GOVERNANCE", self._until)

    def _relocked(self, mode: str, until: datetime) -> tuple[bool, str]:
        is_refused, words = self._is_refused(
            "put_object_retention",
            **self._by_id(),
            Retention={"Mode": mode, "RetainUntilDate": until},
            BypassGovernanceRetention=True,
        )
        is_kept, seen = self._retention()
        return is_refused and is_kept, f"{words}; {seen}"

    def _overwrite(self) -> tuple[bool, str]:
        newer = self._bucket.once("put_object", Key=self._key, Body=OTHER).get("VersionId")
        found = self._original()
        return newer != self._version and found == ORIGINAL, f"VersionId {newer}; {found!r}"

    def _mark(self) -> tuple[bool, str]:
        answer = self._bucket.once("delete_object", Key=self._key)
        found = self._original()
        return found == ORIGINAL, f"marker: {answer.get('DeleteMarker')}; {found!r}"

    def _oldest(self) -> tuple[bool, str]:
        found = [named(entry, "VersionId") for entry in self._versions(self._key)]
        return len(found) == 2 and found[-1] == self._version, ", ".join(found)

    def _clock(self) -> tuple[bool, str]:
        headers = self._bucket.ask("get_bucket_versioning")["ResponseMetadata"]["HTTPHeaders"]
        if "date" not in headers:
            return False, "no Date"
        return clock_judged(parsedate_to_datetime(headers["date"]))
