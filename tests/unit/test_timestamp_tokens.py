"""Time stamps: accepted only if every judge accepts; every fault is named, none escapes."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from preservation import clock
from preservation.errors import AuthorityUnavailable, SettingsInvalid, TokenRejected
from preservation.export import verify
from preservation.model.digests import sha256_of
from preservation.settings import AuthoritySettings
from preservation.timestamp import (
    Expectation,
    Terms,
    check_token,
    checks,
    create_test_authority,
    der,
    serve_test_authority,
    stamp,
)
from preservation.timestamp.test_authority import reply_to
from tests.fakes.time_stamp_forger import Forger, authority_that, der_integer, drip
from tests.fakes.time_stamp_forger import der as encoded

MESSAGE = b"log.invalid\n7\nroot\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("authority")
    create_test_authority(home / "keys/trial", home / "trust/trial.pem")
    return home


@pytest.fixture(scope="module")
def trial(folder) -> AuthoritySettings:
    """As `preserve init` writes it."""
    return AuthoritySettings(name="trial", url="test:", roots=folder / "trust/trial.pem", is_test=True)


@pytest.fixture(scope="module")
def token(trial):
    return stamp(trial, MESSAGE, at=clock.now())


@pytest.fixture(scope="module")
def forger(tmp_path_factory) -> Forger:
    return Forger(tmp_path_factory.mktemp("forger"))


def _ask(url: str, roots, **terms):
    authority = AuthoritySettings(name="elsewhere", url=url, roots=roots)
    return stamp(authority, MESSAGE, at=clock.now(), terms=Terms(**terms))


def test_the_test_authority_gives_tokens_that_say_what_they_are(token):
    assert token.is_test
    assert abs(token.gen_time - clock.now()) < timedelta(minutes=1)
    assert token.message_imprint == sha256_of(MESSAGE)
    assert token.not_after > token.gen_time
    assert b"BEGIN CERTIFICATE" in token.chain_pem


def test_plain_openssl_verifies_a_stored_token(token, trial, tmp_path):
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "token").write_bytes(token.token)
    (tmp_path / "chain").write_bytes(token.chain_pem)
    command = f"openssl ts -verify -data message -in token -CAfile {trial.roots}"

    for extra in ("", " -untrusted chain"):
        done = subprocess.run((command + extra).split(), cwd=tmp_path, capture_output=True)
        assert (done.returncode, done.stdout) == (0, b"Verification: OK\n")
    (tmp_path / "message").write_bytes(MESSAGE + b"!")
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode != 0


def test_the_certificates_of_the_test_authority_disclaim_themselves(trial):
    command = ["openssl", "x509", "-in", trial.roots, "-noout", "-subject"]

    subject = subprocess.run(command, capture_output=True, text=True).stdout

    assert "TEST AUTHORITY - proves nothing about time" in subject


def test_creating_the_test_authority_again_changes_nothing(folder):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    create_test_authority(folder / "keys/trial", folder / "trust/trial.pem")

    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_stored_token_is_checked_offline_years_later(token, trial):
    facts = check_token(token.token, MESSAGE, trial.roots.read_bytes())

    assert (facts.gen_time, facts.serial_number) == (token.gen_time, token.serial_number)
    assert facts.is_test


def test_flipping_any_byte_of_a_token_is_rejected_or_changes_nothing_that_is_signed(token, trial):
    dice, roots = random.Random(3), trial.roots.read_bytes()
    for _ in range(120):
        damaged = bytearray(token.token)
        place = dice.randrange(len(damaged))
        damaged[place] ^= 1 << dice.randrange(8)
        try:
            facts = check_token(bytes(damaged), MESSAGE, roots)
        except TokenRejected:
            continue
        assert facts.gen_time == token.gen_time, place


def test_a_token_over_other_bytes_is_rejected_by_name(token, trial):
    with pytest.raises(TokenRejected, match="trial fails the rule imprint"):
        check_token(token.token, b"other", trial.roots.read_bytes(), Expectation(authority="trial"))


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x2a\x86", b"\x2a" + b"\xff" * 200_000 + b"\x01"])
def test_what_is_no_object_identifier_of_this_world_is_refused(content):
    with pytest.raises(ValueError, match="OBJECT IDENTIFIER"):
        der.oid(der.read(encoded(0x06, content), der.OBJECT_IDENTIFIER))


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"nonce": 1}, "nonce"),
        ({"imprint": b"\1" * 32}, "imprint"),
        ({"algorithm": "sha1"}, "imprint-algorithm"),
        ({"algorithm": "md5"}, "imprint-algorithm"),
        ({"signed_with": "sha1"}, "signer-digest"),
        ({"ess": False}, "ess-signing-certificate"),
        ({"version": 2}, "version"),
        ({"status": 2}, "well-formed"),
        ({"gen_time": datetime(2020, 1, 1, tzinfo=UTC)}, "clock"),
        ({"accuracy": encoded(0x30, der_integer(301))}, "accuracy"),
        ({"accuracy": encoded(0x30, der_integer(300), encoded(0x80, b"\1"))}, "accuracy"),
        ({"accuracy": encoded(0x30, der_integer(1 << 80))}, "accuracy"),
        ({"accuracy": encoded(0x30, der_integer(-1))}, "well-formed"),
        ({"accuracy": encoded(0x30, encoded(0x80, b"\3\xe8"))}, "well-formed"),
        ({"accuracy": encoded(0x30, encoded(0x30))}, "well-formed"),
    ],
    # The same names in every worker, whenever it collects.
    ids=lambda given: given if isinstance(given, str) else "+".join(given),
)
def test_a_token_with_one_fault_is_rejected_for_it(forger, fault, rule):
    _assert_rejected(forger, rule, **fault)


def test_a_token_of_a_time_to_come_is_rejected(forger):
    _assert_rejected(forger, "clock", gen_time=clock.now() + timedelta(minutes=20))


def _assert_rejected(forger, rule, **fault):
    with (
        authority_that(lambda query: forger.answer(query, **fault)) as url,
        pytest.raises(TokenRejected, match=f"elsewhere fails the rule {rule}:"),
    ):
        _ask(url, forger.roots)


BEARABLE = [
    b"",
    encoded(0x30),
    encoded(0x30, der_integer(300)),
    encoded(0x30, encoded(0x80, b"\3\xe7"), encoded(0x81, b"\1")),
]


@pytest.mark.parametrize("accuracy", BEARABLE)
def test_a_token_that_says_how_exact_it_is_is_accepted(forger, accuracy):
    with authority_that(lambda query: forger.answer(query, accuracy=accuracy)) as url:
        assert _ask(url, forger.roots).token


@pytest.mark.parametrize(
    "parts",
    [
        [der_integer(301)],
        [der_integer(300), encoded(0x81, b"\1")],
        [der_integer(1 << 80)],
        [der_integer(-1)],
    ],
)
def test_the_bag_s_verifier_takes_no_time_that_may_be_far_off_either(forger, parts):
    asked = TimestampRequestBuilder().data(MESSAGE).hash_algorithm(HashAlgorithm.SHA256)
    query = asked.build().as_bytes()
    token = forger.answer(query, accuracy=encoded(0x30, *parts))

    with pytest.raises(ValueError, match=r"off by|negative"):
        verify.judge_stamp(verify.read_stamp(token), MESSAGE)
    for accuracy in BEARABLE:
        verify.judge_stamp(verify.read_stamp(forger.answer(query, accuracy=accuracy)), MESSAGE)


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_clock_of_ours_that_jumped_accepts_nothing(forger, minutes):
    at = clock.now() + timedelta(minutes=minutes)
    with authority_that(forger.answer) as url:
        authority = AuthoritySettings(name="elsewhere", url=url, roots=forger.roots)
        with pytest.raises(TokenRejected, match="fails the rule clock: its time is"):
            stamp(authority, MESSAGE, at=at)


def test_the_forger_without_a_fault_is_accepted(forger):
    with authority_that(forger.answer) as url:
        token = _ask(url, forger.roots)

    assert not token.is_test
    assert token.serial_number == "77"


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ({"usages": ()}, "extended-key-usage"),
        ({"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)}, "extended-key-usage"),
        (
            {"usages": (ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.CODE_SIGNING)},
            "extended-key-usage",
        ),
        ({"critical": False}, "extended-key-usage"),
        ({"expired": True}, "certificate-validity"),
    ],
    ids=str,
)
def test_a_certificate_with_one_fault_is_rejected_for_it(tmp_path, fault, rule):
    forger = Forger(tmp_path, **fault)
    with (
        authority_that(forger.answer) as url,
        pytest.raises(TokenRejected, match=f"fails the rule {rule}:"),
    ):
        _ask(url, forger.roots)


def test_a_certificate_swapped_for_a_twin_is_what_the_ess_attribute_finds(forger):
    own = forger.signer.public_bytes(Encoding.DER)
    twins = (forger.twin().public_bytes(Encoding.DER) for _ in range(100))
    # Signatures differ in length by a byte or two; a twin of the same length swaps in cleanly.
    twin = next(twin for twin in twins if len(twin) == len(own))

    with (
        authority_that(lambda query: forger.answer(query).replace(own, twin)) as url,
        pytest.raises(TokenRejected, match="ess-signing-certificate: its ESS attribute names another"),
    ):
        _ask(url, forger.roots)


def test_an_authority_under_another_root_is_rejected(forger, trial):
    with (
        authority_that(forger.answer) as url,
        pytest.raises(TokenRejected, match=r"rfc3161-client|openssl"),
    ):
        _ask(url, trial.roots)


def test_a_policy_that_is_not_allowed_is_rejected(forger):
    with authority_that(forger.answer) as url, pytest.raises(TokenRejected, match="rule policy"):
        _ask(url, forger.roots, policies=("1.2.3.4",))


def test_the_certificate_set_may_come_in_any_order(forger):
    """Real authorities neglect DER's order of sets; rfc3161-client insists on it."""

    root = forger.root.public_bytes(Encoding.DER)
    with authority_that(lambda query: _unsorted(forger.answer(query), root)) as url:
        assert _ask(url, forger.roots).serial_number == "77"


