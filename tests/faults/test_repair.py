"""What is damaged at one place comes back from the other, and nothing is ever lost by it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from preservation import pipeline
from preservation.errors import SettingsInvalid
from preservation.model.digests import sha256_of
from preservation.pipeline import spool
from preservation.pipeline.places import Place
from tests.fakes.two_places import TwoPlaces

WARC = "batches/2026/01/batch-0001/warc/001.warc.gz"
TABLE = "batches/2026/01/batch-0002/manifest/items.parquet"
SEGMENT = "log/entries/000000000001.jsonl"
TILE = "log/tile/0/000.p/5"
SEAL = "seals/batch-0002.json"
KINDS = (WARC, TABLE, SEGMENT, TILE, SEAL, "archive.json", "log/checkpoints/000000000005")


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> TwoPlaces:
    places = TwoPlaces.found(tmp_path_factory.mktemp("copied") / "home")
    pipeline.replicate(places.settings)
    return places


@pytest.fixture
def places(copied, tmp_path) -> TwoPlaces:
    return copied.copy(tmp_path / "home")


def damage(root, key: str) -> bytes:
    """Flip a bit in the middle of a file; what it holds now."""
    path = root / key
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return bytes(content)


def outcomes(repairs) -> dict[str, str]:
    return {each.key: str(each.outcome) for each in repairs}


def quarantined(places, key: str) -> bytes:
    [path] = places.archive.home.glob(f"quarantine/*/{key}")
    return path.read_bytes()


@pytest.mark.parametrize("key", KINDS)
def test_a_damaged_file_comes_back_and_the_damaged_one_is_kept(copied, places, key):
    bad = damage(places.root, key)

    done = pipeline.repair(places.settings, [key])

    assert outcomes(done) == {key: "recovered"}
    assert places.archive.store.read(key) == copied.archive.store.read(key)
    assert quarantined(places, key) == bad
    assert pipeline.verify(places.settings).verdict == "proven"


@pytest.mark.parametrize("key", KINDS)
def test_a_missing_file_comes_back(copied, places, key):
    (places.root / key).unlink()

    done = pipeline.repair(places.settings, [key])

    assert outcomes(done) == {key: "recovered"}
    assert places.archive.store.read(key) == copied.archive.store.read(key)


def test_without_names_everything_that_the_audit_found_is_repaired(places):
    for key in (WARC, TABLE):
        damage(places.root, key)
    (places.root / SEGMENT).unlink()
    pipeline.audit(places.settings, everything=True, processes=1)

    done = pipeline.repair(places.settings)

    assert outcomes(done) == dict.fromkeys((WARC, TABLE, SEGMENT), "recovered")
    assert pipeline.verify(places.settings).verdict == "proven"
    pipeline.verdict(places.settings, "audit")


def test_the_recovery_is_an_event_with_both_digests_and_asks_for_a_seal(copied, places):
    bad = damage(places.root, WARC)

    pipeline.repair(places.settings, [WARC])

    [event] = places.events("recovery")
    assert event.asks_for_seal
    assert event.detail["damaged_sha256"] == sha256_of(bad)
    assert event.detail["recovered_sha256"] == sha256_of(copied.archive.store.read(WARC))
    assert event.detail["key"] == WARC
    assert (places.archive.home / event.detail["quarantine"]).read_bytes() == bad


def test_the_facts_lie_beside_the_damaged_file(places):
    bad = damage(places.root, WARC)

    pipeline.repair(places.settings, [WARC])

    [facts] = places.archive.home.glob("quarantine/*/facts/*.json")
    document = json.loads(facts.read_text())
    assert document["key"] == WARC
    assert document["damaged_sha256"] == sha256_of(bad)
    assert document["fault"] == "other-digest"


def test_a_dry_run_says_it_and_changes_nothing(places):
    bad = damage(places.root, WARC)

    done = pipeline.repair(places.settings, [WARC], dry_run=True)

    assert outcomes(done) == {WARC: "recovered"}
    assert places.archive.store.read(WARC) == bad
    assert not (places.archive.home / "quarantine").exists()
    assert places.events("recovery") == []


@pytest.mark.parametrize("key", [WARC, SEGMENT])
def test_if_both_are_damaged_it_says_so_and_changes_nothing(places, key):
    ours, theirs = damage(places.root, key), damage(places.replica_root, key)

    done = pipeline.repair(places.settings, [key])

    assert outcomes(done)[key] in {"both-damaged", "not-named"}
    assert places.archive.store.read(key) == ours
    assert places.replica.read(key) == theirs
    assert places.events("recovery") == []


def test_the_second_copy_is_repaired_from_the_archive_too(copied, places):
    bad = damage(places.replica_root, WARC)
    (places.replica_root / TABLE).unlink()
    pipeline.audit(places.settings, place=Place.REPLICA, everything=True, processes=1)

    done = pipeline.repair(places.settings, place=Place.REPLICA)

    assert outcomes(done) == dict.fromkeys((WARC, TABLE), "recovered")
    assert places.replica.read(WARC) == copied.archive.store.read(WARC)
    assert quarantined(places, WARC) == bad
    assert {event.detail["place"] for event in places.events("recovery")} == {"replica"}
    assert pipeline.verify(places.settings, place=Place.REPLICA).verdict == "proven"


def test_a_link_or_a_folder_in_a_files_place_is_set_aside_as_it_is(copied, places):
    (places.root / WARC).rename(places.root / f"{WARC}.moved")
    (places.root / WARC).symlink_to("001.warc.gz.moved")
    (places.root / TABLE).unlink()
    (places.root / TABLE).mkdir()

    done = pipeline.repair(places.settings, [WARC, TABLE])

    assert outcomes(done) == dict.fromkeys((WARC, TABLE), "recovered")
    assert places.archive.store.is_plain(WARC)
    assert places.archive.store.read(TABLE) == copied.archive.store.read(TABLE)
    moments = (places.archive.home / "quarantine").iterdir()
    assert any((moment / WARC).is_symlink() for moment in moments)


def test_nothing_is_moved_through_a_linked_folder(places):
    folder = places.root / "batches/2026/01/batch-0001/warc"
    folder.rename(places.archive.home / "elsewhere")
    folder.symlink_to(places.archive.home / "elsewhere")
    bad = damage(places.archive.home / "elsewhere", "001.warc.gz")

    done = pipeline.repair(places.settings, [WARC])

    assert outcomes(done) == {WARC: "not-correctable"}
    assert (places.archive.home / "elsewhere/001.warc.gz").read_bytes() == bad


def test_what_is_intact_or_unknown_is_left_alone(places):
    done = pipeline.repair(places.settings, [WARC, "no/such/file", "../../etc/passwd"])

    assert outcomes(done) == {
        WARC: "intact",
        "no/such/file": "not-named",
        "../../etc/passwd": "not-named",
    }
    assert places.events("recovery") == []


def test_an_archive_that_lost_its_newest_batch_as_a_whole_gets_it_back(copied, places):
    for key in [k for k in places.archive.files() if "batch-0002" in k]:
        places.archive.remove(key)
    places.archive.remove("log/entries/000000000005.jsonl")
    for key in [k for k in places.archive.files() if "000000000009" in k or k.endswith("p/9")]:
        places.archive.remove(key)

    pipeline.repair(places.settings)

    assert {k: places.archive.store.read(k) for k in places.archive.files()} == {
        k: copied.archive.store.read(k) for k in copied.archive.files()
    }


def test_a_repair_that_broke_off_after_it_set_the_file_aside_is_finished(copied, places):
    bad = damage(places.root, WARC)
    pipeline.repair(places.settings, [WARC])
    [facts] = places.archive.home.glob("quarantine/*/facts/*.json")
    spool.write_json(facts, {**json.loads(facts.read_text()), "is_recorded": False})
    (places.root / WARC).unlink()
    (places.archive.home / "preserve.db").unlink()
    shutil.copy(copied.archive.home / "preserve.db", places.archive.home)

    done = pipeline.repair(places.settings, [WARC])

    [event] = places.events("recovery")
    assert outcomes(done) == {WARC: "intact"}
    assert event.detail["damaged_sha256"] == sha256_of(bad)
    assert places.archive.store.read(WARC) == copied.archive.store.read(WARC)
    assert json.loads(facts.read_text())["is_recorded"]


def test_a_repair_that_broke_off_before_it_changed_anything_leaves_no_false_facts(places):
    bad = damage(places.root, WARC)
    pipeline.repair(places.settings, [WARC])
    [facts] = places.archive.home.glob("quarantine/*/facts/*.json")
    spool.write_json(facts, {**json.loads(facts.read_text()), "is_recorded": False})
    places.archive.overwrite(WARC, bad)

    pipeline.repair(places.settings, [WARC])

    assert not facts.exists()
    assert len(places.events("recovery")) == 2


def test_without_a_second_place_there_is_nothing_to_repair_from(places):
    with pytest.raises(SettingsInvalid, match="second copy"):
        pipeline.repair(replace(places.settings, replica=None), [WARC])
