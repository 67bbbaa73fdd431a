"""The plain values that everything else speaks of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from preservation.model.canonical import canonical_json, instant, parse_instant
from preservation.model.digests import Digest, DigestAlgorithm, FixityMeter, fixity_of
from preservation.model.retries import LONGEST_WAIT_S, MOST_ATTEMPTS, RETRY_RULES, wait_before_next_try
from preservation.model.tables import ALL_TABLES, SUBMISSIONS, row_digest
from preservation.model.vocabulary import REASON_SENTENCES, STATUS_SENTENCES, Reason, Status


def test_a_digest_of_the_wrong_length_can_not_be_built():
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        Digest(DigestAlgorithm.SHA256, "abc")


def test_a_digest_reads_back_what_it_writes():
    digest = Digest(DigestAlgorithm.SHA256, "0f" * 32)

    assert Digest.parse(str(digest)) == digest


def test_both_digests_come_from_one_pass():
    meter = FixityMeter()
    meter.update(b"a")
    meter.update(b"bc")

    # FIPS 180-4 examples: the message "abc".
    assert meter.fixity().sha256.startswith("ba7816bf8f01cfea414140de5dae2223")
    assert meter.fixity().sha512.startswith("ddaf35a193617abacc417349ae204131")
    assert meter.fixity() == fixity_of([b"abc"])


def test_instants_are_utc_with_six_decimals_whatever_their_zone():
    moment = datetime(2026, 1, 2, 5, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))

    assert instant(moment) == "2026-01-02T03:04:05.000006Z"
    assert parse_instant(instant(moment)) == moment


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no time zone"):
        instant(datetime(2026, 1, 1))  # noqa: DTZ001


def test_canonical_json_refuses_floats():
    with pytest.raises(TypeError, match="float"):
        canonical_json({"a": 1.5})


def test_canonical_json_sorts_keys_and_keeps_characters():
    assert canonical_json({"b": "ع", "a": [1, True, None]}) == '{"a":[1,true,null],"b":"ع"}'.encode()


def test_a_row_names_an_unknown_column():
    with pytest.raises(ValueError, match="has no column"):
        SUBMISSIONS.row({"colour": "red"})


def test_a_row_names_a_missing_column():
    with pytest.raises(ValueError, match="submission_id is required"):
        SUBMISSIONS.row({})


def test_a_row_carries_the_digest_of_its_other_columns():
    row = SUBMISSIONS.row(
        {
            "submission_id": "s",
            "submitter_ref": "r",
            "agreement_version": 1,
            "submitted_at": datetime(2026, 1, 1, tzinfo=UTC),
            "source_kind": "sheet",
            "source_sha256": "0" * 64,
            "row_count": 1,
            "accepted_count": 1,
            "refused_count": 0,
            "receipt_sha256": "1" * 64,
        }
    )

    assert row["row_sha256"] == row_digest(row)
    assert row_digest({**row, "row_count": 2}) != row["row_sha256"]


def test_every_table_and_column_says_what_it_means():
    for table in ALL_TABLES:
        assert table.meaning.endswith(".")
        assert all(column.meaning.endswith(".") for column in table.columns), table.name


def test_every_reason_has_a_retry_rule_and_a_sentence():
    assert set(RETRY_RULES) == set(REASON_SENTENCES) == set(Reason)


def test_every_status_has_a_sentence():
    assert set(STATUS_SENTENCES) == set(Status)


def test_a_permanent_failure_is_not_tried_again():
    assert wait_before_next_try([Reason.NOT_FOUND], retry_after_s=5) is None


def test_retry_after_wins_over_the_own_wait():
    assert wait_before_next_try([Reason.SERVER_ERROR], retry_after_s=2) == 2


def test_an_absurd_retry_after_is_bounded():
    assert wait_before_next_try([Reason.RATE_LIMITED], retry_after_s=10**9) == LONGEST_WAIT_S


def test_waits_grow_and_end():
    failures = [Reason.SERVER_ERROR] * RETRY_RULES[Reason.SERVER_ERROR].attempts
    waits = [wait_before_next_try(failures[:n], retry_after_s=None) for n in range(1, len(failures))]

    assert waits == sorted(set(waits))
    assert wait_before_next_try(failures, retry_after_s=None) is None


def test_an_item_that_fails_for_ever_new_reasons_ends():
    mixed = [Reason.SERVER_ERROR, Reason.TIMEOUT, Reason.UNREACHABLE] * 4

    assert wait_before_next_try(mixed[:MOST_ATTEMPTS], retry_after_s=None) is None
