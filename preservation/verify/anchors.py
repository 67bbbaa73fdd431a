"""Steps 1 and 5: what is trusted from outside, and the archive's description of itself."""

from __future__ import annotations

from preservation.custody.keys import PublicKey
from preservation.custody.rotation import pinned_keys
from preservation.custody.strict_json import parse_canonical
from preservation.model.digests import sha256_of
from preservation.model.tables import SCHEMA_VERSION
from preservation.verify.examination import NEWER_VERSION, Examination
from preservation.verify.log import LogReading
from preservation.verify.trusted_files import read_trusted

DESCRIPTION_KEY, SPEC_KEY = "archive.json", "SPEC.md"


def trusted_keys(examination: Examination) -> tuple[PublicKey, ...]:
    """Step 1: the log's public keys from the trust directory; none, reported, without a proper file."""
    path = examination.settings.trust / "log.vkey"
    try:
        return pinned_keys(read_trusted(path).decode("utf-8"))
    except (OSError, ValueError) as error:
        examination.gap(
            "no-trusted-key",
            str(path),
            "the log's public key, obtained outside the archive",
            str(error),
        )
        return ()


def judge_description(examination: Examination, reading: LogReading) -> None:
    """Step 5: archive.json and SPEC.md are those that the log's first entry names."""
    logged = reading.first.body if reading.first is not None and reading.sound_size > 0 else {}
    examination.accounted.update((DESCRIPTION_KEY, SPEC_KEY))
    for key, name in ((DESCRIPTION_KEY, "archive_json_sha256"), (SPEC_KEY, "spec_sha256")):
        if key not in examination.keys:
            examination.broken("missing-file", key, "the archive's description", "nothing")
            continue
        with examination.about("description", key):
            found = sha256_of(examination.read(key))
            if logged and logged.get(name) != found:
                examination.broken("description", key, f"SHA-256 {logged.get(name)}", found)
    if DESCRIPTION_KEY in examination.keys and not examination.is_blamed(DESCRIPTION_KEY):
        with examination.about("description", DESCRIPTION_KEY):
            _judge_content(examination, reading)


def is_newer(examination: Examination) -> bool:
    """Whether a newer version of this software founded the archive, or wrote entries of its log; that
    is then a gap, for what lies in batches can't be judged here.
    """
    if DESCRIPTION_KEY in examination.keys and not examination.is_blamed(DESCRIPTION_KEY):
        version = parse_canonical(examination.read(DESCRIPTION_KEY)).get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            expected = f"schema version {SCHEMA_VERSION} at most; use a newer preserve"
            examination.gap(NEWER_VERSION, DESCRIPTION_KEY, expected, f"{version}")
    return examination.is_newer


def _judge_content(examination: Examination, reading: LogReading) -> None:
    description = parse_canonical(examination.read(DESCRIPTION_KEY))
    for name, expected in (
        ("log_public_key", str(reading.keys.first)),
        ("log_origin", reading.keys.first.name),
    ):
        if description.get(name) != expected:
            examination.broken("description", DESCRIPTION_KEY, expected, f"{description.get(name)}")
