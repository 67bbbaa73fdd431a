"""The terms of an agreement, and the judgement of rows by them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.errors import AgreementRefusal, BadInput
from preservation.model.vocabulary import Engine
from preservation.submission.judge import RULES, Entry, SubmittedFile, Usage, judge
from preservation.submission.terms import CLAUSES, Terms, check_validity, terms_from

NOTHING_USED = Usage()
TEXTS = ("sharing_conditions", "retention")


def of_url(url: str, row: int = 2, **claimed: str) -> Entry:
    return Entry(row_number=row, url=url, claimed={"url": url, **claimed})


def of_file(size_bytes: int, row: int = 2) -> Entry:
    file = SubmittedFile(
        name="video.mp4", path=Path("video.mp4"), size_bytes=size_bytes, sha256="0" * 64
    )
    return Entry(row_number=row, file=file, column="file")


def clauses(entries: list[Entry], terms: dict, usage: Usage = NOTHING_USED) -> list[list[str]]:
    verdicts = judge(entries, terms_from(terms), usage)
    return [[refusal.clause for refusal in verdict.refusals] for verdict in verdicts]


def test_no_terms_allow_everything():
    assert terms_from({}) == Terms()
    assert clauses([of_url("https://example.org/"), of_file(10**15)], {}) == [[], []]


def test_every_fault_in_the_terms_is_named_at_once_with_its_clause():
    document = {
        "kinds": ["page", "radio"],
        "quota_items": 0,
        "largest_file_bytes": "5 MB",
        "colour": "red",
        "valid_to": "soon",
    }

    with pytest.raises(BadInput) as raised:
        terms_from(document)

    for part in (
        "2.1 kinds",
        "2.3 quota_items",
        "2.2 largest_file_bytes",
        "no clause 'colour'",
        "1.2 valid_to",
    ):
        assert part in raised.value.message


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, -1, "x", "", [], [1], {}, 2**60, ["nonsense words"], ["PAGE"], "2026-13-01"],
)
@pytest.mark.parametrize("name", CLAUSES)
def test_a_clause_takes_its_own_kind_of_value_or_says_so(name, value):
    if name in TEXTS and isinstance(value, str) and value:
        terms_from({name: value})
    else:
        with pytest.raises(BadInput, match=str(CLAUSES[name])):
            terms_from({name: value})


@pytest.mark.parametrize("document", [[], "x", None, 5])
def test_terms_that_are_no_object_are_refused(document):
    with pytest.raises(BadInput, match="JSON object"):
        terms_from(document)


def test_an_agreement_that_ends_before_it_begins_is_refused():
    with pytest.raises(BadInput, match=r"1.2 valid_to lies before 1.1 valid_from"):
        terms_from({"valid_from": "2026-02-01", "valid_to": "2026-01-31"})


def test_an_agreement_covers_its_first_and_its_last_day_in_full():
    terms = terms_from({"valid_from": "2026-01-01", "valid_to": "2026-01-31"})
    first, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    moment = timedelta(microseconds=1)

    check_validity(terms, at=first, organisation_id="a")
    check_validity(terms, at=end - moment, organisation_id="a")
    with pytest.raises(AgreementRefusal, match=r"clause 1.1 valid_from: 2026-01-01"):
        check_validity(terms, at=first - moment, organisation_id="a")
    with pytest.raises(AgreementRefusal, match=r"clause 1.2 valid_to: 2026-01-31"):
        check_validity(terms, at=end, organisation_id="a")


@pytest.mark.parametrize("day", ["2026-01-31", "20260131", "2026-W05-6"])
def test_a_last_day_counts_in_full_however_it_is_written(day):
    assert terms_from({"valid_to": day}).valid_to == datetime(2026, 2, 1, tzinfo=UTC)


def test_the_last_day_of_the_calendar_sets_no_end():
    terms = terms_from({"valid_from": "2026-01-01", "valid_to": "9999-12-31"})

    check_validity(terms, at=datetime.max.replace(tzinfo=UTC), organisation_id="a")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("valid_to", "9999-12-31T23:00:00-05:00"),
        ("retention", "\ud800"),
        ("kinds", ["\ud800"]),
        ("sharing", [{"recipients": ["\ud800"]}]),
    ],
)
def test_an_instant_or_text_that_nothing_can_hold_names_its_clause(name, value):
    with pytest.raises(BadInput, match=str(CLAUSES[name])):
        terms_from({name: value})


@pytest.mark.parametrize(
    ("entry", "terms", "clause"),
    [
        (of_url("https://example.org/"), {"kinds": ["post"]}, "2.1 kinds"),
        (of_file(1), {"kinds": ["page"]}, "2.1 kinds"),
        (of_url("https://example.org/", kind="صفحة"), {"kinds": ["file"]}, "2.1 kinds"),
        (of_file(11), {"largest_file_bytes": 10}, "2.2 largest_file_bytes"),
        (of_file(11), {"quota_bytes": 10}, "2.4 quota_bytes"),
        (of_url("https://a.example.org/"), {"allowed_hosts": ["example.com"]}, "2.5 allowed_hosts"),
        (of_url("https://a.example.org/"), {"declined_hosts": ["example.org"]}, "2.6 declined_hosts"),
    ],
)
def test_a_row_that_the_agreement_forbids_names_the_clause(entry, terms, clause):
    assert clauses([entry], terms) == [[clause]]


def test_every_clause_that_a_row_breaks_is_named():
    terms = {"kinds": ["post"], "allowed_hosts": ["example.com"], "quota_items": 1}

    assert clauses([of_url("https://example.org/")], terms, Usage(items=1)) == [
        ["2.1 kinds", "2.3 quota_items", "2.5 allowed_hosts"]
    ]


@pytest.mark.parametrize("url", ["nonsense", "https://", "ftp://example.org/", ""])
def test_a_malformed_url_is_no_matter_of_kinds_or_hosts(url):
    assert clauses([of_url(url)], {"kinds": ["post"], "allowed_hosts": ["example.com"]}) == [[]]


def test_a_host_covers_its_subdomains_and_no_lookalike():
    terms = {"allowed_hosts": ["example.org"]}
    urls = [
        "https://example.org/",
        "https://a.b.EXAMPLE.org./",
        "https://badexample.org/",
        "https://example.org.evil.net/",
    ]

    assert [not found for found in clauses([of_url(url) for url in urls], terms)] == [
        True,
        True,
        False,
        False,
    ]


def test_a_file_that_fits_no_more_leaves_room_for_a_smaller_one():
    assert clauses([of_file(6), of_file(6), of_file(4)], {"quota_bytes": 10}) == [
        [],
        ["2.4 quota_bytes"],
        [],
    ]


def test_a_row_that_cannot_be_read_uses_no_quota():
    faulty = judge([of_url("https://example.org/")], Terms(), NOTHING_USED)[0].entry
    refusal = judge([of_file(2)], terms_from({"largest_file_bytes": 1}), NOTHING_USED)[0].refusals
    broken = Entry(row_number=3, column=faulty.column, faults=refusal)

    assert clauses([broken, faulty], {"quota_items": 1})[1] == []


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(1, 30), st.integers(1, 12))
def test_no_order_of_files_ever_exceeds_a_quota(sizes, most_bytes, most_items):
    terms = terms_from({"quota_bytes": most_bytes, "quota_items": most_items})

    accepted = [
        v.entry.file
        for v in judge([of_file(size) for size in sizes], terms, NOTHING_USED)
        if v.is_accepted
    ]

    assert sum(file.size_bytes for file in accepted) <= most_bytes
    assert len(accepted) <= most_items


@given(st.lists(st.integers(1, 9), max_size=12), st.integers(0, 12))
def test_judging_in_two_parts_is_judging_at_once(sizes, cut):
    terms = terms_from({"quota_bytes": 20, "quota_items": 5})
    entries = [of_file(size) for size in sizes]

    first = judge(entries[:cut], terms, NOTHING_USED)
    taken = [verdict.entry.file.size_bytes for verdict in first if verdict.is_accepted]
    second = judge(entries[cut:], terms, Usage(items=len(taken), bytes=sum(taken)))

    assert [v.is_accepted for v in first + second] == [
        v.is_accepted for v in judge(entries, terms, NOTHING_USED)
    ]


def test_the_rules_are_clauses():
    assert set(RULES) <= set(CLAUSES)


def test_the_engine_is_the_routing_tables():
    verdicts = judge(
        [of_url("https://x.com/a/status/1"), of_url("https://example.org/a.pdf"), of_file(1)],
        Terms(),
        NOTHING_USED,
    )

    assert [verdict.engine for verdict in verdicts] == [Engine.POST, Engine.FILE, Engine.SUBMITTED]
