"""Signed notes, checkpoints and cosignatures against what others published, and against forgers."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.custody.checkpoints import TreeHead, parse_checkpoint
from preservation.custody.cosignatures import (
    CosignerKey,
    CosigningKey,
    cosignatures,
    cosigned_at,
    cosigned_message,
    pinned_witnesses,
)
from preservation.custody.keys import KeyPurpose, PublicKey, SigningKey, is_signed
from preservation.custody.notes import (
    LARGEST_NOTE_BYTES,
    open_note,
    parse_note,
    read_note,
    sign_note,
    signature_line,
)
from preservation.errors import SettingsInvalid

# golang.org/x/mod/sumdb/note, note_test.go
PETER = PublicKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
PETERS_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
ENOCH = PublicKey.parse("EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop")
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETERS_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCHS_LINE = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
PETERS_NOTE = f"{TEXT}\n{PETERS_LINE}".encode()

# c2sp.org/signed-note, example
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"

# c2sp.org/tlog-cosignature, example
SPEC_CHECKPOINT = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""

# RFC 8032 7.1, TEST 1 to 3: seed, public key, message, signature
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


@pytest.fixture
def witness() -> CosigningKey:
    return CosigningKey(SigningKey.from_raw("witness.invalid/w", bytes(range(32))))


@pytest.fixture
def log_key() -> SigningKey:
    return SigningKey.from_raw("log.invalid/1", bytes(32))


def _head(key: SigningKey) -> TreeHead:
    return TreeHead(key.public.name, 7, b"\7" * 32)


@pytest.mark.parametrize(("seed", "raw", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_are_signed_as_published(seed, raw, message, signature):
    key = SigningKey.from_raw("k", bytes.fromhex(seed))

    assert key.public.raw.hex() == raw
    assert key.sign(bytes.fromhex(message)).hex() == signature


@pytest.mark.parametrize(("seed", "raw", "message", "signature"), RFC_8032)
def test_the_vectors_of_rfc_8032_are_verified_and_nothing_near_them(seed, raw, message, signature):
    key, said, signed = (bytes.fromhex(part) for part in (raw, message, signature))

    assert is_signed(key, said, signed)
    assert not is_signed(key, said + b"\0", signed)
    assert not is_signed(key, said, signed[:-1])
    assert not is_signed(key, said, bytes([signed[0] ^ 1]) + signed[1:])


def test_a_note_that_others_published_opens_and_is_signed_alike():
    key = SigningKey.from_raw("PeterNeumann", PETERS_SEED)

    assert open_note(PETERS_NOTE, PETER) == TEXT.encode()
    assert key.public == PETER
    assert sign_note(TEXT.encode(), key) == PETERS_NOTE


def test_the_specification_s_own_note_opens():
    assert open_note(SPEC_NOTE.encode(), PublicKey.parse(SPEC_KEY)) == b"This is an example message.\n"


def test_a_published_verifier_key_keeps_its_form():
    vkey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

    assert str(PublicKey.parse(vkey)) == vkey


@pytest.mark.parametrize(
    "vkey",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
    ids=["a key too long", "an unknown type", "a key id in capitals"],
)
def test_a_verifier_key_that_is_not_one_is_refused(vkey):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        PublicKey.parse(vkey)


def test_no_part_of_a_verifier_key_is_one():
    vkey = str(PETER)
    parts = {vkey[i:j] for i in range(len(vkey)) for j in range(i + 1, len(vkey) + 1)} - {vkey}

    for part in parts:
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            PublicKey.parse(part)


def test_signatures_by_unknown_keys_say_nothing():
    note = PETERS_NOTE + ENOCHS_LINE.encode()

    opened = read_note(note, [PETER])

    assert [signature.name for signature in opened.verified] == ["PeterNeumann"]
    assert [signature.line.decode() for signature in opened.unknown] == [ENOCHS_LINE]
    assert [s.name for s in read_note(note, [ENOCH, PETER]).verified] == ["PeterNeumann", "EnochRoot"]
    with pytest.raises(ValueError, match="no valid signature"):
        open_note(note)


def test_a_known_key_s_bad_signature_spoils_the_note_whoever_else_signed():
    forged = PETERS_LINE[:60] + "ABCD" + PETERS_LINE[60:]
    note = (TEXT + "\n" + ENOCHS_LINE + PETERS_LINE + forged).encode()

    with pytest.raises(ValueError, match="PeterNeumann with key id c74f20a3 is bad"):
        open_note(note, ENOCH, PETER)
    assert open_note(note, ENOCH) == TEXT.encode()


def test_a_signature_that_stands_twice_counts_once():
    note = PETERS_NOTE + PETERS_LINE.encode()

    assert len(read_note(note, [PETER, PETER]).verified) == 1


def test_the_same_name_with_another_key_is_unknown():
    namesake = PublicKey("PeterNeumann", ENOCH.raw)

    with pytest.raises(ValueError, match="no valid signature"):
        open_note(PETERS_NOTE, namesake)
    assert open_note(PETERS_NOTE, namesake, PETER) == TEXT.encode()


def test_a_hundred_signatures_are_read_and_one_more_is_refused():
    note = TEXT.encode() + b"\n" + PETERS_LINE.encode() * 100

    assert open_note(note, PETER) == TEXT.encode()
    with pytest.raises(ValueError, match="more than 100"):
        open_note(note + PETERS_LINE.encode(), PETER)


def test_a_note_larger_than_the_limit_is_refused_unread():
    key = SigningKey.from_raw("k", bytes(32))
    note = sign_note(b"a" * (LARGEST_NOTE_BYTES - 200) + b"\n", key)

    assert open_note(note, key.public).endswith(b"a\n")
    with pytest.raises(ValueError, match="more than"):
        open_note(b"a" * 200 + note, key.public)


@pytest.mark.parametrize(
    "note",
    [
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + PETERS_LINE[:-1],
        "\x01" + TEXT + "\n" + PETERS_LINE,
        TEXT + "\r\n" + "\n" + PETERS_LINE,
        TEXT + "\n" + PETERS_LINE.replace("PeterNeumann", "Bad Name"),
        TEXT + "\n" + PETERS_LINE.replace("PeterNeumann", "Bad+Name"),
        TEXT + "\n" + PETERS_LINE + "Unexpected line.\n",
        TEXT + "\n" + PETERS_LINE + "\n",
        TEXT + "\n" + PETERS_LINE + "— witness AAAAAA==\n",
        TEXT + "\n" + PETERS_LINE.replace("nAM=", "nAN="),
        "",
        "\n\n",
    ],
    ids=repr,
)
def test_a_malformed_note_is_refused(note):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        open_note(note.encode(), PETER)


def test_a_note_that_is_not_utf_8_is_refused():
    with pytest.raises(ValueError, match="utf-8"):
        open_note(b"\xff" + PETERS_NOTE, PETER)


@pytest.mark.parametrize("text", [b"no end", b"", b"a\tb\n"])
def test_text_that_no_note_can_hold_is_not_signed(text, log_key):
    with pytest.raises(ValueError, match="note"):
        sign_note(text, log_key)


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=60),
    st.lists(st.sampled_from(["", "a", "— x y", " "]), max_size=4),
)
def test_whatever_text_is_signed_is_what_opens(text, more):
    key = SigningKey.from_raw("k", bytes(32))
    written = "\n".join([text, *more]).encode() + b"\n"

    assert open_note(sign_note(written, key), key.public) == written


def test_another_log_s_checkpoint_may_have_further_lines_and_ours_may_not():
    text = SPEC_CHECKPOINT.encode().partition(b"\n\n")[0] + b"\n"
    head, extensions = parse_checkpoint(text + b"more\nand more\n")

    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert extensions == ("more", "and more")
    assert TreeHead.parse(text) == head
    with pytest.raises(ValueError, match="of ours"):
        TreeHead.parse(text + b"more\n")
    with pytest.raises(ValueError, match="empty"):
        parse_checkpoint(text + b"\nmore\n")


@pytest.mark.parametrize("size", ["-1", "01", " ", "1.0", "٣", str(1 << 63), "9" * 40])
def test_a_size_that_no_tree_has_is_refused(size):
    with pytest.raises(ValueError, match="size"):
        parse_checkpoint(f"o\n{size}\n{'A' * 43}=\n".encode())


def test_the_specification_s_cosignature_is_read_as_written():
    text, signatures = parse_note(SPEC_CHECKPOINT.encode())

    assert cosigned_at(signatures[1].content) == 1679315147
    assert cosigned_message(text, 1679315147).startswith(
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
    )


def test_a_cosignature_stands_beside_the_log_s_signature_and_both_verify(witness, log_key):
    text = _head(log_key).text
    at = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)

    note = sign_note(text, log_key) + witness.line(text, at)

    assert open_note(note, log_key.public) == open_note(note, witness.public) == text
    [found] = cosignatures(note, [witness.public])
    assert (found.witness, found.at) == (witness.public, at.replace(microsecond=0))
    assert note.endswith(found.line)


def test_a_witness_s_key_is_another_key_than_the_same_bytes_as_a_log_s(witness):
    as_log = PublicKey(witness.public.name, witness.public.raw)

    assert CosignerKey.parse(str(witness.public)) == witness.public
    assert as_log.key_id != witness.public.key_id
    with pytest.raises(ValueError, match="type"):
        PublicKey.parse(str(witness.public))
    with pytest.raises(ValueError, match="type"):
        CosignerKey.parse(str(as_log))


def test_flipping_any_byte_of_a_cosigned_text_or_cosignature_is_found(witness, log_key):
    text = _head(log_key).text
    line = witness.line(text, datetime(2026, 1, 2, tzinfo=UTC))
    note = text + b"\n" + line

    for place in range(len(note)):
        damaged = note[:place] + bytes([note[place] ^ 1]) + note[place + 1 :]
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            open_note(damaged, witness.public)


def test_a_cosignature_moved_to_another_time_or_without_time_is_refused(witness, log_key):
    text = _head(log_key).text
    content = parse_note(text + b"\n" + witness.line(text, datetime(2026, 1, 2, tzinfo=UTC)))[1][
        0
    ].content
    for time in (0, 1, 1 << 63, (1 << 64) - 1):
        moved = signature_line(
            witness.public.name, witness.public.key_id, time.to_bytes(8, "big") + content[8:]
        )
        with pytest.raises(ValueError, match="bad"):
            cosignatures(text + b"\n" + moved, [witness.public])


def test_a_cosignature_of_the_wrong_length_is_refused(witness, log_key):
    text = _head(log_key).text
    for content in (b"\1" * 71, b"\1" * 73, b"\1"):
        line = signature_line(witness.public.name, witness.public.key_id, content)
        with pytest.raises(ValueError, match="bad"):
            cosignatures(text + b"\n" + line, [witness.public])


def test_witnesses_are_pinned_one_a_line(witness):
    written = f"# who watches\n\n{witness.public}\n"

    assert pinned_witnesses(written) == (witness.public,)
    assert pinned_witnesses("") == ()


def test_a_log_s_key_file_never_serves_as_a_witness_s(tmp_path):
    SigningKey.generate(tmp_path / "log.pem", "log.invalid/1")
    SigningKey.generate(tmp_path / "witness.pem", "witness.invalid/w", KeyPurpose.WITNESS)

    assert (
        SigningKey.load(tmp_path / "witness.pem", KeyPurpose.WITNESS).public.name == "witness.invalid/w"
    )
    with pytest.raises(SettingsInvalid, match="Witness key"):
        SigningKey.load(tmp_path / "log.pem", KeyPurpose.WITNESS)
    with pytest.raises(SettingsInvalid, match="Custody log key"):
        SigningKey.load(tmp_path / "witness.pem")
