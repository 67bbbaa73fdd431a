"""Whatever happens to any file of an archive, the audit names it, says since when, and goes on record."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from preservation import clock, pipeline
from preservation.errors import EvidenceAtRisk
from preservation.fixity import SHARDS, shard_of
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import sha256_of
from preservation.pipeline.fixity_record import MOST_NAMED, due_shards
from preservation.pipeline.places import Place
from preservation.state import open_database, schema
from tests.fakes.two_places import TwoPlaces

TABLE = "batches/2026/01/batch-0001/manifest/objects.parquet"
WARC = "batches/2026/01/batch-0001/warc/001.warc.gz"
DERIVED = f"derived/clusters/000000000009-{sha256_of(b'clusters')}.parquet"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> TwoPlaces:
    places = TwoPlaces.found(tmp_path_factory.mktemp("sound") / "home")
    places.archive.store.put(DERIVED, b"clusters")
    return places


@pytest.fixture
def places(sound, tmp_path) -> TwoPlaces:
    return sound.copy(tmp_path / "home")


def flip(places: TwoPlaces, key: str):
    content = bytearray(places.archive.store.read(key))
    content[len(content) // 2] ^= 1
    places.archive.overwrite(key, bytes(content))


def audit(places: TwoPlaces, **options) -> dict:
    return pipeline.audit(places.settings, everything=True, processes=1, **options)


def found(report: dict) -> dict[str, str]:
    return {each["key"]: each["fault"] for each in report["damaged"]}


def test_a_sound_archive_is_read_to_the_last_file(places):
    report = audit(places)

    own = [k for k in places.archive.files() if k.startswith(("log/", "seals/")) and "tokens" not in k]
    read = len(places.archive.files()) - len(own) - len({"archive.json", "SPEC.md"})
    assert report["damaged"] == []
    assert (report["shards"], report["files"]) == (256, read)
    [of_log] = [e for e in places.events("fixity check") if e.detail["shard"] == "log"]
    assert of_log.detail["files"] == len(own) + 2


def test_a_flipped_bit_in_any_kind_of_file_is_found(places):
    keys = [TABLE, WARC, DERIVED]
    keys += [k for k in places.archive.files() if k.startswith("blobs/")][:1]
    keys += [k for k in places.archive.files() if k.startswith("log/tokens/000000000005")]
    for key in keys:
        flip(places, key)

    assert found(audit(places)) == dict.fromkeys(keys, "other-digest")


def files_that_prove_themselves(places) -> list[str]:
    return [k for k in places.archive.files() if "tokens" not in k and not k.startswith(("b", "d"))]


def test_a_flipped_bit_in_any_file_of_the_log_and_in_any_seal_is_found(sound, tmp_path):
    for number, key in enumerate(files_that_prove_themselves(sound)):
        places = sound.copy(tmp_path / str(number))
        flip(places, key)

        pipeline.plan_audit(places.settings)

        [event] = places.events("fixity check")
        assert (event.outcome, event.asks_for_seal) == ("damaged", True), key
        assert key in {finding["key"] for finding in event.detail["findings"]}


def test_a_seal_that_is_gone_and_a_segment_that_is_gone_are_found(places):
    places.archive.remove("log/entries/000000000001.jsonl")

    assert found(audit(places))["log/entries/000000000001.jsonl"] == "missing"


def gone(path):
    path.unlink()


def cut_short(path):
    os.truncate(path, path.stat().st_size - 1)


def a_folder_instead(path):
    path.unlink()
    path.mkdir()


def a_link_to_the_same_bytes(path):
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")


def test_each_kind_of_damage_has_its_name(places):
    prefix = "batches/2026/01/batch-0002/manifest"
    faults = {
        f"{prefix}/items.parquet": (gone, "missing"),
        f"{prefix}/events.parquet": (cut_short, "other-size"),
        f"{prefix}/objects.parquet": (a_folder_instead, "not-a-plain-file"),
        f"{prefix}/captures.parquet": (a_link_to_the_same_bytes, "not-a-plain-file"),
    }
    for key, (do, _) in faults.items():
        (places.root / key).chmod(0o644)
        do(places.root / key)

    seen = found(audit(places))

    assert seen.pop(f"{prefix}/moved") == "stranger"
    assert seen == {key: fault for key, (_, fault) in faults.items()}


def test_files_behind_a_linked_folder_dont_count_as_there(places):
    folder = places.root / "batches/2026/01/batch-0001/warc"
    folder.rename(places.archive.home / "elsewhere")
    folder.symlink_to(places.archive.home / "elsewhere")

    report = audit(places)

    assert found(report) == {
        WARC: "not-a-plain-file",
        "batches/2026/01/batch-0001/warc": "stranger",
    }


STRANGERS = [
    "stranger",
    "log/stranger",
    "log/tokens/stranger",
    "seals/stranger.txt",
    "batches/2026/01/batch-0001/warc/999.warc.gz",
    "batches/stranger",
    "derived/clusters/stranger.parquet",
]


def test_files_that_nothing_names_are_reported(places):
    for key in STRANGERS:
        places.archive.overwrite(key, b"who put this here?")

    assert set(STRANGERS) <= set(found(audit(places)))


def test_a_foreign_name_that_isnt_even_text_is_reported_too(places):
    (places.root / "batches" / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_bytes(b"")

    assert found(audit(places)) == {r"batches/\udcff\udcfe": "stranger"}


def test_files_of_a_seal_under_way_are_counted_and_no_damage(places):
    places.archive.overwrite("batches/2026/01/batch-0003/warc/001.warc.gz", b"half a batch")

    report = audit(places)

    assert (report["damaged"], report["unsealed_files"]) == ([], 1)


def test_what_could_not_be_read_for_want_of_a_seal_does_not_count_as_checked(places):
    audit(places)
    seal = next(key for key in places.archive.files() if key.startswith("seals/"))
    segment = "log/entries/000000000001.jsonl"
    good = {key: places.archive.store.read(key) for key in (seal, segment)}
    before = remembered(places)[shard_of(WARC)]
    flip(places, WARC)
    for key in good:
        flip(places, key)

    without_names = found(audit(places))
    for key, content in good.items():
        places.archive.overwrite(key, content)
    report = pipeline.audit(places.settings, processes=1)

    assert WARC not in without_names
    [of_warc] = report["damaged"]
    assert (of_warc["key"], of_warc["last_good_at"]) == (WARC, instant(before))


def test_damage_stays_known_while_nothing_names_its_file(places):
    flip(places, WARC)
    audit(places)
    for key in [k for k in places.archive.files() if k.startswith(("seals/", "log/entries/"))]:
        flip(places, key)

    assert found(audit(places))[WARC] == "other-digest"


def test_the_report_says_since_when_and_what_the_second_copy_holds(places):
    pipeline.replicate(places.settings)
    pipeline.plan_audit(places.settings, everything=True)
    for key in (WARC, TABLE):
        pipeline.audit_group(places.settings, shard_of(key)[0])
    [before] = [e for e in places.events("fixity check") if e.detail["shard"] == shard_of(WARC)]
    flip(places, WARC)
    places.archive.remove(TABLE)
    (places.replica_root / TABLE).unlink()

    report = audit(places)
    again = audit(places)

    of_warc, of_table = sorted(report["damaged"], key=lambda each: each["key"] != WARC)
    assert of_warc["last_good_at"] <= instant(before.event_at)
    assert of_warc["last_good_at"] < of_warc["found_at"]
    assert (of_warc["second_copy"], of_table["second_copy"]) == ("same", "missing")
    assert of_warc["named_by"] == "log/entries/000000000001.jsonl"
    assert [each["found_at"] for each in again["damaged"]] == [
        each["found_at"] for each in report["damaged"]
    ]


def test_each_share_is_an_event_with_counts_and_digests_and_damage_asks_for_a_seal(places):
    flip(places, WARC)
    audit(places)

    events = {event.detail["shard"]: event for event in places.events("fixity check")}

    assert sum(event.detail["files"] for event in events.values()) == len(places.archive.files())
    bad = events[shard_of(WARC)]
    assert (bad.outcome, bad.asks_for_seal, bad.detail["finding_count"]) == ("damaged", True, 1)
    assert bad.detail["findings_sha256"] == sha256_of(canonical_json(bad.detail["findings"]))
    others = [event for shard, event in events.items() if shard != shard_of(WARC)]
    assert {(event.outcome, event.asks_for_seal) for event in others} == {("intact", False)}


def test_an_event_names_a_bounded_number_of_findings_and_counts_all(places):
    for number in range(MOST_NAMED + 20):
        places.archive.overwrite(f"seals/stranger-{number:03}.txt", b"")

    pipeline.plan_audit(places.settings)

    [event] = places.events("fixity check")
    assert event.detail["finding_count"] == MOST_NAMED + 20
    assert len(event.detail["findings"]) == MOST_NAMED


def test_the_dag_stops_with_the_names_and_so_does_its_verdict(places):
    flip(places, WARC)
    pipeline.plan_audit(places.settings, everything=True)

    with pytest.raises(EvidenceAtRisk, match=r"001\.warc\.gz"):
        pipeline.audit_group(places.settings, shard_of(WARC)[0])

    with pytest.raises(EvidenceAtRisk, match="1 file"):
        pipeline.verdict(places.settings, "audit")


def test_what_a_person_put_right_is_no_damage_any_more(places):
    good = places.archive.store.read(WARC)
    flip(places, WARC)
    damaged = audit(places)["damaged"]
    places.archive.overwrite(WARC, good)

    assert (len(damaged), audit(places)["damaged"]) == (1, [])
    pipeline.verdict(places.settings, "audit")


def remembered(places) -> dict[str, object]:
    table = schema.fixity_shard
    with open_database(places.settings.database_url).connect() as connection:
        return {row.shard: row.checked_at for row in connection.execute(select(table))}


def test_a_new_archive_has_its_turns_one_by_one_and_an_old_one_without_memory_all_at_once(places):
    database = open_database(places.settings.database_url)
    ages = [timedelta(hours=1), timedelta(days=10), timedelta(days=400)]

    due = [
        due_shards(database, places.settings, Place.ARCHIVE, founded_at=clock.now() - age)
        for age in ages
    ]

    assert len(due[0]) < 3
    assert 80 < len(due[1]) < 100  # 10 of 29 days
    assert due[2] == list(SHARDS)


def test_a_check_that_lies_in_the_future_of_our_clock_counts_as_none(places):
    audit(places)
    database, ahead = open_database(places.settings.database_url), clock.now() + timedelta(days=4000)
    with database.begin() as connection:  # what a run left while the clock was years ahead
        connection.execute(
            update(schema.fixity_shard)
            .where(schema.fixity_shard.c.shard == "41")
            .values(checked_at=ahead)
        )

    due = due_shards(database, places.settings, Place.ARCHIVE, founded_at=clock.now())
    founded_ahead = due_shards(database, places.settings, Place.REPLICA, founded_at=ahead)

    assert (due, founded_ahead) == (["41"], list(SHARDS))


def test_a_run_that_is_killed_is_gone_on_with_and_nothing_is_read_twice(places):
    pipeline.plan_audit(places.settings, everything=True)
    done = pipeline.audit_group(places.settings, "3")
    database = open_database(places.settings.database_url)
    with database.begin() as connection:  # what a worker killed in the middle of group 4 leaves
        connection.execute(
            update(schema.fixity_shard)
            .where(schema.fixity_shard.c.shard.in_(["41", "42"]))
            .values(is_asked_for=False, checked_at=clock.now())
        )

    report = pipeline.audit(places.settings, processes=1)

    assert done["shards"] == 16
    assert report["shards"] == 256 - 16 - 2


AUDIT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.fakes.small_archive import SmallArchive
from tests.fakes.two_places import TwoPlaces
from preservation import pipeline
places = TwoPlaces.of(SmallArchive.reopen(Path(sys.argv[2])))
pipeline.audit(places.settings, everything=True, processes=1)
"""


