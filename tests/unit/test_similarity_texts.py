"""What the signals of texts are, what they keep to themselves, and which texts are alike."""

from __future__ import annotations

import hashlib
import html
import random
from dataclasses import asdict
from pathlib import Path

import pytest

from preservation.similarity.columns import Signals
from preservation.similarity.edges import Relation, Tier
from preservation.similarity.fingerprints import fingerprints_of
from preservation.similarity.passages import samples_of, shared_passages
from preservation.similarity.shingles import FEWEST
from preservation.similarity.text import signals_of
from preservation.similarity.texts_alike import TextComparison
from preservation.similarity.words import words_of

SYLLABLES = ["ka", "lo", "mi", "re", "su", "ta", "vi", "no", "pe", "za", "qu", "ho", "ру", "да", "го"]
AUTOMATIC_COPY = [(Relation.COPY, Tier.AUTOMATIC)]
COPY_TO_REVIEW = [(Relation.COPY, Tier.REVIEW)]
PART_TO_REVIEW = [(Relation.PART, Tier.REVIEW)]


def prose(count: int, seed: object, *, in_paragraph: int = 40) -> str:
    """So many words that nobody else says, in paragraphs."""
    chance = random.Random(f"{seed}")
    words = ["".join(chance.choices(SYLLABLES, k=3)) for _ in range(count)]
    paragraphs = [words[at : at + in_paragraph] for at in range(0, count, in_paragraph)]
    return "\n\n".join(" ".join(paragraph) + "." for paragraph in paragraphs)


def page(content: str, *, site: str = "site") -> str:
    """What a page of a site shows: menus, a banner, the content, a notice."""
    menu = "\n".join(prose(200, f"menu {site}", in_paragraph=2).split("\n\n"))
    banner = "We use cookies. " + prose(90, f"banner {site}", in_paragraph=90)
    notice = prose(120, f"notice {site}", in_paragraph=60)
    return "\n".join([menu, banner, content, notice, menu[:200]])


def rows_of(folder: Path, text: str | bytes) -> list[dict]:
    path = folder / "text"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return [{**asdict(each), "sha256": sha256} for each in signals_of(path).fingerprints]


def value(folder: Path, algorithm: str, text: str | bytes) -> str:
    return next(row["value"] for row in rows_of(folder, text) if row["algorithm"] == algorithm)


def edges(folder: Path, *texts: str | bytes):
    """The edges among texts, of which the first is the earliest."""
    found = [rows_of(folder, text) for text in texts]
    assert all(found)
    ranks = {rows[0]["sha256"]: rank for rank, rows in enumerate(found)}
    signals = Signals.of_rows([row for rows in found for row in rows], ranks)
    comparison = TextComparison(signals)
    return [*comparison.copies(signals), *comparison.parts(signals)]


def told(folder: Path, *texts: str | bytes):
    return [(edge.relation, edge.tier) for edge in edges(folder, *texts)]


# What the values are


def recomputed(words: list[str]) -> tuple[str, str]:
    """MinHash and passages as the documentation of `shingles` says, one step after the other."""
    numbers = []
    for at in range(len(words) - 3):
        shingle = " ".join(words[at : at + 4]).encode()
        number = int.from_bytes(hashlib.blake2b(shingle, digest_size=8).digest(), "big")
        if number not in numbers:
            numbers.append(number)
    minhash = b""
    for i in range(128):
        states = [(x + (i + 1) * 0x9E3779B97F4A7C15) % 2**64 for x in numbers]
        minhash += bytes([min(split_mix(state) for state in states) % 256])
    taken = {min(range(at, at + 16), key=numbers.__getitem__) for at in range(len(numbers) - 15)}
    records, before = b"", -1
    for position in sorted(taken):
        records += (numbers[position] % 2**11 * 32 + position - before).to_bytes(2, "big")
        before = position
    return minhash.hex(), records.hex()


