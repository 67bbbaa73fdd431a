"""An archive with something wrong in it, of every kind that nobody meant: each is a finding that names
its file, and an error with a remedy for whoever would go on writing. Nothing hangs, and nothing huge is
held in memory.
"""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from preservation.custody.segments import segment_key
from preservation.custody.signing import checkpoint_key
from preservation.custody.tiles import partial_tiles
from preservation.errors import EvidenceAtRisk, LogBroken, StoreConflict
from preservation.pipeline.holdings import sealed_document
from tests.fakes.small_archive import SmallArchive
from tests.faults.test_verify_attacks import _broken

SEAL = "seals/batch-0002.json"
WARC = "batches/2026/01/batch-0002/warc/001.warc.gz"
SPARSE_BYTES = 10 << 30
MOST_MEMORY_BYTES = 400 << 20
"""What a check of the sparse archive may add to the peak of this process."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> SmallArchive:
    """Three batches in three segments."""
    archive = SmallArchive.found(tmp_path_factory.mktemp("sound") / "home")
    for number in (1, 2, 3):
        archive.seal_batch(number)
    return archive


@pytest.fixture
def archive(sound, tmp_path) -> SmallArchive:
    return sound.copy(tmp_path / "home")


def _segments(archive: SmallArchive) -> list[str]:
    return [key for key in archive.files() if key.startswith("log/entries/")]


def _token(archive: SmallArchive) -> str:
    return max(key for key in archive.files() if key.endswith(".tsr"))


def _tile(archive: SmallArchive) -> str:
    return max(partial_tiles(archive.log.size())).key


def _checkpoint(archive: SmallArchive) -> str:
    return checkpoint_key(archive.log.size())


def _newest_segment(archive: SmallArchive) -> str:
    return _segments(archive)[-1]


def _write_on(archive: SmallArchive) -> None:
    """What the next seal does with the log: append, then sign."""
    archive.log.append([next(archive.log.entries(0, 1)).draft], since=archive.log.size())
    archive.log.checkpoint(archive.key)


Which = Callable[[SmallArchive], str]

NAMED: dict[str, Which] = {
    "entries": _newest_segment,
    "seal": lambda _: SEAL,
    "token": _token,
    "WARC": lambda _: WARC,
    "tile": _tile,
    "checkpoint": _checkpoint,
    "description": lambda _: "archive.json",
}
each_file = pytest.mark.parametrize("which", NAMED.values(), ids=NAMED)


# What is missing.


def test_a_gap_in_the_log_is_found_and_stops_whoever_would_write(archive):
    gap = _segments(archive)[1]
    archive.remove(gap)

    assert "log-entries-missing" in _broken(archive)[gap]
    with pytest.raises(LogBroken, match=gap):
        archive.log.append([], since=0)


def test_a_missing_newest_segment_is_found_and_is_not_written_anew(archive):
    newest, before = _newest_segment(archive), archive.files()
    archive.remove(newest)

    assert "log-entries-missing" in _broken(archive)[newest]
    with pytest.raises(LogBroken, match=newest):
        _write_on(archive)
    assert set(archive.files()) == set(before) - {newest}


def test_a_missing_tile_is_found_and_nothing_is_signed_over_it(archive):
    tile = _tile(archive)
    archive.remove(tile)

    assert "missing-file" in _broken(archive)[tile]
    with pytest.raises(LogBroken, match=tile):
        _write_on(archive)


def test_a_checkpoint_without_any_entries_is_found(archive):
    for key in _segments(archive):
        archive.remove(key)

    assert segment_key(0) in _broken(archive)
    with pytest.raises(LogBroken, match="once had"):
        archive.log.append([], since=0)


def test_a_seal_that_names_a_missing_checkpoint_is_found(archive):
    checkpoint = _checkpoint(archive)
    archive.remove(checkpoint)

    assert {"seal-checkpoint", "missing-file"} & _broken(archive)[checkpoint]


# What can't be read.


UNREADABLE = {
    "empty": b"",
    "cut off": b'{"batch_id":"batch-0002","fi',
    "no object": b"[]",
    "not UTF-8": b'{"batch_id":"\xff"}',
    "deeply nested": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "zeros": bytes(4096),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_seal_is_found_and_named_to_whoever_reads_it(archive, content):
    archive.overwrite(SEAL, content)

    assert "seal" in _broken(archive)[SEAL]
    with pytest.raises(EvidenceAtRisk, match=SEAL):
        sealed_document(archive.store, "batch-0002", 1)


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_segment_is_found_and_stops_whoever_would_write(archive, content):
    key = _newest_segment(archive)
    archive.overwrite(key, content + b"\n" * bool(content))

    assert key in _broken(archive)
    with pytest.raises(LogBroken, match=key):
        _write_on(archive)


def test_a_key_that_stands_twice_is_found_in_a_seal_and_in_an_entry(archive):
    segment = _newest_segment(archive)
    for key in (SEAL, segment):
        archive.overwrite(key, archive.store.read(key).replace(b"{", b'{"version":1,', 1))

    found = _broken(archive)

    assert "seal" in found[SEAL]
    assert "log-entry" in found[segment]
    with pytest.raises(EvidenceAtRisk, match="canonical"):
        sealed_document(archive.store, "batch-0002", 1)
    with pytest.raises(LogBroken, match=segment):
        _write_on(archive)


# What isn't what it should be.


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _full_folder(path: Path) -> None:
    _folder(path)
    (path / "file").write_bytes(b"")


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


NO_FILES = [_pipe, _folder, _full_folder, _dangling]


@each_file
@pytest.mark.parametrize("replace", NO_FILES)
def test_what_is_no_file_is_found_and_neither_check_nor_writer_waits_for_it(archive, which, replace):
    key = which(archive)
    replace(archive.root / key)

    # A folder has no name of its own in a store; a seal that isn't there is a gap.
    assert [finding for finding in archive.verify().findings if finding.subject.startswith(key)]
    if key.startswith("log/entries/"):
        with pytest.raises(LogBroken):
            _write_on(archive)


@pytest.mark.parametrize("replace", NO_FILES)
def test_what_has_taken_the_name_of_the_next_segment_stops_the_append(archive, replace):
    place = archive.root / segment_key(archive.log.size())
    place.write_bytes(b"")
    replace(place)

    with pytest.raises((LogBroken, StoreConflict), match=place.name):
        archive.log.append([next(archive.log.entries(0, 1)).draft], since=archive.log.size())


@pytest.mark.parametrize("replace", NO_FILES)
def test_a_store_never_takes_anything_else_for_its_file(archive, replace, tmp_path):
    path = archive.root / WARC
    replace(path)
    (tmp_path / "file").write_bytes(b"x")

    for attempt in (
        lambda: archive.store.put(WARC, b"x"),
        lambda: archive.store.put_file(WARC, tmp_path / "file", "0" * 64),
        lambda: archive.store.take_file(WARC, tmp_path / "file", "0" * 64),
        lambda: archive.store.claim(WARC, b"x"),
    ):
        with pytest.raises(StoreConflict):
            attempt()
    with pytest.raises(KeyError):
        archive.store.read(WARC)


@each_file
def test_a_huge_file_is_found_without_being_held(archive, which):
    key = which(archive)
    (archive.root / key).chmod(0o644)
    os.truncate(archive.root / key, SPARSE_BYTES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    found = _broken(archive)

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert key in found
    assert grown * 1024 < MOST_MEMORY_BYTES
    if key == _newest_segment(archive) or key == _tile(archive):
        with pytest.raises(LogBroken, match=key):
            _write_on(archive)


def test_a_link_to_the_same_bytes_elsewhere_is_found(archive):
    for key in (SEAL, WARC, _newest_segment(archive)):
        path = archive.root / key
        shutil.move(path, archive.home / path.name)
        path.symlink_to(archive.home / path.name)

    assert {SEAL, WARC, _newest_segment(archive)} <= _broken(archive).keys()
