"""The second place holds what is sealed, and at any time nothing but a sound part of it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from preservation import clock, pipeline
from preservation.custody import EntryDraft
from preservation.errors import EvidenceAtRisk, StoreConflict
from preservation.fixity import NamedFile, Unfit, copy_file
from preservation.model.digests import sha256_of
from preservation.pipeline.places import Place
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore
from tests.fakes.two_places import TwoPlaces

WARC = "batches/2026/01/batch-0001/warc/001.warc.gz"
COPY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.fakes.small_archive import SmallArchive
from tests.fakes.two_places import TwoPlaces
from preservation import clock, pipeline
from preservation.custody import EntryDraft
pipeline.replicate(TwoPlaces.of(SmallArchive.reopen(Path(sys.argv[2]))).settings)
"""


@pytest.fixture(scope="module")
def sealed(tmp_path_factory) -> TwoPlaces:
    return TwoPlaces.found(tmp_path_factory.mktemp("sealed") / "home", batches=3)


@pytest.fixture
def places(sealed, tmp_path) -> TwoPlaces:
    return sealed.copy(tmp_path / "home")


def bytes_of(store) -> dict[str, str]:
    return {key: sha256_of(store.read(key)) for key in store.keys("")}


def verdict_of_replica(places) -> str:
    return pipeline.verify(places.settings, place=Place.REPLICA).verdict


def test_the_copy_holds_the_same_files_and_is_proven_by_itself(places):
    done = pipeline.replicate(places.settings)

    assert bytes_of(places.replica) == bytes_of(places.archive.store)
    assert done["files"] == len(places.archive.files())
    assert done["newest_seal"] == "seals/batch-0003.json"
    assert verdict_of_replica(places) == "proven"


def test_copying_is_an_event_and_a_second_run_copies_nothing(places):
    first = pipeline.replicate(places.settings)
    second = pipeline.replicate(places.settings)

    [event] = places.events("replication")
    assert (event.outcome, event.detail) == ("success", first)
    assert event.detail["checkpoint_size"] == 13
    assert (second["files"], second["seals"]) == (0, 0)


def test_only_what_a_later_batch_adds_is_copied(places):
    before = pipeline.replicate(places.settings)["files"]
    places.archive.seal_batch(4)

    done = pipeline.replicate(places.settings)

    assert done["files"] == len(places.archive.files()) - before + 2  # the description is read again
    assert bytes_of(places.replica) == bytes_of(places.archive.store)


def test_what_isnt_sealed_stays_at_home(places):
    places.archive.overwrite("batches/2026/01/batch-0009/warc/001.warc.gz", b"half a batch")
    unsealed = EntryDraft(
        event_key="late", event_type="capture", event_at=clock.now(), agent="test", body={}
    )
    places.archive.log.append([unsealed], since=13)

    pipeline.replicate(places.settings)

    assert not places.replica.has("batches/2026/01/batch-0009/warc/001.warc.gz")
    assert not places.replica.has("log/entries/000000000013.jsonl")
    assert verdict_of_replica(places) == "proven"


def test_without_a_second_place_nothing_happens(places):
    assert pipeline.replicate(replace(places.settings, replica=None)) is None
    assert places.events("replication") == []


@pytest.mark.parametrize("files", [1, 17, 25, 41])
def test_a_copying_killed_at_any_file_leaves_a_sound_part_and_the_next_one_ends(places, files):
    root = str(Path(__file__).resolve().parents[2])
    copier = subprocess.Popen([sys.executable, "-c", COPY, root, str(places.archive.home)])
    while copier.poll() is None and sum(1 for _ in places.replica.keys("")) < files:
        pass
    copier.send_signal(signal.SIGKILL)
    copier.wait()
    part = bytes_of(places.replica)
    verdict = verdict_of_replica(places)

    pipeline.replicate(places.settings)

    whole = bytes_of(places.archive.store)
    assert part.items() <= whole.items()
    assert verdict in {"incomplete", "proven"} or "log/entries/000000000000.jsonl" not in part
    assert bytes_of(places.replica) == whole


