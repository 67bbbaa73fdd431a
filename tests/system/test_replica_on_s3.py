"""The second copy in a locked bucket: copied, audited, and what is damaged at home comes back from it."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from preservation import pipeline
from preservation.errors import EvidenceAtRisk
from preservation.fixity import NamedFile, check_file, reader_of
from preservation.model.digests import sha256_of
from preservation.pipeline.places import Place
from preservation.store.places import replica_store
from tests.fakes.s3_server import BUCKET
from tests.fakes.two_places import TwoPlaces

WARC = "batches/2026/01/batch-0001/warc/001.warc.gz"


@pytest.fixture(scope="module")
def places(s3_server, tmp_path_factory) -> TwoPlaces:
    """An archive on disk with its replica in a bucket; one file was damaged when it was copied first."""
    found = TwoPlaces.found(tmp_path_factory.mktemp("home") / "home", batches=1)
    place = s3_server.place(f"replica-{uuid.uuid4()}")
    found.settings = replace(found.settings, replica=place)
    return found


def key_in_bucket(places, key: str) -> str:
    return f"{places.settings.replica.prefix}/{key}"


def test_a_file_that_was_left_out_is_put_by_a_repair(places):
    good = places.archive.store.read(WARC)
    places.archive.overwrite(WARC, b"rotten")
    with pytest.raises(EvidenceAtRisk):
        pipeline.replicate(places.settings)
    places.archive.overwrite(WARC, good)

    before = pipeline.verify(places.settings, place=Place.REPLICA).verdict
    [repair] = pipeline.repair(places.settings, [WARC], place=Place.REPLICA)
    pipeline.replicate(places.settings)

    assert before != "proven"
    assert repair.outcome == "recovered"
    assert pipeline.verify(places.settings, place=Place.REPLICA).verdict == "proven"


def test_what_is_damaged_at_home_comes_back_from_the_bucket(places):
    good = places.archive.store.read(WARC)
    places.archive.overwrite(WARC, b"rotten")

    [damaged] = pipeline.audit(places.settings, everything=True, processes=1)["damaged"]
    [repair] = pipeline.repair(places.settings)

    assert (damaged["key"], damaged["second_copy"]) == (WARC, "same")
    assert repair.outcome == "recovered"
    assert places.archive.store.read(WARC) == good


def test_an_attempt_to_change_the_bucket_is_told_and_the_originals_count(places, s3_server):
    client = s3_server.client()
    client.put_object(Bucket=BUCKET, Key=key_in_bucket(places, WARC), Body=b"forged")
    client.delete_object(Bucket=BUCKET, Key=key_in_bucket(places, "seals/batch-0001.json"))

    report = pipeline.audit(places.settings, place=Place.REPLICA, everything=True, processes=2)

    assert report["damaged"] == []
    assert len(report["notes"]) == 2
    event = next(e for e in places.events("fixity check")[::-1] if e.detail["shard"] == "log")
    assert (event.outcome, event.asks_for_seal) == ("intact", True)
    assert sorted(event.detail["notes"]) == sorted(report["notes"])


def test_wrong_bytes_in_a_locked_bucket_cant_be_mended_in_place(places, s3_server):
    elsewhere = s3_server.place(f"replica-{uuid.uuid4()}")
    settings = replace(places.settings, replica=elsewhere)
    replica_store(settings).put(WARC, b"locked before we came")
    with pytest.raises(EvidenceAtRisk, match="damaged there"):
        pipeline.replicate(settings)

    [repair] = pipeline.repair(settings, [WARC], place=Place.REPLICA)

    assert repair.outcome == "not-correctable"
    assert "locked" in repair.detail
    assert replica_store(settings).read(WARC) == b"locked before we came"


def test_an_object_without_a_lock_is_reported(places, s3_server):
    elsewhere = s3_server.place(f"replica-{uuid.uuid4()}")
    settings = replace(places.settings, replica=elsewhere)
    content = places.archive.store.read(WARC)
    s3_server.client().put_object(Bucket=BUCKET, Key=f"{elsewhere.prefix}/{WARC}", Body=content)
    named = NamedFile(key=WARC, sha256=sha256_of(content), size_bytes=len(content), named_by="")

    damage = check_file(reader_of(replica_store(settings)), named)

    assert (damage.fault, damage.observed) == ("not-locked", "its lock is none")