def _unsorted(response: bytes, certificate: bytes) -> bytes:
    """The same token with one more certificate, in descending order of their encodings."""
    status, content_info = der.read(response).members()
    content_type, explicit = content_info.members()
    [signed] = explicit.members()
    parts = []
    for part in signed.members():
        members = [member.encoding for member in part.members()] if part.tag == der.context(0) else []
        wanted = sorted([*members, certificate], reverse=True)
        parts.append(encoded(part.tag, *wanted) if members else part.encoding)
    inner = encoded(0x30, content_type.encoding, encoded(0xA0, encoded(0x30, *parts)))
    return encoded(0x30, status.encoding, inner)


@pytest.mark.parametrize(
    ("answer", "settings", "words"),
    [
        (lambda _: b"garbage", {}, "well-formed"),
        (lambda _: b"", {}, "well-formed"),
        (lambda _: bytes.fromhex("30053003020100"), {}, "well-formed"),
        (lambda _: b"\x30\x84\xff\xff\xff\xff", {}, "well-formed"),
        (lambda _: b"x" * 65_536, {}, "well-formed"),
    ],
    ids=["garbage", "nothing", "no-token", "huge-length", "64-KiB"],
)
def test_an_answer_that_is_no_token_is_rejected(trial, answer, settings, words):
    with authority_that(answer, **settings) as url, pytest.raises(TokenRejected, match=words):
        _ask(url, trial.roots)


