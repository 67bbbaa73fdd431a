"""Where an archive lies: ``[storage]``, and its second copy: ``[replica]``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from preservation.errors import SettingsInvalid
from preservation.settings.values import MOST_DAYS, SETTINGS_FILE, positive, require_web_address


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """One place that holds an archive: a folder, or a bucket with Object Lock.

    Credentials never stand here: boto3 finds them in the environment or its own files.
    """

    folder: Path | None = None
    """A local disk; None if it is a bucket."""
    bucket: str = ""
    prefix: str = ""
    """Key prefix within the bucket, without a slash at its end; empty for none."""
    endpoint: str | None = None
    """Address of an S3 server that isn't Amazon's."""
    region: str = "us-east-1"
    retention_days: int = 3650
    """How long each object is locked in compliance mode from the day that it is written."""
    legal_hold: bool = False
    """Whether each object also gets a legal hold."""


def storage_of(section: Mapping[str, Any], *, named: str, home: Path) -> StorageSettings:
    """The place that ``url`` in *section* names: ``s3://bucket/prefix``, or a folder below *home*.

    Raises:
        SettingsInvalid: It names no place, or a value can't be used.
    """
    url = str(section.get("url", ""))
    if not url or ("://" in url and not url.startswith("s3://")):
        # The address isn't repeated: somebody may have put credentials into it.
        msg = f"The url of [{named}] in {SETTINGS_FILE} names no place."
        raise SettingsInvalid(msg, remedy="Give s3://bucket/prefix, or a folder.")
    if not url.startswith("s3://"):
        only = sorted(section.keys() - {"url"})
        if only:
            msg = f"[{named}] in {SETTINGS_FILE} is the folder {url}, and has {', '.join(only)}, too."
            raise SettingsInvalid(
                msg, remedy="A folder locks nothing: leave them out, or name a bucket."
            )
        return StorageSettings(folder=Path(os.path.normpath(home / Path(url).expanduser())))
    parts = urlsplit(url)
    if any("@" in urlsplit(place).netloc for place in (url, str(section.get("endpoint") or ""))):
        # Seals name the place, and are for good.
        msg = f"[{named}] in {SETTINGS_FILE} holds credentials."
        raise SettingsInvalid(
            msg, remedy="Take them out of url and endpoint; docs/storage.md says where they belong."
        )
    if not parts.netloc or parts.query or parts.fragment:
        msg = f"[{named}] in {SETTINGS_FILE} has the url {url!r}."
        raise SettingsInvalid(msg, remedy="Give s3://bucket/prefix.")
    if "endpoint" in section:
        require_web_address(f"[{named}] endpoint", section["endpoint"])
    return StorageSettings(
        bucket=parts.netloc,
        prefix=parts.path.strip("/"),
        endpoint=section.get("endpoint"),
        region=section.get("region", "us-east-1"),
        retention_days=positive(
            f"[{named}] retention_days", section.get("retention_days", 3650), most=MOST_DAYS
        ),
        legal_hold=section.get("legal_hold", False),
    )


def require_apart(archive: StorageSettings, replica: StorageSettings | None) -> None:
    """Make sure that the second copy doesn't lie where the archive lies.

    Raises:
        SettingsInvalid: One lies in the other.
    """
    if replica is not None and (_holds(archive, replica) or _holds(replica, archive)):
        msg = f"[replica] in {SETTINGS_FILE} lies where the archive lies, or one in the other."
        raise SettingsInvalid(msg, remedy="Name a place of its own for the second copy.")


def _holds(outer: StorageSettings, inner: StorageSettings) -> bool:
    if outer.folder is not None or inner.folder is not None:
        if outer.folder is None or inner.folder is None:
            return False
        return inner.folder.resolve().is_relative_to(outer.folder.resolve())
    where = (outer.endpoint, outer.bucket) == (inner.endpoint, inner.bucket)
    return where and f"{inner.prefix}/".startswith(f"{outer.prefix}/" if outer.prefix else "")