def split_mix(z: int) -> int:
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31


def test_others_can_compute_the_same_values_from_what_is_documented(tmp_path):
    text = prose(300, "recomputed")
    words = text.replace(".", "").split()

    rows = {row["algorithm"]: row for row in rows_of(tmp_path, text)}

    minhash, passages = recomputed(words)
    assert rows["words"]["value"] == hashlib.sha256(" ".join(words).encode()).hexdigest()
    assert rows["minhash"]["value"] == minhash
    assert rows["passages"]["value"] == passages
    assert {row["quality"] for row in rows.values()} == {297}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        pytest.param("Don’t  STOP—now!", ["dont", "stop", "now"], id="english"),
        pytest.param("الْعَرَبِيَّةُ ٱلـــعربية", ["العربيه", "العربيه"], id="arabic-vowels-and-tatweel"),
        pytest.param("می\u200cخواهم کتاب", ["ميخواهم", "كتاب"], id="persian"),
        pytest.param("שָׁלוֹם שלום", ["שלום", "שלום"], id="hebrew-points"),
        pytest.param("Ёлка елка", ["елка", "елка"], id="russian-yo"),
        pytest.param("İstanbul ISTANBUL ıstanbul", ["istanbul"] * 3, id="turkish-i"),
        pytest.param("मैंने हिन्दी", ["मैंने", "हिन्दी"], id="hindi-vowels-stay"),
        pytest.param("中文字,ABC字", ["中", "文", "字", "abc", "字"], id="chinese"),
        pytest.param("résumé re\u0301sume\u0301", ["résumé", "résumé"], id="accents-stay"),
        pytest.param("٣٤ ۳۴ 34 ３４", ["34"] * 4, id="digits"),
        pytest.param("🙏🏽🙏 ☑", ["🙏", "🙏", "☑"], id="emoji"),
        pytest.param(
            "at -3.5 or 3.5, 5$ or 5€",
            ["at", "−", "3", "5", "or", "3", "5", "5", "$", "or", "5", "€"],
            id="signs",
        ),
        pytest.param("a\u202eb\u2066c\u00ad", ["abc"], id="invisible"),
    ],
)
def test_words_are_spelt_as_copies_spell_them(written, words):
    assert list(words_of(written)) == words


def subtitles(text: str, *, comma: str) -> str:
    words = text.split()
    cues = [" ".join(words[at : at + 6]) for at in range(0, len(words), 6)]
    return "\n\n".join(
        f"{at}\n00:0{at // 60}:{at % 60:02}{comma}000 --> 00:09:00{comma}000 position:10%\n<i>{cue}</i>"
        for at, cue in enumerate(cues)
    )


def rolling(text: str) -> str:
    """Subtitles as platforms generate them: each line again in the next cue."""
    words = text.split()
    lines = ["", *(" ".join(words[at : at + 6]) for at in range(0, len(words), 6))]
    cues = [
        f"00:01.000 --> 00:02.000 align:start\n{lines[at]}\n<c>{lines[at + 1]}</c>"
        for at in range(len(lines) - 1)
    ]
    return "WEBVTT\nKind: captions\nLanguage: en\n\n" + "\n\n".join(cues)


