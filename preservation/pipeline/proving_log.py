"""The part of `verify` that concerns the log alone: steps 1 to 6, and strangers beside its files."""

from __future__ import annotations

from preservation.model.findings import Finding, Severity
from preservation.settings import Settings
from preservation.store.port import ObjectStore
from preservation.verify.anchors import (
    DESCRIPTION_KEY,
    SPEC_KEY,
    is_newer,
    judge_description,
    trusted_keys,
)
from preservation.verify.examination import Examination
from preservation.verify.log import LogReading, judge_tree, read_log
from preservation.verify.seals import read_seals

_OWN_PREFIXES = ("log/checkpoints/", "log/entries/", "log/tile/", "seals/")


def prove_log(store: ObjectStore, settings: Settings) -> list[Finding]:
    """What is wrong with the log's own files, the seals and the archive's description."""
    examination = Examination(store, settings)
    pinned = trusted_keys(examination)
    keys = [key for prefix in ("log/", "seals/") for key in store.keys(prefix)]
    keys += [key for key in (DESCRIPTION_KEY, SPEC_KEY) if store.has(key)]
    examination.keys = frozenset(key for key in keys if store.is_plain(key))
    if pinned:
        reading = read_log(examination, pinned)
        judge_tree(examination, reading)
        judge_description(examination, reading)
        if not is_newer(examination):
            read_seals(examination, reading)
            _judge_strangers(examination, reading)
    return list(examination.findings.values())


def _judge_strangers(examination: Examination, reading: LogReading) -> None:
    examination.accounted.update(segment.key for segment in reading.segments)
    for key in sorted(examination.keys - examination.accounted):
        is_tile = key.startswith("log/tile/")
        if not key.startswith("log/tokens/") and (reading.is_whole or not is_tile):
            examination.broken("unexpected-file", key, "no such file", "a file that nothing names")


def is_damage(finding: Finding) -> bool:
    """Whether what the finding is about can't be built on; without the pinned key nothing can."""
    return finding.severity is Severity.BROKEN or finding.rule == "no-trusted-key"
