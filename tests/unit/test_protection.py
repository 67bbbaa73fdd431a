"""What identifies a source opens with that source's key alone, and with none once it is destroyed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from preservation.errors import SettingsInvalid
from preservation.model.digests import sha256_of
from preservation.protection import SourceKeys, open_value, protect, protected_columns

SOURCE, OTHER = "3f1c9a52-aaaa-4bbb-8ccc-000000000001", "3f1c9a52-aaaa-4bbb-8ccc-000000000002"


@pytest.fixture
def keys(tmp_path):
    return SourceKeys(tmp_path / "sources")


@pytest.mark.parametrize("value", [b"", b"my cousin filmed it", "أم أحمد".encode(), b"\0" * 100_000])
def test_a_value_opens_with_its_sources_key_as_logged(keys, value):
    sealed = protect(value, keys.of(SOURCE))

    opened = open_value(sealed.ciphertext, sealed.plaintext_sha256, keys.of(SOURCE))

    assert opened.value == value
    assert opened.is_as_logged


def test_neither_ciphertext_nor_digest_tells_the_value(keys):
    value = b"my cousin filmed it"  # long enough that no random bytes spell it
    first, second = (protect(value, keys.of(SOURCE)) for _ in range(2))

    assert value not in first.ciphertext
    assert first.plaintext_sha256 != second.plaintext_sha256
    assert first.plaintext_sha256 != sha256_of(value)


def test_another_sources_key_does_not_open_it(keys):
    sealed = protect(b"my cousin filmed it", keys.of(SOURCE))

    with pytest.raises(ValueError, match="doesn't open"):
        open_value(sealed.ciphertext, sealed.plaintext_sha256, keys.of(OTHER))


def test_flipping_any_bit_of_a_ciphertext_is_found(keys):
    sealed, key = protect(b"my cousin", keys.of(SOURCE)), keys.of(SOURCE)

    for place in range(len(sealed.ciphertext) * 8):
        altered = bytearray(sealed.ciphertext)
        altered[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match="doesn't open"):
            open_value(bytes(altered), sealed.plaintext_sha256, key)


def test_another_logged_digest_is_noticed(keys):
    sealed = protect(b"my cousin", keys.of(SOURCE))

    assert not open_value(sealed.ciphertext, "0" * 64, keys.of(SOURCE)).is_as_logged


def test_a_key_is_made_once_and_for_its_owners_eyes(keys, tmp_path):
    first = keys.of(SOURCE)

    assert keys.of(SOURCE) == first
    assert (tmp_path / f"sources/{SOURCE}.agekey").stat().st_mode & 0o777 == 0o600
    assert first.identity not in repr(first)


def test_an_erased_key_opens_nothing_and_leaves_its_public_half(keys, tmp_path):
    destroyed = keys.of(SOURCE)

    erased = keys.erase(SOURCE)

    assert [key.recipient for key in erased] == [destroyed.recipient]
    assert keys.known(SOURCE) is None
    assert keys.of(SOURCE) != destroyed
    secret = destroyed.identity.encode()
    assert not any(secret in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_erasing_twice_and_again_later_keeps_every_record(keys):
    keys.of(SOURCE)

    assert keys.erase(SOURCE) == keys.erase(SOURCE)
    keys.of(SOURCE)
    assert len(keys.erase(SOURCE)) == 2


def test_an_erasure_that_was_interrupted_is_finished_by_the_next(keys, tmp_path):
    key = keys.of(SOURCE)
    keys.erase(SOURCE)
    condemned = tmp_path / f"sources/{SOURCE}.condemned"
    condemned.write_text(key.identity[:10])

    keys.erase(SOURCE)

    assert not condemned.exists()


def test_a_damaged_key_file_is_named_and_never_replaced(keys, tmp_path):
    keys.of(SOURCE)
    path = tmp_path / f"sources/{SOURCE}.agekey"
    path.write_text("AGE-SECRET-KEY-1NONSENSE")

    with pytest.raises(SettingsInvalid, match=SOURCE):
        keys.of(SOURCE)

    assert path.read_text() == "AGE-SECRET-KEY-1NONSENSE"


@pytest.mark.parametrize("source", ["../log", "", "a/b", ".hidden", "x" * 100])
def test_a_source_is_a_pseudonym_and_not_a_path(keys, source):
    with pytest.raises(ValueError, match="pseudonym"):
        keys.of(source)


def test_processes_that_race_for_a_key_get_the_same(tmp_path):
    code = (
        "import sys; from pathlib import Path; from preservation.protection import SourceKeys;"
        f"print(SourceKeys(Path(sys.argv[1])).of('{SOURCE}').recipient)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "sources")]

    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    recipients = {racer.communicate()[0] for racer in racers}

    assert len(recipients) == 1


def test_the_name_of_a_file_is_protected_where_protection_is_asked_for():
    assert "submitted_file_name" not in protected_columns(None)
    assert "submitted_file_name" in protected_columns("source at risk")
    assert "claimed_source" in protected_columns(None)
