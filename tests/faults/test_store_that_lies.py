"""A store that only pretends is refused: by the doctor, by the named probe, and in the work itself."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from datetime import timedelta

import pytest
from click.testing import CliRunner

from preservation.cli import preserve
from preservation.errors import EvidenceAtRisk, StoreConflict, StoreUnavailable, StoreUnfit
from preservation.store.doctor_s3 import examine_bucket
from preservation.store.object_lock import ObjectLockStore
from tests.fakes import s3_liar
from tests.fakes.s3_liar import LyingServer, Once


@pytest.fixture
def liar(s3_server):
    with LyingServer(s3_server.endpoint) as running:
        yield running


@pytest.fixture
def place(s3_server, liar):
    return dataclasses.replace(s3_server.place(f"lies/{uuid.uuid4()}"), endpoint=liar.endpoint)


@pytest.fixture
def store(place):
    return ObjectLockStore(place, patience_s=3, retention=timedelta(minutes=1))


@pytest.fixture(scope="module")
def unlocked(s3_server):
    s3_server.create_bucket("pretender", has_lock=False)
    return "pretender"


def failed(place):
    return {probe.name for probe in examine_bucket(place, races=1).failed}


def test_an_honest_store_is_accepted_also_through_the_proxy(place):
    assert failed(place) == set()


PRETENDERS = {
    "ignores conditions": (s3_liar.dropping("if-none-match"), "condition"),
    "ignores checksums": (s3_liar.dropping("x-amz-checksum", "x-amz-sdk-checksum"), "checksum-kept"),
    "echoes checksums unverified": (s3_liar.pretending_checksums(), "wrong-digest"),
    "drops locks": (s3_liar.dropping("x-amz-object-lock"), "retention-kept"),
    "reports locks that it doesn't keep": (s3_liar.pretending_locks(), "delete-version"),
    "locks for less than asked": (s3_liar.shortening_retention(), "retention-kept"),
    "deletes what is locked": (s3_liar.deleting_anyway(), "delete-version"),
    "deletes what is locked, if it is listed": (s3_liar.deleting_what_is_listed(), "delete-in-a-list"),
    "locks nothing that comes in parts": (s3_liar.forgetting_locks_of_parts(), "parts-locked"),
    "damages what it keeps": (s3_liar.damaging(), "read-back"),
    "lists late": (s3_liar.forgetting_the_newest(), "listing"),
    "lists for ever": (s3_liar.listing_for_ever(b"<NextKeyMarker>a</NextKeyMarker>"), "listing"),
    "lists no versions": (s3_liar.naming_no_versions(), "oldest-version"),
    "says yes to all and nothing else": (s3_liar.answering(b""), "parts"),
    "dates its locks to no day": (s3_liar.dating_locks("soon"), "retention-kept"),
}


@pytest.mark.parametrize("pretence", PRETENDERS)
def test_a_pretender_is_refused_by_the_probe_that_sees_it(liar, place, pretence):
    liar.lie, probe = PRETENDERS[pretence]

    assert probe in failed(place)


def test_a_bucket_that_only_says_that_it_keeps_versions_is_refused(liar, place, unlocked):
    liar.lie = s3_liar.without_versions(unlocked)

    assert {"create", "overwrite"} <= failed(place)


def test_the_command_names_the_probe_and_ends_with_1(liar, place, tmp_path):
    home = tmp_path / "home"
    runner = CliRunner()
    assert runner.invoke(preserve, ["init", "--home", str(home)]).exit_code == 0
    with (home / "preserve.toml").open("a") as settings:
        settings.write(f'\n[replica]\nurl = "s3://{place.bucket}/{place.prefix}"\n')
        settings.write(f'endpoint = "{place.endpoint}"\n')
    arguments = ["archive", "doctor", "--place", "replica", "--json", "--home", str(home)]

    liar.lie = s3_liar.dropping("if-none-match")

    lying = runner.invoke(preserve, arguments)

    assert (lying.exit_code, json.loads(lying.stdout)["verdict"]) == (1, "refused")
    assert "condition" in json.loads(lying.stdout)["failed"]


def test_a_disk_is_examined_too_and_nothing_stays(tmp_path):
    home = tmp_path / "home"
    runner = CliRunner()
    assert runner.invoke(preserve, ["init", "--home", str(home)]).exit_code == 0
    before = sorted((home / "archive").rglob("*"))

    answer = runner.invoke(preserve, ["archive", "doctor", "--json", "--home", str(home)])

    assert answer.exit_code == 0, answer.stdout
    assert sorted((home / "archive").rglob("*")) == before
    assert list((home / "work/aside").glob("doctor*")) == []


def test_in_the_work_a_store_without_locks_is_found_at_the_first_object(liar, store):
    liar.lie = s3_liar.dropping("x-amz-object-lock")

    with pytest.raises(StoreUnfit, match="lock in compliance mode"):
        store.put("a", b"content")


def test_in_the_work_a_lock_shorter_than_asked_is_found(liar, store):
    liar.lie = s3_liar.shortening_retention()

    with pytest.raises(StoreUnfit, match="lock until"):
        store.put("a", b"content")


def test_in_the_work_a_store_that_ignores_checksums_is_found(liar, store):
    liar.lie = s3_liar.dropping("x-amz-checksum", "x-amz-sdk-checksum")

    with pytest.raises(StoreUnfit, match="checksum"):
        store.put("a", b"content")


def test_in_the_work_damage_is_found_before_anything_counts_as_stored(liar, store):
    liar.lie = s3_liar.damaging()

    with pytest.raises(StoreConflict, match=r"checksum|reads back"):
        store.put("a", b"content")


def test_in_the_work_a_store_that_ignores_conditions_is_found_and_the_first_stays(liar, store, place):
    store.claim("log/0", b"mine")
    liar.lie = s3_liar.dropping("if-none-match")

    with pytest.raises(StoreConflict, match="had a version"):
        store.claim("log/0", b"yours")
    assert ObjectLockStore(place).read("log/0") == b"mine"


def test_in_the_work_a_listing_that_lags_is_found(liar, store):
    liar.lie = s3_liar.forgetting_the_newest()

    with pytest.raises(EvidenceAtRisk):
        store.put("a", b"content")


def uses_of(store):
    """Each way to ask for what is under a key, and to list."""
    return (
        lambda: store.has("b"),
        lambda: list(store.keys()),
        lambda: list(store.anomalies()),
        lambda: store.put("b", b"content"),
    )


@pytest.mark.parametrize("marker", [b"", b"<NextKeyMarker>a</NextKeyMarker>"])
def test_in_the_work_a_listing_without_an_end_is_found_and_not_followed(liar, store, marker):
    store.put("a", b"content")
    liar.lie = s3_liar.listing_for_ever(marker)

    for use in uses_of(store)[:3]:
        with pytest.raises(StoreUnfit, match="goes on"):
            use()


def test_in_the_work_a_listing_without_versions_isnt_taken_for_a_missing_key(liar, store, place):
    store.put("a", b"content")
    liar.lie = s3_liar.naming_no_versions()

    with pytest.raises(StoreUnfit, match="VersionId"):
        ObjectLockStore(place, patience_s=1).has("a")


def test_in_the_work_what_is_no_listing_isnt_taken_for_an_empty_one(liar, store):
    liar.lie = s3_liar.answering(b"<html>Sign in</html>")

    for use in uses_of(store)[:3]:
        with pytest.raises(StoreUnavailable, match="isn't known"):
            use()


def test_in_the_work_a_lock_until_no_day_at_all_is_named(liar, store):
    liar.lie = s3_liar.dating_locks("soon")

    with pytest.raises(StoreUnavailable, match="soon"):
        store.put("a", b"content")


def test_a_store_that_redirects_is_named_with_the_address(liar, store, place):
    liar.lie = s3_liar.redirecting("https://elsewhere.invalid/")

    for use in (*uses_of(store), store.require_lock, lambda: failed(place)):
        with pytest.raises(StoreUnavailable, match=r"redirects.*elsewhere\.invalid.*endpoint"):
            use()


def test_in_the_work_a_lost_answer_doesnt_hide_a_missing_lock(liar, store):
    lost, unlocked = s3_liar.losing_answers(Once(creates)), s3_liar.dropping("x-amz-object-lock")
    liar.lie = s3_liar.Lie(asked=unlocked.asked, answered=lost.answered)

    with pytest.raises(StoreUnfit, match="lock in compliance mode"):
        store.claim("log/0", b"mine")


def creates(exchange):
    return exchange.creates


def reads(exchange):
    return exchange.method == "GET" and "versionId" in exchange.query


AMBIGUOUS = {
    "the answer is lost": lambda: s3_liar.losing_answers(Once(creates)),
    "the request is lost": lambda: s3_liar.losing_requests(Once(creates)),
    "it is done, and 500 is answered": lambda: s3_liar.failing(Once(creates), is_done=True),
    "500 is answered, and nothing done": lambda: s3_liar.failing(Once(creates), is_done=False),
    "answers are lost thrice": lambda: s3_liar.losing_answers(Once(creates, count=3)),
}


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_a_claim_is_won_though_its_answer_got_lost(liar, store, fault):
    liar.lie = AMBIGUOUS[fault]()

    assert store.claim("log/0", b"mine")
    assert store.read("log/0") == b"mine"
    assert list(store.anomalies()) == []
    assert not store.claim("log/0", b"yours")


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_a_claim_is_lost_to_another_though_answers_got_lost(liar, s3_server, store, place, fault):
    honest = ObjectLockStore(dataclasses.replace(place, endpoint=s3_server.endpoint))
    honest.claim("log/0", b"yours")
    liar.lie = AMBIGUOUS[fault]()

    assert not store.claim("log/0", b"mine")
    assert store.read("log/0") == b"yours"


def test_what_was_stored_before_under_a_shorter_lock_is_no_lie_though_a_request_got_lost(
    liar, s3_server, store, place
):
    before = dataclasses.replace(place, endpoint=s3_server.endpoint)
    ObjectLockStore(before).put("a", b"content")
    later = dataclasses.replace(place, retention_days=before.retention_days + 1)
    liar.lie = s3_liar.failing(Once(creates), is_done=False)

    ObjectLockStore(later).put("a", b"content")

    assert store.read("a") == b"content"
    assert list(store.anomalies()) == []


def test_a_store_that_never_answers_is_unavailable_and_the_next_call_finds_what_was_done(liar, store):
    liar.lie = s3_liar.losing_answers(Once(lambda _: True, count=1000))

    with pytest.raises(StoreUnavailable):
        store.claim("log/0", b"mine")
    liar.lie = s3_liar.Lie()
    assert not store.claim("log/0", b"mine")
    assert store.read("log/0") == b"mine"


def test_reads_survive_500s_and_torn_bodies(liar, store):
    content = os.urandom(2_000_000)
    store.put("a", content)

    liar.lie = s3_liar.failing(Once(reads, count=3), is_done=False)
    assert store.read("a") == content
    liar.lie = s3_liar.tearing_bodies(Once(reads, count=3))
    assert store.read("a") == content


def test_reads_that_go_on_failing_end_as_unavailable(liar, store):
    store.put("a", b"content")
    liar.lie = s3_liar.failing(Once(reads, count=1000), is_done=False)

    with pytest.raises(StoreUnavailable, match="no answer"):
        store.read("a")
