"""What an export may hand over, and how it says what it says."""

from __future__ import annotations

import re
import tarfile
import unicodedata
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import bagit
import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.errors import BadInput, StoreFull
from preservation.export.bag import BagWriter, encoded_path
from preservation.export.history import LIMITS
from preservation.export.loadfile import LINE_BREAK, QUALIFIER, SEPARATOR, field_of
from preservation.export.premis import _append
from preservation.export.sharing import (
    Asking,
    Standing,
    Withheld,
    identifies_source,
    level_of,
    refusal,
    shows_sources,
)
from preservation.export.sinks import FolderSink, SealedTarSink, age_recipient
from preservation.export.words import LANGUAGES, words_of
from preservation.model.plain import LONGEST_SHOWN, shown, visible
from preservation.model.tables import TABLES
from preservation.model.vocabulary import Engine, EventType, Outcome, Reason, Role, Status
from preservation.submission.terms import terms_from
from tests.fakes.manifest_rows import row_of

COURT = Asking(recipient="Example Court")
AUTHORISED = Asking(recipient="Example Court", authorised_by="decision 7")
GRANT = {"recipients": ["example  COURT"], "levels": ["open", "restricted", "confidential"]}
AT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def item(**claimed):
    return row_of(TABLES["items"], **{"outcome": "captured", "engine": "page", **claimed})


def standing(now=None, *, then=None, **more) -> Standing:
    return Standing(judged_by=terms_from(then or {}), in_force=terms_from(now or {}), **more)


@pytest.mark.parametrize(
    ("claimed", "terms", "asking", "expected"),
    [
        (None, {}, COURT, None),
        ("open", {}, COURT, None),
        ("restricted", {}, COURT, Withheld.LEVEL_NEEDS_AGREEMENT),
        ("restricted", {}, AUTHORISED, None),
        ("restricted", {"sharing": [GRANT]}, COURT, None),
        ("confidential", {"sharing": [GRANT]}, COURT, None),
        ("confidential", {"sharing": [{"recipients": ["Example Court"]}]}, COURT,
         Withheld.LEVEL_NEEDS_AGREEMENT),
        ("confidential", {"sharing": [GRANT]}, Asking(recipient="Another Court"),
         Withheld.LEVEL_NEEDS_AGREEMENT),
        ("sealed", {"sharing": [GRANT]}, AUTHORISED, Withheld.SEALED_BY_SUBMITTER),
        ("top secret", {}, COURT, Withheld.LEVEL_NEEDS_AGREEMENT),
        ("open", {"sharing_conditions": "Ask us."}, COURT, Withheld.CONDITIONS_IN_WORDS),
        ("open", {"sharing_conditions": "Ask us."}, AUTHORISED, None),
        ("open", {"sharing_conditions": "Ask us.", "sharing": [GRANT]}, COURT, None),
    ],
)  # fmt: skip
def test_the_agreement_decides_what_is_handed_over(claimed, terms, asking, expected):
    assert refusal(item(claimed_confidentiality=claimed), standing(terms), asking) is expected


def test_withdrawn_consent_is_never_overruled():
    withdrawn = standing({"sharing": [GRANT]}, is_withdrawn=True)

    assert refusal(item(), withdrawn, AUTHORISED) is Withheld.SHARING_WITHDRAWN


@pytest.mark.parametrize(
    ("row", "known", "expected"),
    [
        (item(), standing(), "open"),
        (item(), standing(then={"default_confidentiality": "confidential"}), "confidential"),
        (item(), standing({"default_confidentiality": "sealed"}), "open"),
        (item(claimed_confidentiality=" Restricted "), standing(), "restricted"),
        (item(claimed_protection_flags="child"), standing(), "restricted"),
        (item(), Standing(), "restricted"),
    ],
)
def test_the_level_is_what_was_said_when_it_was_submitted(row, known, expected):
    assert level_of(row, known) == expected


def test_a_row_that_tells_who_the_source_is_needs_a_grant_that_says_so():
    telling = item(claimed_source="my cousin")
    named = item(submitted_file_name="from-my-cousin.jpg", claimed_protection_flags="source at risk")

    assert identifies_source(telling)
    assert identifies_source(named)
    assert not identifies_source(item(submitted_file_name="photo.jpg"))
    assert not shows_sources(standing({"sharing": [GRANT]}), COURT)
    assert shows_sources(standing({"sharing": [{**GRANT, "sources": True}]}), COURT)


@pytest.mark.parametrize(
    "grants",
    [[], {}, ["court"], [{"recipients": []}], [{"recipients": ["x"], "levels": ["sealed"]}],
     [{"recipients": [" "]}], [{"recipients": ["x"], "sources": 1}], [{"recipients": ["x"], "by": 1}]],
)  # fmt: skip
def test_a_grant_that_cant_be_understood_is_refused_with_its_clause(grants):
    with pytest.raises(BadInput, match=r"3\.4 sharing"):
        terms_from({"sharing": grants})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_stands_in_every_language_with_the_same_values(language):
    reference, own = words_of("en").sentences, words_of(language).sentences

    assert own.keys() == reference.keys()
    for key, sentence in own.items():
        assert sentence.strip(), key
        assert set(re.findall(r"\{(\w+)\}", sentence)) == set(
            re.findall(r"\{(\w+)\}", reference[key])
        ), key


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_hardly_a_sentence_is_left_in_english(language):
    reference, own = words_of("en").sentences, words_of(language).sentences

    same = {key for key in own if own[key] == reference[key] and len(own[key].split()) > 3}

    assert not same - {"later.event"}


