"""Revocation: what a list says is judged at genTime; a list that can't be had is named, not guessed."""

from __future__ import annotations

import base64
import ipaddress
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from preservation import clock
from preservation.errors import TokenRejected
from preservation.settings import AuthoritySettings
from preservation.timestamp import (
    Expectation,
    Terms,
    check_token,
    create_test_authority,
    distribution,
    read_lists,
    revocation,
    stamp,
)
from preservation.timestamp.revocation import read_list
from tests.fakes.list_server import list_server
from tests.fakes.time_stamp_forger import Forger, authority_that

MESSAGE = b"log.invalid\n7\nroot\n"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
HOUR = timedelta(hours=1)
Reason = x509.ReasonFlags


@pytest.fixture(scope="module")
def lists():
    with list_server() as server:
        yield server


@pytest.fixture(scope="module")
def forger(tmp_path_factory, lists) -> Forger:
    return Forger(tmp_path_factory.mktemp("forger"), list_url=f"{lists.url}/root.crl")


@pytest.fixture(scope="module")
def token(forger, lists):
    lists.answers["/root.crl"] = forger.revocation_list().public_bytes(Encoding.DER)
    return _stamp(forger)


def _stamp(forger: Forger, *, networks=LOOPBACK):
    with authority_that(forger.answer) as url:
        authority = AuthoritySettings(name="elsewhere", url=url, roots=forger.roots)
        terms = Terms(allow_networks=networks)
        return stamp(authority, MESSAGE, at=clock.now(), terms=terms)


def _check(token, forger, revoked):
    lists_pem = revoked.public_bytes(Encoding.PEM)
    return check_token(
        token.token, MESSAGE, forger.roots.read_bytes(), Expectation(lists_pem=lists_pem)
    )


def test_the_list_that_the_certificate_names_is_kept_with_the_token(token, forger):
    [kept] = read_lists(token.lists_pem)

    assert kept.issuer == forger.root.subject
    assert token.lists_absence is None


def test_openssl_alone_checks_the_token_against_the_list_that_is_kept(token, forger, tmp_path):
    (tmp_path / "message").write_bytes(MESSAGE)
    (tmp_path / "token").write_bytes(token.token)
    (tmp_path / "chain").write_bytes(token.chain_pem)
    at = int(token.gen_time.timestamp())
    command = "openssl ts -verify -data message -in token -CAfile roots-and-lists -untrusted chain"
    command += f" -attime {at} -crl_check"
    now = datetime.now(UTC)
    revoked = forger.revocation_list(revoked_at=now - HOUR).public_bytes(Encoding.PEM)

    for lists_pem, code in ((token.lists_pem, 0), (b"", 1), (revoked, 1)):
        (tmp_path / "roots-and-lists").write_bytes(forger.roots.read_bytes() + lists_pem)
        done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True)
        assert done.returncode == code, done.stderr


@pytest.mark.parametrize(
    ("since", "reason", "is_accepted"),
    [
        # RFC 3161 4: a key that was compromised vouches for nothing, whenever.
        (-HOUR, Reason.key_compromise, False),
        (HOUR, Reason.key_compromise, False),
        (HOUR, Reason.ca_compromise, False),
        (HOUR, None, False),
        (HOUR, Reason.unspecified, False),
        (HOUR, Reason.certificate_hold, False),
        (HOUR, Reason.privilege_withdrawn, False),
        # A key that was put out of use vouches for what it signed before.
        (HOUR, Reason.superseded, True),
        (HOUR, Reason.affiliation_changed, True),
        (HOUR, Reason.cessation_of_operation, True),
        (-HOUR, Reason.superseded, False),
        (-HOUR, Reason.cessation_of_operation, False),
    ],
    ids=str,
)
def test_a_revocation_reaches_back_as_far_as_its_reason_says(token, forger, since, reason, is_accepted):
    revoked = forger.revocation_list(revoked_at=token.gen_time + since, reason=reason)

    if is_accepted:
        assert _check(token, forger, revoked).gen_time == token.gen_time
    else:
        with pytest.raises(TokenRejected, match="rule revocation: the certificate of CN=forger was"):
            _check(token, forger, revoked)


def test_a_list_that_is_out_of_date_still_revokes(token, forger):
    old = forger.revocation_list(revoked_at=token.gen_time - HOUR, made=timedelta(days=-9))

    with pytest.raises(TokenRejected, match="rule revocation"):
        _check(token, forger, old)


def test_a_list_signed_by_somebody_else_revokes_nothing(token, forger):
    forged = forger.revocation_list(
        revoked_at=token.gen_time - HOUR, key=ec.generate_private_key(ec.SECP256R1())
    )

    assert _check(token, forger, forged).gen_time == token.gen_time


def test_a_signer_that_is_revoked_gets_no_token_accepted(forger, lists):
    revoked = forger.revocation_list(revoked_at=datetime.now(UTC) - HOUR, reason=Reason.key_compromise)
    lists.answers["/root.crl"] = revoked.public_bytes(Encoding.DER)

    with pytest.raises(TokenRejected, match="elsewhere fails the rule revocation"):
        _stamp(forger)