@pytest.mark.parametrize(
    ("answer", "settings", "words"),
    [
        (lambda _: b"oops", {"status": 500}, "HTTP 500"),
        (lambda _: b"<html>", {"content_type": "text/html"}, "text/html"),
        (lambda _: b"", {"status": 302, "headers": [("Location", "http://127.0.0.1:9/")]}, "redirect"),
        (lambda _: b"x" * 65_537, {}, "larger than"),
        (lambda _: (b"x" * 1000 for _ in range(10_000)), {}, "larger than"),
    ],
    ids=["error", "html", "redirect", "large", "endless"],
)
def test_an_authority_that_misbehaves_is_unavailable_and_named(trial, answer, settings, words):
    with (
        authority_that(answer, **settings) as url,
        pytest.raises(AuthorityUnavailable, match=f"elsewhere.*{words}"),
    ):
        _ask(url, trial.roots)


def test_an_answer_that_drips_ends_at_the_deadline(trial):
    started_s = clock.monotonic_s()
    with (
        authority_that(lambda _: drip(b"x" * 1000, 0.05)) as url,
        pytest.raises(AuthorityUnavailable, match=r"slowly|longer"),
    ):
        _ask(url, trial.roots, deadline_s=0.6)

    assert clock.monotonic_s() - started_s < 5


