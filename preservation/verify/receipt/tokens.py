"""Step 9: trusted time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cryptography import x509

from preservation.custody import CLOCK_TOLERANCE
from preservation.errors import TokenRejected, TokenUnjudged
from preservation.timestamp import Expectation, TokenFacts, check_token, read_lists, read_roots
from preservation.timestamp.revocation import distribution_points, fault_of
from preservation.verify.receipt.finding import Check
from preservation.verify.receipt.parts import GivenToken, Proof
from preservation.verify.trusted_files import read_trusted


def judge_tokens(check: Check, proof: Proof) -> None:
    """Step 9: every token is over its checkpoint, and every entry's checkpoint has one."""
    stamped = set()
    for token in proof.tokens:
        subject = f"token of {token.authority} over {token.size}"
        facts = check.attempt("token", subject, partial(_facts, check, proof, token))
        if facts is not None:
            stamped.add(token.size)
            check.vouched.add(facts.is_test)
            _judge_facts(check, proof, token, facts)
    for size in sorted({entry.size for entry in proof.entries} - stamped):
        # A later token covers it, too, but shows no more than that it existed by then.
        check.gap("time-stamp-pending", f"checkpoint {size}", "a token over it", "none here")
    check.counts["tokens"] = len(proof.tokens)


def _facts(check: Check, proof: Proof, token: GivenToken) -> TokenFacts | None:
    """The facts in *token*; None if they can't be had, which is then reported."""
    path = check.trust / f"{token.authority}.pem"
    try:
        roots = read_trusted(path)
        read_roots(roots)
    except (OSError, ValueError) as error:
        check.gap("no-trusted-roots", token.authority, f"root certificates in {path}", f"{error}")
        return None
    if token.size not in proof.notes:
        check.broken("token", f"token over {token.size}", "a checkpoint here", "none")
        return None
    lists_pem = _later_lists(check, token.authority) + token.lists_pem
    expectation = Expectation(authority=token.authority, lists_pem=lists_pem)
    try:
        facts = check_token(token.response, proof.notes[token.size], roots, expectation)
    except TokenRejected as error:
        check.broken("token", f"checkpoint {token.size}", "a token over it", error.message)
        return None
    except TokenUnjudged as error:
        expected = "a verdict by OpenSSL, 1.1.1 or newer"
        check.gap("token-not-judged", f"checkpoint {token.size}", expected, error.message)
        return None
    _judge_revocation(check, token.authority, facts, read_lists(lists_pem))
    return facts


def _judge_revocation(
    check: Check, authority: str, facts: TokenFacts, lists: Sequence[x509.CertificateRevocationList]
) -> None:
    """Whether anybody can say of each certificate that it wasn't revoked when the token was made."""
    for link in facts.links:
        if any(fault_of(known, link, facts.gen_time) is None for known in lists):
            continue
        subject = f"{authority}, {link.certificate.subject.rfc4514_string()}"
        expected = "a revocation list for its certificate"
        if distribution_points(link.certificate):
            check.gap("revocation-unknown", subject, expected, "none that was in force then")
        else:
            check.note("no-revocation-list", subject, expected, "its certificate names none")


def _later_lists(check: Check, authority: str) -> bytes:
    """Revocation lists that the verifier brought along; what can't be read is reported."""
    path = check.trust / f"{authority}.crl.pem"
    try:
        content = read_trusted(path)
        if content and not read_lists(content):
            check.gap("revocation-list", str(path), "revocation lists in PEM", "none in it")
    except FileNotFoundError:
        return b""
    except (OSError, ValueError) as error:
        check.gap("revocation-list", str(path), "readable revocation lists", f"{error}")
        return b""
    return content


def _judge_facts(check: Check, proof: Proof, token: GivenToken, facts: TokenFacts) -> None:
    if not token.chain_pem.startswith(facts.certificates_pem):
        check.broken("token", f"checkpoint {token.size}", "its own certificates", "others")
    if facts.is_test:
        seen = "it proves nothing about time"
        check.note("test-authority", token.authority, "an independent authority", seen)
    for entry in proof.entries:
        subject, at = f"entry {entry.parsed.index}", entry.parsed.at
        if entry.size == token.size and at > facts.gen_time + CLOCK_TOLERANCE:
            check.broken("log-time-after-token", subject, f"not after {facts.gen_time}", f"{at}")