def test_an_audit_killed_at_any_moment_leaves_a_state_from_which_the_next_one_ends(places):
    flip(places, WARC)
    root = str(Path(__file__).resolve().parents[2])
    auditor = subprocess.Popen([sys.executable, "-c", AUDIT, root, str(places.archive.home)])
    while auditor.poll() is None and len(remembered(places)) < 2:
        pass
    while auditor.poll() is None and sum(map(bool, remembered(places).values())) < 30:
        pass
    auditor.send_signal(signal.SIGKILL)
    auditor.wait()
    done = sum(map(bool, remembered(places).values()))

    report = pipeline.audit(places.settings, processes=1)

    assert report["shards"] <= 257 - done
    assert len(remembered(places)) == 257
    assert found(report) == {WARC: "other-digest"}


def test_a_replica_that_lags_is_no_damage_and_one_that_rots_is(places):
    pipeline.replicate(places.settings)
    places.archive.seal_batch(3)
    (places.archive.settings.trust / "log.checkpoint").write_bytes(
        places.archive.store.read("log/checkpoints/000000000013")
    )

    lagging = audit(places, place=Place.REPLICA)
    verdict = pipeline.verify(places.settings, place=Place.REPLICA)
    (places.replica_root / WARC).unlink()
    rotten = audit(places, place=Place.REPLICA)

    assert (lagging["damaged"], verdict.verdict) == ([], "incomplete")
    assert found(rotten) == {WARC: "missing"}
    assert rotten["damaged"][0]["second_copy"] == "same"


def test_the_whole_argument_is_on_record_once_a_week_and_each_night_while_it_is_broken(places):
    assert pipeline.verify_when_due(places.settings)["verdict"] == "proven"
    assert pipeline.verify_when_due(places.settings) is None
    flip(places, WARC)
    with open_database(places.settings.database_url).begin() as connection:
        event = schema.event
        a_week_ago = clock.now() - timedelta(days=8)
        connection.execute(
            update(event)
            .where(event.c.event_key.startswith("verification:"))
            .values(event_at=a_week_ago)
        )

    for _ in range(2):
        with pytest.raises(EvidenceAtRisk, match=r"001\.warc\.gz"):
            pipeline.verify_when_due(places.settings)

    assert [event.outcome for event in places.events("fixity check")] == ["proven", "broken", "broken"]
    with pytest.raises(EvidenceAtRisk, match="verification"):
        pipeline.verdict(places.settings, "audit")


def test_without_the_pinned_key_nothing_of_the_log_counts_as_proven(places):
    (places.archive.home / "trust/log.vkey").unlink()

    report = audit(places)

    assert "not-proven" in found(report).values() or "missing" in found(report).values()