def test_headers_that_drip_end_at_the_deadline(trial):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()
        threading.Thread(target=_drip_headers, args=(listener, stop), daemon=True).start()
        with pytest.raises(AuthorityUnavailable, match="longer than"):
            _ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", trial.roots, deadline_s=0.6)
        stop.set()


def _drip_headers(listener, stop):
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.1):
            try:
                connection.sendall(b"X-Slow: 1\r\n")
            except OSError:
                return


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "not an address", "ftp://127.0.0.1/", "http://"]
)
def test_an_authority_that_is_not_there_is_unavailable(trial, url):
    with pytest.raises(AuthorityUnavailable, match="elsewhere"):
        _ask(url, trial.roots)


def test_proxies_of_the_environment_are_not_used(trial, forger):
    os.environ["http_proxy"] = "http://127.0.0.1:1/"
    try:
        with authority_that(forger.answer) as url:
            assert _ask(url, forger.roots).serial_number == "77"
    finally:
        del os.environ["http_proxy"]


def test_roots_that_can_not_be_read_are_a_setting_to_correct(trial, tmp_path, forger):
    with pytest.raises(SettingsInvalid, match="elsewhere"):
        _ask(trial.url, tmp_path / "missing.pem")
    (tmp_path / "empty.pem").write_text("nothing\n")
    with authority_that(forger.answer) as url, pytest.raises(TokenRejected, match="trusted-roots"):
        _ask(url, tmp_path / "empty.pem")


def test_a_test_authority_that_was_never_made_is_unavailable(tmp_path, trial):
    lost = AuthoritySettings(name="lost", url=f"test:{tmp_path}", roots=trial.roots, is_test=True)

    with pytest.raises(AuthorityUnavailable, match="test authority"):
        stamp(lost, MESSAGE, at=clock.now())


def test_concurrent_requests_get_different_serial_numbers(trial):
    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(lambda _: stamp(trial, MESSAGE, at=clock.now()), range(8)))

    assert len({token.serial_number for token in tokens}) == 8


def test_the_test_authority_refuses_garbage_and_goes_on(folder):
    assert reply_to(b"garbage", folder / "keys/trial")
    with serve_test_authority(folder / "keys/trial") as url:
        authority = AuthoritySettings(name="trial", url=url, roots=folder / "trust/trial.pem")
        assert stamp(authority, MESSAGE, at=clock.now()).is_test


def test_every_rule_is_in_the_table():
    rules = {
        name
        for name, value in vars(checks).items()
        if getattr(value, "__annotations__", {}).get("evidence") == "Evidence" and name[0] != "_"
    }

    assert rules - {"first_refusal"} == {rule.__name__ for rule in checks.RULES}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "30",
        "3080",
        "308000",
        "30810100",
        "3003020100ff",
        "1f8100",
        "30030201",
        "0202007f",
        "020200ff00",
    ],
)
def test_der_in_any_loose_form_is_refused(document):
    with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
        der.integer(der.read(bytes.fromhex(document), der.INTEGER))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (b"20260102030405Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (b"20260102030405.25Z", datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        (b"20260102030405.1234567Z", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
        (b"20260102030405.50Z", None),
        (b"20260102030405", None),
        (b"20261302030405Z", None),
        (b"20260102030405+0100", None),
    ],
)
def test_fractions_of_a_second_are_kept(text, moment):
    element = der.read(bytes([der.GENERALIZED_TIME, len(text)]) + text, der.GENERALIZED_TIME)

    if moment is None:
        with pytest.raises(ValueError):  # noqa: PT011 - any reason will do
            der.instant(element)
    else:
        assert der.instant(element) == moment
