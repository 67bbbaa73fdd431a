"""Which version of a key is the original: the oldest, whatever was laid over it since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from preservation.model.findings import Finding, Severity
from preservation.store.s3_bucket import Bucket
from preservation.store.s3_faults import read_fault, unfit
from preservation.store.s3_replies import Refused, named

_LARGEST_MEMORY = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one object."""

    name: str
    """The key in the bucket, prefix included."""
    version_id: str
    size_bytes: int

    @property
    def by_id(self) -> dict[str, str]:
        """The arguments that name it in a request."""
        return {"Key": self.name, "VersionId": self.version_id}


@dataclass(slots=True)
class _Key:
    """All that a bucket holds under one key."""

    versions: list[Version] = field(default_factory=list)
    """Newest first, as S3 lists them."""
    markers: list[str] = field(default_factory=list)


class Versions:
    """Finds originals below *prefix*, and remembers them: an original never changes."""

    def __init__(self, bucket: Bucket, prefix: str, *, page_keys: int) -> None:
        self._bucket, self._prefix, self._page_keys = bucket, prefix, page_keys
        self._known: dict[str, Version] = {}

    def original(self, key: str, *, is_new: bool = False) -> Version:
        """The original of *key*; *is_new*: look, whatever is remembered.

        Raises:
            KeyError: There is none.
            StoreUnavailable: The store doesn't answer.
            StoreUnfit: Its listing can't be followed.
        """
        name = self._prefix + key
        known = None if is_new else self._known.get(name)
        if known is not None:
            return known
        for found, held in self._listed(name):
            if found == name and held.versions:
                return self._remember(held.versions[-1])
            if found > name:
                break
        raise KeyError(key)

    def forget(self, key: str) -> None:
        """*key* isn't as it was remembered."""
        self._known.pop(self._prefix + key, None)

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys that have an original, in the order in which S3 lists them."""
        for _, held in self._listed(self._prefix + prefix):
            if held.versions:
                yield self._remember(held.versions[-1]).name.removeprefix(self._prefix)

    def anomalies(self, prefix: str) -> Iterator[Finding]:
        """See `ObjectStore.anomalies`."""
        for name, held in self._listed(self._prefix + prefix):
            yield from _anomalies_of(name.removeprefix(self._prefix), held)

    def _remember(self, version: Version) -> Version:
        if len(self._known) >= _LARGEST_MEMORY:
            self._known.clear()
        self._known[version.name] = version
        return version

    def _listed(self, prefix: str) -> Iterator[tuple[str, _Key]]:
        """Each key below *prefix* with all that it holds, page by page."""
        held: dict[str, _Key] = {}
        after: dict[str, str] = {}
        while True:
            page = self._page(prefix, after)
            try:
                _take_in(held, page)
            except (Refused, ValueError) as error:
                raise unfit(prefix, "keys, versions and sizes in its listing", str(error)) from error
            if not page.get("IsTruncated"):
                yield from held.items()
                return
            before, after = after, _end_of(page)
            if after in ({}, before):
                raise unfit(prefix, "a listing that goes on", f"one that says so and ends at {after}")
            # The key at which a page ends may go on in the next one.
            rest = held.pop(after["KeyMarker"], None)
            yield from held.items()
            held = {after["KeyMarker"]: rest} if rest else {}

    def _page(self, prefix: str, after: dict[str, str]) -> dict[str, Any]:
        try:
            page = self._bucket.ask(
                "list_object_versions", Prefix=prefix, MaxKeys=self._page_keys, **after
            )
            named(page, "IsTruncated")  # else it is no listing, though it came with 200
        except Refused as refused:
            raise read_fault(prefix, refused) from refused
        return page


def _end_of(page: dict[str, Any]) -> dict[str, str]:
    """The arguments that ask for what follows *page*; empty if it doesn't say where it ends."""
    end = {"KeyMarker": page.get("NextKeyMarker"), "VersionIdMarker": page.get("NextVersionIdMarker")}
    return {name: value for name, value in end.items() if value} if end["KeyMarker"] else {}


def _take_in(held: dict[str, _Key], page: dict[str, Any]) -> None:
    for entry in page.get("Versions", ()):
        version = Version(
            name=named(entry, "Key"),
            version_id=named(entry, "VersionId"),
            size_bytes=int(named(entry, "Size")),
        )
        held.setdefault(version.name, _Key()).versions.append(version)
    for entry in page.get("DeleteMarkers", ()):
        marker = named(entry, "VersionId")
        held.setdefault(named(entry, "Key"), _Key()).markers.append(marker)


def _anomalies_of(key: str, held: _Key) -> Iterator[Finding]:
    if not held.versions:
        yield Finding(
            rule="deleted", subject=key, expected="an original", observed="a delete marker alone"
        )
        return
    if held.versions[1:]:
        newer = ", ".join(version.version_id for version in held.versions[:-1][:5])
        yield _beside("newer-version", key, held, f"{len(held.versions) - 1} newer: {newer}")
    if held.markers:
        yield _beside("delete-marker", key, held, f"delete markers: {', '.join(held.markers[:5])}")


def _beside(rule: str, key: str, held: _Key, observed: str) -> Finding:
    """The original is intact and is what is read, but somebody has tried."""
    expected = f"version {held.versions[-1].version_id} alone"
    return Finding(rule=rule, subject=key, expected=expected, observed=observed, severity=Severity.NOTE)
