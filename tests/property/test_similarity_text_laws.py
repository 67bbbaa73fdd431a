"""The laws of texts: what doesn't change words, what is always found, and that splitting changes nothing."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Tier
from preservation.similarity.passages import samples_of, shared_passages
from preservation.similarity.prose import text_of
from preservation.similarity.shared_keys import KeyIndex
from preservation.similarity.shingles import FEWEST, WINDOW, WORDS, minhash_of, passages_of, shingles_of
from preservation.similarity.text import signals_of
from preservation.similarity.text_pairs import FEWEST_EQUAL, texts_in
from preservation.similarity.texts_alike import TextComparison, edge_between
from preservation.similarity.words import words_of

relaxed = settings(max_examples=40, deadline=None, derandomize=True)
LETTERS = "abçéñşıİßЙёжґאבגשابتكيپहिन्दीไทย中文かなカ한글ΑΣς0१٣5 .,--'\n"
texts = st.text(alphabet=LETTERS, max_size=60)


def spelt(text: str) -> list[str]:
    return list(words_of(text))


@relaxed
@given(texts)
def test_the_form_of_unicode_doesnt_matter(text):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]

    assert all(spelt(form) == spelt(text) for form in forms)


@relaxed
@given(texts)
def test_capitals_dont_matter(text):
    assert spelt(text.upper()) == spelt(text.lower()) == spelt(text)


@relaxed
@given(
    texts,
    st.sampled_from("\u200f\u202e\u2066\u2069\u00ad\u200b\ufeff\u0640\u064b\u05b0\ufe0f"),
    st.data(),
)
def test_what_cant_be_seen_or_may_be_left_out_doesnt_matter(text, invisible, data):
    composed = unicodedata.normalize("NFC", text)
    at = data.draw(st.integers(0, len(composed)))

    assert spelt(composed[:at] + invisible + composed[at:]) == spelt(composed)


@relaxed
@given(texts)
def test_words_are_spelt_as_themselves(text):
    words = spelt(text)

    assert spelt(" ".join(words)) == words


@relaxed
@given(texts)
def test_prose_is_some_of_the_words(text):
    told = text_of(text * 3)
    rest = iter(told.words)

    assert all(word in rest for word in told.prose)


BEGINNINGS = (
    b"",
    b"\xff\xfe",
    b"\xff\xfe\0\0",
    b"<html><meta charset=gb18030>",
    b"1\n00:01,0 --> 00:02,0\n",
)
fragments = st.sampled_from(
    [
        b"<",
        b"<script",
        b"</",
        b"<!--",
        b"-->",
        b"&#x",
        b"\xd8\0",
        b"\n",
        b"00:01.0 --> 00:02.0\n",
        b" word",
    ]
)
hostile = st.builds(
    lambda start, middle: start + b"".join(middle),
    st.sampled_from(BEGINNINGS),
    st.lists(fragments | st.binary(max_size=9) | st.integers().map(lambda n: b" %d" % n), max_size=400),
)


@relaxed
@given(hostile)
def test_any_bytes_have_signals_or_a_reason(content):
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)

        found = signals_of(Path(file.name))

    assert bool(found.fingerprints) == (found.absence_reason is None)
    assert found.absence_reason in {None, "too-short", "unreadable"}
    assert all((each.quality or 0) >= FEWEST for each in found.fingerprints)


def numbered(start: int, count: int) -> list[str]:
    """Words that are like no other word."""
    return [f"word{number}" for number in range(start, start + count)]


@relaxed
@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_each_shared_passage_of_67_words_is_found(before, after, other_before, other_after):
    shared = numbered(0, 67)
    left = [*numbered(10_000, before), *shared, *numbered(20_000, after + 200)]
    right = [*numbered(30_000, other_before + 200), *shared, *numbered(40_000, other_after)]
    ours, theirs = (
        samples_of(passages_of(numbers), len(numbers))
        for numbers in (shingles_of(left), shingles_of(right))
    )

    found = shared_passages(ours, theirs)

    assert len(np.intersect1d(ours.keys(), theirs.keys())) >= 3
    (passage,) = found.passages
    assert before <= passage.left_start <= passage.left_end < before + 67
    assert other_before + 200 <= passage.right_start <= passage.right_end < other_before + 267


@relaxed
@given(st.integers(200, 2000), st.integers(0, 10_000))
def test_each_window_has_a_sample(count, start):
    numbers = shingles_of(numbered(start, count))

    samples = samples_of(passages_of(numbers), len(numbers))

    assert len(numbers) == count - WORDS + 1
    assert samples.positions[0] < WINDOW
    assert len(numbers) - samples.positions[-1] <= WINDOW
    assert np.diff(samples.positions).max() <= WINDOW


@relaxed
@given(st.integers(0, 900))
def test_minhash_estimates_how_much_is_shared(start):
    numbers = [shingles_of(numbered(at, 1000 + WORDS - 1)) for at in (0, start)]
    values = [np.frombuffer(bytes.fromhex(minhash_of(each)), dtype=np.uint8) for each in numbers]

    equal = float((values[0] == values[1]).mean())

    assert abs(equal - (1000 - start) / (1000 + start)) < 0.18


key_sets = st.lists(st.lists(st.integers(0, 12), max_size=6, unique=True), max_size=9)


@relaxed
@given(key_sets, key_sets, st.integers(1, 3), st.integers(1, 9))
def test_the_join_of_keys_is_exact(ours, theirs, fewest, at_a_time):
    index = KeyIndex([np.array(keys, dtype=np.int64) for keys in ours])

    parts = index.pairs_with(
        [np.array(keys, dtype=np.int64) for keys in theirs], fewest=fewest, at_a_time=at_a_time
    )

    found = [pair for left, right in parts for pair in zip(left.tolist(), right.tolist(), strict=True)]
    assert found == [
        (left, right)
        for left, their in enumerate(theirs)
        for right, our in enumerate(ours)
        if len({*their} & {*our}) >= fewest
    ]


paragraphs = st.integers(0, 5)
documents = st.lists(
    st.lists(paragraphs, min_size=2, max_size=4, unique=True), min_size=2, max_size=6, unique_by=str
).map(lambda found: [[word for at in each for word in numbered(1000 * at, 90)] for each in found])


def rows_of(words: list[str]) -> list[dict]:
    numbers = shingles_of(words)
    made = [
        ("minhash", minhash_of(numbers)),
        ("passages", passages_of(numbers)),
        ("words", " ".join(words)),
    ]
    digest = f"{abs(hash(tuple(words))):064x}"
    return [
        {
            "sha256": digest,
            "algorithm": algorithm,
            "view": "whole",
            "frame_ms": None,
            "value": value if algorithm != "words" else digest,
            "quality": len(numbers),
            "box": None,
        }
        for algorithm, value in made
    ]


def all_edges(new: Signals, parts: list[Signals]):
    comparison = TextComparison(new)
    found = [edge for part in parts for edge in (*comparison.copies(part), *comparison.parts(part))]
    return sorted(found, key=lambda edge: (edge.left_sha256, edge.right_sha256))


@relaxed
@given(documents, st.data())
def test_it_doesnt_matter_how_the_others_are_split(written, data):
    rows = [row for words in written for row in rows_of(words)]
    names = list(dict.fromkeys(row["sha256"] for row in rows))
    ranks = {name: rank for rank, name in enumerate(names)}
    whole = Signals.of_rows(rows, ranks)
    is_first = np.array(data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names))))

    split = [whole.of_bitstreams(is_first), whole.of_bitstreams(~is_first)]

    assert all_edges(whole, split) == all_edges(whole, [whole])


@relaxed
@given(documents)
def test_the_index_finds_all_that_comparing_each_pair_finds(written):
    rows = [row for words in written for row in rows_of(words)]
    ranks = {name: at for at, name in enumerate(dict.fromkeys(row["sha256"] for row in rows))}
    whole = Signals.of_rows(rows, ranks)
    each = texts_in(whole)

    found = all_edges(whole, [whole])

    pairs = [(left, right) for left in each for right in each if left.rank < right.rank]
    expected = [edge for pair in pairs if are_candidates(*pair) and (edge := edge_between(*pair))]
    assert found == sorted(expected, key=lambda edge: (edge.left_sha256, edge.right_sha256))
    assert all(edge.tier is Tier.REVIEW for edge in found)


def are_candidates(left, right) -> bool:
    resembles = int((left.minhash == right.minhash).sum()) >= FEWEST_EQUAL
    return resembles or len(np.intersect1d(left.samples.keys(), right.samples.keys())) >= 3
