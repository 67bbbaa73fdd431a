"""Set up a deployment in its home directory; running it again repairs and changes nothing else."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from preservation import clock
from preservation.custody import SigningKey
from preservation.errors import SettingsInvalid, StoreFull
from preservation.pipeline.archive import found_archive
from preservation.pipeline.remembering import has_sealed
from preservation.settings import SETTINGS_FILE, Settings, load
from preservation.state import is_begun, upgrade
from preservation.store.places import archive_store
from preservation.submission import ensure_receipt_key
from preservation.timestamp import create_test_authority

TEST_AUTHORITY = "test-authority"

_SETTINGS_TEMPLATE = """\
# Settings of this deployment; docs/operations.md explains each of them. What stands below a
# [section] belongs to it: put audit_days, time_quorum and their like here, above the first one.

# The name of the custody log in its checkpoints. It never changes.
log_origin = "{origin}"

# State that changes (organisations, items, leases). SQLite in this directory unless named:
# database_url = "postgresql+psycopg://user:password@host/preservation"

# Time-stamping authorities (RFC 3161). The one below ships with this software for trials and
# tests: ITS TOKENS PROVE NOTHING ABOUT TIME. Replace it by real authorities before you collect
# evidence, each with the root certificates that you trust it under.
[[authority]]
name = "{authority}"
url = "test:"
roots = "trust/{authority}.pem"
is_test = true

# [[authority]]
# name = "example"
# url = "https://tsa.example/"
# roots = "trust/example.pem"

# Where the archive lies, if not in this directory: a bucket with Object Lock (docs/storage.md).
# Decide before the first evidence comes in; credentials are boto3's own affair.
{storage}"""


def initialise(home: Path, *, begins_database: bool = False) -> Settings:
    """Create everything that a deployment at *home* needs; what exists is kept.

    A deployment that has sealed gets an empty database only if *begins_database* says so.

    Raises:
        StoreFull: The directory can't be written.
        ForeignArchive: Its archive directory holds something else.
        SettingsInvalid: It has sealed, and its database is gone.
    """
    _require_writable(home)
    _close_to_others(home)
    _write_settings(home)
    settings = load(home)
    if not begins_database:
        _require_database(settings)
    for folder in (settings.trust, settings.work, settings.inbox, settings.returned, settings.logs):
        folder.mkdir(parents=True, exist_ok=True)
    settings.keys.mkdir(mode=0o700, exist_ok=True)
    upgrade(settings.database_url)
    if any(authority.url == "test:" for authority in settings.authorities):
        create_test_authority(settings.keys / TEST_AUTHORITY, settings.trust / f"{TEST_AUTHORITY}.pem")
    ensure_receipt_key(settings)
    key = _log_key(settings)
    found_archive(settings, key)
    return settings


def _require_writable(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise StoreFull(
            f"{home} can't be written: {error.strerror}.",
            remedy="Nothing was created. Choose another --home, make room or give permission.",
        ) from error


def _require_database(settings: Settings) -> None:
    """A database that was lost comes back from its backup: an empty one knows nobody's submissions."""
    if has_sealed(settings) and not is_begun(settings.database_url):
        raise SettingsInvalid(
            "This deployment has sealed evidence, and its database of statuses is gone or empty.",
            remedy="Nothing was written. Correct database_url, or restore the newest backup of the "
            "database (preserve.db) with work/ and inbox/ of the same time; the next run notes what "
            "was sealed since. Without a backup: 'preserve init --new-database'. Then organisations "
            "must be registered again, and what was submitted has no status any more; no evidence is "
            "lost.",
        )


def _close_to_others(home: Path) -> None:
    """Let accounts of this machine in only as far as the home's group does.

    Sheets in the inbox say who a source is; the settings may hold passwords.
    """
    mode = stat.S_IMODE(home.stat().st_mode)
    if mode & stat.S_IRWXO:
        with suppress(PermissionError):  # a mounted folder may be another account's
            home.chmod(mode & ~stat.S_IRWXO)


def _write_settings(home: Path) -> None:
    path = home / SETTINGS_FILE
    if path.exists():
        return
    strangers = sorted(entry.name for entry in home.iterdir() if entry.name != "archive")
    if strangers:
        raise SettingsInvalid(
            f"{home} isn't empty (it holds {', '.join(strangers[:3])}) and isn't a deployment's home.",
            remedy="Nothing was written. Choose an empty or new directory with --home.",
        )
    origin = f"preservation.invalid/{clock.new_id()}"
    draft = path.with_suffix(".part")
    draft.write_text(
        _SETTINGS_TEMPLATE.format(
            origin=origin, authority=TEST_AUTHORITY, storage=_storage_section(os.environ)
        ),
        "utf-8",
    )
    draft.replace(path)


def _storage_section(environment: Mapping[str, str]) -> str:
    """``[storage]`` as the environment names it, so that no later command takes another place."""
    url, endpoint = (environment.get(f"PRESERVE_STORAGE{end}") for end in ("", "_ENDPOINT"))
    if not url:
        return '# [storage]\n# url = "s3://bucket/archive"\n# retention_days = 3650\n'
    lines = [f"url = {json.dumps(url)}", *([f"endpoint = {json.dumps(endpoint)}"] if endpoint else [])]
    return "\n".join(["[storage]", *lines, ""])


def _log_key(settings: Settings) -> SigningKey:
    """The log's signing key, made once; its public half is pinned in the trust directory."""
    path = settings.keys / "log.pem"
    if not path.exists():
        if archive_store(settings).has("archive.json"):
            raise SettingsInvalid(
                f"The archive exists but its signing key {path} doesn't.",
                remedy="Restore the key from your backup; a new key could not go on with this log.",
            )
        SigningKey.generate(path, settings.log_origin)
    key = SigningKey.load(path)
    pinned = settings.trust / "log.vkey"
    if not pinned.exists():
        pinned.write_text(f"{key.public}\n", "utf-8")
    return key