FORMS = {
    "capitals and spaces": lambda text: text.upper().replace(" ", "\t \u00a0"),
    "another line's end": lambda text: text.replace("\n", "\r\n"),
    "UTF-8 with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "SubRip": lambda text: subtitles(text, comma=","),
    "WebVTT": lambda text: "WEBVTT - told\n\n" + subtitles(text, comma="."),
    "rolling WebVTT": rolling,
    "HTML": lambda text: (
        "<!DOCTYPE html><!-- <p>not this --><html><head><title>T</title><style>a > b {}</style></head>"
        f"<body><script>if (1 < 2) x()</script><p>{html.escape(text).replace(' ', ' <b>', 1)}</b></p>"
    ),
    "HTML in windows-1251": lambda text: (
        b'<html><meta charset="windows-1251"><body>' + text.encode("cp1251")
    ),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_same_words_are_an_automatic_copy_in_any_form(tmp_path, form):
    text = prose(200, "forms")

    found = edges(tmp_path, text, form(text))

    assert [(edge.relation, edge.tier, edge.distance_bits) for edge in found] == [
        (Relation.COPY, Tier.AUTOMATIC, 0)
    ]


# What has no signal, or fewer


def test_a_short_text_has_no_signal_at_all(tmp_path):
    words = prose(FEWEST + 3, "short").replace(".", "").split()

    assert rows_of(tmp_path, " ".join(words))
    assert not rows_of(tmp_path, " ".join(words[:-1]))
    assert signals_of(tmp_path / "text").absence_reason == "too-short"


def test_who_repeats_himself_says_nothing_new(tmp_path):
    assert not rows_of(tmp_path, "My name is Nobody and I live nowhere. " * 5000)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes(range(256)) * 99, id="binary"),
        pytest.param(prose(300, 1).encode("cp1251"), id="undeclared-encoding"),
        pytest.param(b"<html><meta charset=rot13><p>" + b"\xff" * 99, id="no-encoding-of-text"),
        pytest.param(b"<html><meta charset=utf-7><p>" + b"\xff" * 99, id="encoding-nobody-writes"),
        pytest.param(b"\xff\xfe" + b"\x00\xdc" * 99, id="halves-of-surrogates"),
    ],
)
def test_what_isnt_text_is_unreadable(tmp_path, content):
    (tmp_path / "text").write_bytes(content)

    assert signals_of(tmp_path / "text").absence_reason == "unreadable"


@pytest.mark.parametrize(
    "endless", ["<html>" + "<a " * 300_000, "x" * 1_000_000, "̖́" * 100_000, "<html>&#" + "9" * 5000]
)
def test_hostile_text_is_too_short_and_done_with(tmp_path, endless):
    (tmp_path / "text").write_text(endless)

    assert signals_of(tmp_path / "text").absence_reason == "too-short"


def test_the_beginning_of_a_very_long_text_has_no_digest_of_its_words(tmp_path):
    (tmp_path / "text").write_text(" ".join(str(number) for number in range(260_000)))

    result = signals_of(tmp_path / "text")

    assert result.absence_reason == "cut-short"
    assert [each.algorithm for each in result.fingerprints] == ["minhash", "passages"]


def test_without_a_digest_of_all_words_no_copy_is_automatic(tmp_path):
    text = prose(300, "cut")
    rows = [
        row
        for written in (text, text + " One more.")
        for row in rows_of(tmp_path, written)
        if row["algorithm"] != "words"
    ]
    signals = Signals.of_rows(rows, {row["sha256"]: rank for rank, row in enumerate(rows)})

    (edge,) = TextComparison(signals).copies(signals)

    assert edge.tier is Tier.REVIEW


# Which are alike


def test_one_changed_name_is_left_to_a_person(tmp_path):
    form = prose(400, "form").split(" ")

    filled = [" ".join([*form[:200], name, *form[200:]]) for name in ("Amal", "Basil")]

    assert told(tmp_path, *filled) == COPY_TO_REVIEW


def test_unlike_texts_have_nothing_in_common(tmp_path):
    assert told(tmp_path, *(prose(400, seed) for seed in range(12))) == []


def test_a_quotation_tells_where_it_stands(tmp_path):
    quoted = prose(200, "quoted")
    other = f"{prose(300, 'before')}\n\n{quoted}\n\n{prose(500, 'after')}"

    (edge,) = edges(tmp_path, quoted, other)

    assert (edge.relation, edge.tier) == PART_TO_REVIEW[0]
    assert edge.detail["left_coverage_per_mille"] >= 850
    assert 150 <= edge.detail["right_coverage_per_mille"] <= 250
    assert edge.detail["passages"] == 1
    (left,), (right,) = edge.detail["passage_left_words"], edge.detail["passage_right_words"]
    assert right - left == 300
    assert 165 <= edge.detail["passage_length_words"][0] <= 200


