"""What the tokens judged so far establish together; its size doesn't grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from preservation.timestamp import Link, TokenFacts, distribution_points, refusal, speaks_for
from preservation.verify.examination import Examination


@dataclass(slots=True)
class _SeenCertificate:
    """A certificate below a root, and the tokens that it vouched for."""

    link: Link
    authority: str
    first: tuple[datetime, str]
    """genTime and key of its earliest token."""
    last: tuple[datetime, str]
    newest: x509.CertificateRevocationList | None = None
    """The newest list that has a say about it."""

    def learn(self, revoked: x509.CertificateRevocationList) -> None:
        """Take *revoked* if it is about this certificate and newer than what is known."""
        is_newer = self.newest is None or revoked.last_update_utc > self.newest.last_update_utc
        if is_newer and speaks_for(revoked, self.link):
            self.newest = revoked


@dataclass(slots=True)
class TrustedTime:
    """Tokens accepted so far."""

    gen_times: dict[str, datetime] = field(default_factory=dict)
    """By the keys of tokens that the log hasn't spoken of yet."""
    not_after: dict[str, datetime] = field(default_factory=dict)
    """When the certificates of these tokens expire."""
    logged: dict[datetime, str] = field(default_factory=dict)
    """Of tokens that the log has spoken of and that nothing renews yet: expiry to one of their keys."""
    is_bounded: bool = False
    """Whether the log has spoken of a token: what is logged later is younger than that."""
    batches: Counter[frozenset[bool]] = field(default_factory=Counter)
    """Batches by the kinds of their tokens: True stands for a test authority."""
    _shared: dict[int, dict[tuple[str, str], TokenFacts]] = field(default_factory=dict)
    _certificates: dict[bytes, _SeenCertificate] = field(default_factory=dict)
    _lists: dict[bytes, x509.CertificateRevocationList] = field(default_factory=dict)
    """By fingerprint: those that are the newest for some certificate."""

    def in_words(self) -> str:
        """Who vouches for the time of what is sealed."""
        has_independent = [False in kinds for kinds in self.batches]
        if has_independent and all(has_independent):
            return "independent"
        if any(has_independent):
            return "partly independent"
        return "test authority only" if any(self.batches) else "none"

    def shared_at(self, size: int) -> dict[tuple[str, str], TokenFacts]:
        """Facts by key and authority of tokens over the checkpoint of *size*: batches that were sealed
        together share them. Those of the two checkpoints that came last are kept.
        """
        if size not in self._shared:
            self._shared = {**dict([*self._shared.items()][-1:]), size: {}}
        return self._shared[size]

    def accepted(
        self,
        key: str,
        authority: str,
        facts: TokenFacts,
        lists: Iterable[x509.CertificateRevocationList],
    ) -> None:
        """Remember the token under *key*, its certificates and the lists that came with it."""
        self.gen_times[key], self.not_after[key] = facts.gen_time, facts.not_after
        for link in facts.links:
            self._saw(link, authority, (facts.gen_time, key))
        for revoked in lists:
            self._learn(revoked)

    def renewed_by(self, tokens: Iterable[TokenFacts]) -> None:
        """*tokens* cover everything that the log has spoken of so far (RFC 4998 5.2)."""
        for renewing in tokens:
            for expiry in [*self.logged]:
                # It must have been made while the earlier one was still good.
                if renewing.gen_time <= expiry < renewing.not_after:
                    del self.logged[expiry]

    def judge_certificates(self, examination: Examination) -> None:
        """What lists kept later, or known to the verifier, say of earlier tokens."""
        for seen in self._certificates.values():
            lists = [seen.newest] if seen.newest is not None else []
            for gen_time, key in (seen.first, seen.last):
                why = refusal([seen.link], lists, gen_time)
                if why is not None:
                    examination.broken("token-revoked", key, "certificates that nobody revoked", why)
            _judge_coverage(examination, seen)

    def judge_expiry(self, examination: Examination, now: datetime) -> None:
        """Tokens whose certificates have expired before a later token covered them."""
        unlogged = {expiry: key for key, expiry in self.not_after.items()}
        for expiry, key in (self.logged | unlogged).items():
            if expiry < now:
                examination.gap(
                    "token-expired",
                    key,
                    f"a later token, made before {expiry:%Y-%m-%d}, over its log entry",
                    "none; it is judged as of its own time",
                )

    def _saw(self, link: Link, authority: str, token: tuple[datetime, str]) -> None:
        name = link.certificate.fingerprint(hashes.SHA256())
        seen = self._certificates.get(name)
        if seen is None:
            seen = _SeenCertificate(link=link, authority=authority, first=token, last=token)
            self._certificates[name] = seen
            for revoked in self._lists.values():
                seen.learn(revoked)
        seen.first, seen.last = min(seen.first, token), max(seen.last, token)

    def _learn(self, revoked: x509.CertificateRevocationList) -> None:
        name = revoked.fingerprint(hashes.SHA256())
        if name in self._lists:
            return
        for seen in self._certificates.values():
            seen.learn(revoked)
        used = [seen.newest for seen in self._certificates.values() if seen.newest is not None]
        self._lists = {known.fingerprint(hashes.SHA256()): known for known in used}


def _judge_coverage(examination: Examination, seen: _SeenCertificate) -> None:
    """Whether anybody can say that the certificate wasn't revoked when its last token was made."""
    gen_time, key = seen.last
    if seen.newest is not None:
        ends_at = seen.newest.next_update_utc
        if ends_at is not None and ends_at >= gen_time:
            return
    expected = f"a revocation list for the certificates of {key}"
    if distribution_points(seen.link.certificate):
        examination.gap("revocation-unknown", seen.authority, expected, "none that was in force then")
    else:
        examination.note("no-revocation-list", seen.authority, expected, "its certificate names none")
