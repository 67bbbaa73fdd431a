"""The fast writer of canonical JSON against the reference implementation of RFC 8785."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import MappingProxyType

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from preservation.custody import CustodyLog, parse_canonical
from preservation.custody.entries import Entry, EntryDraft
from preservation.model.canonical import canonical_json, instant, parse_instant
from preservation.store.memory import MemoryStore

_SAFE = 2**53 - 1
# Of all planes, and often those whose order in UTF-16 isn't the one in UTF-8; control characters, too.
_letters = st.one_of(
    st.characters(exclude_categories=("Cs",)),
    st.sampled_from('\x00\x08\x1f"\\/\x7f\u2028\ud7ff\ue000\ufb33\uffff\U00010000\U0001f600\U0010ffff'),
)
_texts = st.text(_letters, max_size=12)
_leaves = st.one_of(st.none(), st.booleans(), st.integers(-_SAFE, _SAFE), _texts)
_documents = st.recursive(
    _leaves,
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(_texts, inner)),
    max_leaves=12,
)
_zones = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(minutes=90))])
_NAIVE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
_moments = st.datetimes(_NAIVE.replace(1, 1, 3), _NAIVE.replace(9999, 12, 28), timezones=_zones)


@given(_documents)
@example({"\ue000": 1, "\U0001f600": 2, "\ufb33": {"\U00010000": 0, "\uffff": 0}})
def test_it_writes_what_the_reference_writes(document):
    assert canonical_json(document) == rfc8785.dumps(document)


@given(st.dictionaries(_texts, st.none(), min_size=2))
def test_keys_stand_in_the_order_of_their_utf_16_code_units(members):
    written = list(json.loads(canonical_json(members)))

    assert written == sorted(members, key=lambda key: key.encode("utf-16-be"))


@given(st.dictionaries(_texts, _documents))
def test_what_is_written_is_read_back(document):
    assert parse_canonical(canonical_json(document)) == document


@given(st.dictionaries(_texts, _documents), st.data())
def test_any_other_form_of_a_document_is_refused(document, data):
    loose = data.draw(
        st.sampled_from(
            [
                json.dumps(document),
                json.dumps(document, ensure_ascii=False, indent=0),
                canonical_json(document).decode() + "\n",
                '{"a":1,"a":1}',
                '{"a":1.0}',
                '{"a":-0}',
                '{"a":1e2}',
                '{"a":NaN}',
                f'{{"a":{2**53}}}',
                f'{{"a":{2**64}}}',
                '{"a":"\\ud800"}',
                '{"b":1,"a":1}',
                '{"\ue000":1,"\U0001f600":2}',
            ]
        )
    ).encode()

    if loose != canonical_json(document):
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            parse_canonical(loose)


@given(_moments)
def test_instants_have_one_form_and_are_read_back(moment):
    text = instant(moment)

    assert canonical_json([moment]) == f'["{text}"]'.encode()
    assert parse_instant(text) == moment
    assert len(text) == len("2026-01-02T03:04:05.000006Z")


@pytest.mark.parametrize(
    "text",
    [
        "2026-1-2T3:4:5.6Z",
        "2026-01-02T03:04:05Z",
        "2026-01-02 03:04:05.000006Z",
        "2026-01-02T03:04:05.000006+00:00",
        "2026-01-02T03:04:05,000006Z",
        "2026-W01-1T03:04:05.000006Z",
        "2026-02-30T03:04:05.000006Z",
        "2026-01-02T03:04:60.000006Z",
        "٢٠٢٦-01-02T03:04:05.000006Z",
        "2026-01-02T03:04:05.000006Z\n",
    ],
)
def test_an_instant_in_any_other_form_is_refused(text):
    with pytest.raises(ValueError, match=r"instant|range|second|day"):
        parse_instant(text)


class _Kind(StrEnum):
    ONE = "one"


def test_values_of_special_types_are_written_as_what_they_stand_for():
    document = MappingProxyType(
        {_Kind.ONE: (_Kind.ONE, MappingProxyType({}), [datetime(2026, 1, 1, tzinfo=UTC)])}
    )

    assert canonical_json(document) == b'{"one":["one",{},["2026-01-01T00:00:00.000000Z"]]}'
    assert canonical_json({_Kind.ONE: 1}) == b'{"one":1}'


@given(
    st.sampled_from([0.5, 1.0, float("nan"), float("inf"), b"x", bytearray(b"x"), {1}, object()]),
    st.sampled_from([lambda x: x, lambda x: [x], lambda x: {"a": [1, {"b": x}]}, lambda x: (1, x)]),
)
def test_what_has_no_portable_form_is_refused_wherever_it_stands(value, around):
    with pytest.raises(TypeError, match="write a decimal string"):
        canonical_json(around(value))


@pytest.mark.parametrize(
    "value",
    [2**53, -(2**53), 2**64, "\ud800", {"\udfff": 1, "a": 1}, _NAIVE],
    ids=ascii,
)
def test_values_that_readers_would_take_differently_are_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        canonical_json({"a": [value]})


@pytest.mark.parametrize("depth", [253, 254, 255, 300])
def test_deep_nesting_is_written_as_the_reference_writes_it(depth):
    document: object = {"a": 1}
    for _ in range(depth):
        document = {"a": document}

    assert canonical_json(document) == rfc8785.dumps(document)  # type: ignore[arg-type]
    assert parse_canonical(canonical_json(document)) == document


def test_nesting_without_an_end_is_refused():
    document: list[object] = []
    document.append(document)

    with pytest.raises(ValueError, match="deeply"):
        canonical_json(document)
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        parse_canonical(b'{"a":' + b"[" * 100_000)


_drafts = st.builds(
    EntryDraft,
    event_key=_texts,
    event_type=_texts,
    event_at=_moments.map(lambda moment: min(moment, datetime(2026, 1, 1, tzinfo=UTC))),
    agent=_texts,
    item_id=st.none() | _texts,
    body=st.dictionaries(_texts, _documents),
)


@given(_drafts)
def test_every_line_that_the_log_writes_is_that_of_its_entry(draft):
    store = MemoryStore()
    log = CustodyLog(store, "test.invalid/log")

    assert log.append([draft], since=0) == log.append([draft], since=0) == {draft.event_key: 0}

    line = store.read("log/entries/000000000000.jsonl")
    assert rfc8785.dumps(json.loads(line)) + b"\n" == line
    assert Entry.parse(line[:-1]).line + b"\n" == line
    assert Entry.parse(line[:-1]).draft == draft