def test_pages_of_one_site_with_other_content_are_not_alike(tmp_path):
    pages = [page(prose(150, f"content {at}")) for at in range(8)]

    assert told(tmp_path, *pages) == []


def test_short_pages_of_one_site_are_no_automatic_copies(tmp_path):
    pages = [page(prose(12, f"content {at}")) for at in range(4)]

    assert Tier.AUTOMATIC not in {tier for _, tier in told(tmp_path, *pages)}


def test_the_same_article_on_two_sites_is_found(tmp_path):
    article = prose(350, "article")

    found = told(tmp_path, page(article, site="one"), page(article, site="other"))

    assert found == COPY_TO_REVIEW


def test_the_same_menus_without_prose_are_left_to_a_person(tmp_path):
    login = prose(300, "login", in_paragraph=2)

    assert told(tmp_path, login, login.upper()) == COPY_TO_REVIEW


def test_a_banner_about_cookies_is_no_prose(tmp_path):
    banner = "\n".join(
        f"Cookie {number}: {line}" for number, line in enumerate(prose(400, "b").split("\n\n"))
    )

    assert {row["algorithm"] for row in rows_of(tmp_path, banner)} == {"words", "minhash"}


@pytest.mark.parametrize("share", [0.97, 0.99])
def test_scattered_changes_leave_a_copy(tmp_path, share):
    chance = random.Random(3)
    words = prose(400, "scattered").split(" ")
    changed = [word if chance.random() < share else word[::-1] for word in words]

    assert told(tmp_path, " ".join(words), " ".join(changed)) == COPY_TO_REVIEW


def test_paragraphs_in_another_order_leave_a_copy(tmp_path):
    paragraphs = prose(600, "order", in_paragraph=100).split("\n\n")

    found = told(tmp_path, "\n\n".join(paragraphs), "\n\n".join(paragraphs[::-1]))

    assert found == COPY_TO_REVIEW


def test_only_earlier_texts_stand_on_the_left(tmp_path):
    text = prose(200, "earlier")
    first, second = rows_of(tmp_path, text), rows_of(tmp_path, text.upper())
    ranks = {first[0]["sha256"]: 7, second[0]["sha256"]: 3}
    signals = Signals.of_rows([*first, *second], ranks)

    (edge,) = TextComparison(signals).copies(signals)

    assert (edge.left_sha256, edge.right_sha256) == (second[0]["sha256"], first[0]["sha256"])
    assert not list(
        TextComparison(Signals.of_rows(second, ranks)).copies(Signals.of_rows(first, ranks))
    )


def test_samples_that_are_all_alike_dont_wear_us_out():
    crafted = samples_of("0010" * 20_000, 320_000)

    assert not shared_passages(crafted, crafted).passages


@pytest.mark.parametrize("media_type", ["text/plain", "text/plain; charset=utf-8"])
def test_the_type_of_media_leads_to_the_signals_of_text(tmp_path, media_type):
    (tmp_path / "text").write_text(prose(200, "dispatched"))

    assert fingerprints_of(tmp_path / "text", media_type) == signals_of(tmp_path / "text")


def test_nothing_to_compare_gives_nothing():
    nothing = Signals.of_rows([], {})

    assert list(TextComparison(nothing).copies(nothing)) == []


def test_equal_samples_by_chance_make_no_passage(tmp_path):
    values = [value(tmp_path, "passages", prose(4000, f"long {at}")) for at in range(6)]
    samples = [samples_of(each, 4000) for each in values]

    found = [shared_passages(one, other) for one in samples for other in samples if one is not other]

    assert not any(each.passages for each in found)