def test_a_damaged_file_is_left_out_with_its_seal_and_the_rest_is_copied(places):
    places.archive.overwrite(WARC, b"rotten")

    with pytest.raises(EvidenceAtRisk, match=r"1 file.*001\.warc\.gz: damaged here"):
        pipeline.replicate(places.settings)

    left = set(places.archive.files()) - set(places.replica.keys())
    [event] = places.events("replication")
    assert left == {WARC, "seals/batch-0001.json"}
    assert (event.outcome, event.asks_for_seal) == ("partial", True)
    assert list(event.detail["left_out"]) == [WARC]


def test_once_the_damaged_file_is_back_the_next_run_brings_it(places):
    good = places.archive.store.read(WARC)
    places.archive.overwrite(WARC, b"rotten")
    with pytest.raises(EvidenceAtRisk):
        pipeline.replicate(places.settings)
    places.archive.overwrite(WARC, good)

    pipeline.replicate(places.settings)

    assert bytes_of(places.replica) == bytes_of(places.archive.store)


@pytest.mark.parametrize(
    "key",
    [
        "archive.json",
        "log/entries/000000000001.jsonl",
        "log/tile/0/000.p/5",
        "log/checkpoints/000000000009",
        "seals/batch-0002.json",
    ],
)
def test_nothing_is_copied_from_a_damaged_log(places, key):
    content = bytearray(places.archive.store.read(key))
    content[len(content) // 3] ^= 4
    places.archive.overwrite(key, bytes(content))

    with pytest.raises(EvidenceAtRisk, match=r"nothing was copied"):
        pipeline.replicate(places.settings)

    assert list(places.replica.keys()) == []


def test_other_bytes_at_the_second_place_are_left_alone_and_told(places):
    places.replica.put(WARC, b"somebody was here before")

    with pytest.raises(EvidenceAtRisk, match="damaged there"):
        pipeline.replicate(places.settings)

    assert places.replica.read(WARC) == b"somebody was here before"


def test_a_second_copier_beside_the_first_does_no_harm(places):
    root = str(Path(__file__).resolve().parents[2])
    copiers = [
        subprocess.Popen([sys.executable, "-c", COPY, root, str(places.archive.home)]) for _ in range(2)
    ]

    assert [copier.wait() for copier in copiers] == [0, 0]
    assert bytes_of(places.replica) == bytes_of(places.archive.store)


def named(content: bytes) -> NamedFile:
    return NamedFile(key="a/b", sha256=sha256_of(content), size_bytes=len(content), named_by="seal")


@pytest.fixture(params=["disk", "memory"])
def source(request, tmp_path):
    return DiskStore(tmp_path / "s", tmp_path / "sa") if request.param == "disk" else MemoryStore()


@pytest.fixture(params=["disk", "memory"])
def target(request, tmp_path):
    return DiskStore(tmp_path / "t", tmp_path / "ta") if request.param == "disk" else MemoryStore()


def test_one_file_goes_from_any_kind_of_store_to_any_other(source, target, tmp_path):
    source.put("a/b", b"good" * 1000)

    for _ in range(2):
        copy_file(source, target, named(b"good" * 1000), tmp_path / "scratch")

    assert target.read("a/b") == b"good" * 1000
    assert not (tmp_path / "scratch").exists() or list((tmp_path / "scratch").iterdir()) == []


def test_no_byte_of_a_file_that_isnt_as_named_is_stored(source, target, tmp_path):
    source.put("a/b", b"evil" * 1000)

    with pytest.raises(Unfit):
        copy_file(source, target, named(b"good" * 1000), tmp_path / "scratch")

    assert list(target.keys()) == []


def test_a_file_that_isnt_there_is_unfit(source, target, tmp_path):
    with pytest.raises(Unfit):
        copy_file(source, target, named(b"good"), tmp_path / "scratch")


def test_what_the_target_holds_is_never_replaced(source, target, tmp_path):
    source.put("a/b", b"good")
    target.put("a/b", b"older")

    with pytest.raises(StoreConflict):
        copy_file(source, target, named(b"good"), tmp_path / "scratch")

    assert target.read("a/b") == b"older"