def _other_name():
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else")])


def _scope(**facts):
    return x509.IssuingDistributionPoint(
        **{
            "full_name": None,
            "relative_name": None,
            "only_contains_user_certs": False,
            "only_contains_ca_certs": False,
            "only_some_reasons": None,
            "indirect_crl": False,
            "only_contains_attribute_certs": False,
        }
        | facts
    )


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: (404, {}), "unreachable"),
        (lambda _: (302, {"Location": "http://127.0.0.1:9/"}), "redirected"),
        (lambda _: b"<html>not a list</html>", "unreadable"),
        (lambda _: b"", "unreadable"),
        (lambda _: b"0" * (distribution.LARGEST_LIST_BYTES + 1), "too-large"),
        (lambda f: f.revocation_list(issuer=_other_name()), "wrong-issuer"),
        (
            lambda f: f.revocation_list(key=ec.generate_private_key(ec.SECP256R1())),
            "wrong-issuer",
        ),
        (lambda f: f.revocation_list(made=timedelta(days=-3)), "out-of-date"),
        (lambda f: f.revocation_list(made=HOUR), "out-of-date"),
        (lambda f: f.revocation_list(extension=x509.DeltaCRLIndicator(1)), "unsupported"),
        (lambda f: f.revocation_list(extension=_scope(indirect_crl=True)), "unsupported"),
        (lambda f: f.revocation_list(extension=_scope(only_contains_ca_certs=True)), "unsupported"),
    ],
    ids=[
        "missing",
        "redirect",
        "html",
        "nothing",
        "large",
        "another-name",
        "another-key",
        "old",
        "future",
        "delta",
        "indirect",
        "for-authorities-alone",
    ],
)
def test_a_list_that_says_nothing_is_left_out_and_its_absence_has_a_code(forger, lists, answer, code):
    made = answer(forger)
    is_list = isinstance(made, x509.CertificateRevocationList)
    lists.answers["/root.crl"] = made.public_bytes(Encoding.DER) if is_list else made

    token = _stamp(forger)

    assert (token.lists_pem, token.lists_absence) == (b"", code)


def test_a_list_that_is_for_users_alone_counts_for_the_signer(forger, lists):
    made = forger.revocation_list(extension=_scope(only_contains_user_certs=True))
    lists.answers["/root.crl"] = made.public_bytes(Encoding.PEM)

    assert _stamp(forger).lists_absence is None


@pytest.mark.parametrize(
    ("url", "code"),
    [
        (None, "no-distribution-point"),
        ("ldap://directory.invalid/cn=list", "not-http"),
        ("https://lists.invalid/root.crl", "not-http"),
        ("http://user:secret@lists.invalid/", "not-http"),
        ("http://lists.invalid:port/", "not-http"),
        ("http://lists.invalid/root.crl", "unreachable"),
        ("http://127.0.0.1:1/root.crl", "private-network-refused"),
        ("http://169.254.169.254/latest/meta-data", "private-network-refused"),
        ("http://[::ffff:10.0.0.1]/root.crl", "private-network-refused"),
        ("http://localhost/root.crl", "private-network-refused"),
    ],
)
def test_no_list_is_fetched_from_where_none_may_be(tmp_path, url, code):
    token = _stamp(Forger(tmp_path, list_url=url), networks=())

    assert (token.lists_pem, token.lists_absence) == (b"", code)


def test_the_request_goes_to_the_address_that_was_judged_under_the_name_in_the_certificate(
    forger, lists
):
    lists.answers["/root.crl"] = forger.revocation_list().public_bytes(Encoding.DER)
    lists.asked.clear()

    _stamp(forger)

    assert lists.asked == [("/root.crl", lists.url.removeprefix("http://"))]


def test_the_test_authority_serves_its_list_while_it_stamps(tmp_path):
    authority = create_test_authority(tmp_path / "keys/trial", tmp_path / "trust/trial.pem")

    token = stamp(authority, MESSAGE, at=clock.now())

    assert token.lists_absence is None
    assert len(read_lists(token.lists_pem)) == 1


def test_lists_that_can_not_be_read_are_named(token, forger):
    broken = b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"

    with pytest.raises(TokenRejected, match="rule revocation"):
        check_token(token.token, MESSAGE, forger.roots.read_bytes(), Expectation(lists_pem=broken))


def test_a_list_with_any_bit_flipped_is_refused_or_says_nothing(token, forger):
    sound = forger.revocation_list().public_bytes(Encoding.DER)
    links = _check(token, forger, forger.revocation_list()).links
    signed = read_list(sound).tbs_certlist_bytes
    assert any(revocation.speaks_for(read_list(sound), link) for link in links)

    heard = []
    for bit in range(8 * len(sound)):
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            [found] = read_lists(_as_pem(damaged))
        except ValueError:
            continue
        if found.tbs_certlist_bytes != signed:
            heard += [bit for link in links if revocation.speaks_for(found, link)]

    assert heard == []


def _as_pem(der: bytes) -> bytes:
    return b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n" % base64.encodebytes(der)