def test_every_word_of_the_vocabulary_is_in_the_catalogue():
    known = words_of("en").sentences
    for kind, words in {
        "status": Status, "reason": Reason, "role": Role, "event": EventType, "engine": Engine,
        "outcome": Outcome, "withheld": Withheld,
    }.items():  # fmt: skip
        for word in words:
            # A new word needs its sentence in each of preservation/export/words/*.json.
            assert f"{kind}.{word.replace(' ', '-')}" in known
    assert set(LIMITS) <= known.keys()


def test_an_unknown_language_is_refused():
    with pytest.raises(BadInput, match="'tlh'"):
        words_of("tlh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_values_in_a_sentence_can_do_no_harm(language):
    hostile = "<script>alert(1)</script>\u202egpj.exe\r\n{at}\x00"

    said = words_of(language).say("attempt.asked", url=hostile)

    assert "<script" not in said
    assert "<bdi>&lt;script&gt;" in said
    assert not any(unicodedata.category(letter) in {"Cc", "Cf"} for letter in said)
    assert "[U+202E]gpj.exe[U+000D][U+000A]{at}[U+0000]" in said


@given(st.text(st.characters(exclude_categories=())))
def test_visible_text_is_one_line_without_anything_unseen(text):
    seen = visible(text)

    assert len(seen.splitlines()) <= 1
    assert visible(seen) == seen
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\ud800-\udfff]", seen)


def test_letters_that_scripts_need_stay():
    assert visible("می\u200cخواهم 👩\u200d👩 привіт") == "می\u200cخواهم 👩\u200d👩 привіт"


def test_documents_show_the_beginning_of_an_endless_value():
    assert len(shown("x" * 10**6)) < LONGEST_SHOWN + 20


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_breaks_out_of_its_field_in_the_load_file(text):
    field = field_of(text)

    assert field[0] == field[-1] == QUALIFIER
    assert not set(field[1:-1]) & {QUALIFIER, SEPARATOR, "\r", "\n", "\0"}
    assert not re.match(r"\s*[=+\-@]", field[1:-1])


def test_a_line_break_in_the_load_file_is_the_sign_that_platforms_expect():
    assert field_of("one\r\ntwo") == f"{QUALIFIER}one{LINE_BREAK}two{QUALIFIER}"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_well_formed_in_xml(text):
    root = ET.Element("root")

    _append(root, ("note", text))

    assert ET.fromstring(ET.tostring(root))[0].tag.endswith("note")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_path_stays_on_its_line_in_a_manifest(path):
    encoded = encoded_path(path)

    assert not {"\r", "\n"} & set(encoded)
    assert encoded.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%") == path


def _write_small_bag(sink) -> None:
    with sink:
        bag = BagWriter(sink)
        bag.add("two\nlines.txt", b"content")
        bag.stream("long", iter([b"x" * 70_000] * 30), 2_100_000)
        bag.tag("README.txt", b"read me")
        bag.finish([("External-Identifier", "a\r\nPayload-Oxum: 0.0"), ("Empty", "")])


def test_an_outside_validator_accepts_a_bag(tmp_path):
    _write_small_bag(FolderSink(tmp_path / "bag"))

    bag = bagit.Bag(str(tmp_path / "bag"))
    assert bag.validate()
    assert bag.info["Payload-Oxum"] == "2100007.2"
    assert bag.info["External-Identifier"] == "a Payload-Oxum: 0.0"
    assert bag.version_info == (1, 0)


def test_a_name_stands_once_in_a_bag(tmp_path):
    with FolderSink(tmp_path / "bag") as sink:
        bag = BagWriter(sink)
        bag.add("a", b"1")

        with pytest.raises(ValueError, match="twice"):
            bag.add("a", b"1")


def test_an_encrypted_bag_is_the_same_bag_to_its_recipient_and_noise_to_others(tmp_path):
    identity = pyrage.x25519.Identity.generate()
    recipient = str(identity.to_public())

    _write_small_bag(SealedTarSink(tmp_path / "bag.tar.age", "bag", recipient, at=AT))

    assert b"read me" not in (tmp_path / "bag.tar.age").read_bytes()
    pyrage.decrypt_file(str(tmp_path / "bag.tar.age"), str(tmp_path / "bag.tar"), [identity])
    with tarfile.open(tmp_path / "bag.tar") as packed:
        packed.extractall(tmp_path / "out", filter="data")
    assert bagit.Bag(str(tmp_path / "out/bag")).validate()
    stranger = pyrage.x25519.Identity.generate()
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt_file(str(tmp_path / "bag.tar.age"), str(tmp_path / "no"), [stranger])


def test_a_place_that_cant_be_written_ends_an_encrypted_bag_in_words(tmp_path):
    recipient = str(pyrage.x25519.Identity.generate().to_public())

    with pytest.raises(StoreFull, match="Nothing was handed out"):
        _write_small_bag(SealedTarSink(tmp_path / "no/bag.age", "bag", recipient, at=AT))


def test_what_isnt_an_age_recipient_is_refused():
    with pytest.raises(BadInput, match="age1"):
        age_recipient("AGE-SECRET-KEY-1XYZ")
