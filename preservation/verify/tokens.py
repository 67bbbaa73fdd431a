"""Step 11: every token is over its checkpoint, accepted by all judges, and not older than the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from preservation.custody import CLOCK_TOLERANCE, checkpoint_key
from preservation.errors import TokenRejected, TokenUnjudged
from preservation.model.tables import TIMESTAMPS, Row
from preservation.timestamp import Expectation, TokenFacts, check_token, read_lists, read_roots
from preservation.verify.anchored import judge_anchors
from preservation.verify.batches import BATCH_KEY
from preservation.verify.examination import Examination
from preservation.verify.files import HeldFiles
from preservation.verify.log import LogReading
from preservation.verify.rows import parse_table
from preservation.verify.seals import ACCEPTED, SEALED, Seal, StampClaim
from preservation.verify.trusted_files import read_trusted
from preservation.verify.trusted_time import TrustedTime

LATE_AFTER = timedelta(hours=24)
"""A token that came later than this after the log's own time doesn't attest that time."""
TEST_WARNING = "its tokens prove nothing about time: trial and test use only"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaim:
    """A token that a seal or a log entry speaks of."""

    key: str
    authority: str
    checkpoint_size: int
    is_test_authority: bool
    is_late: bool | None
    claimed_by: str
    """Archive key of what speaks of it."""


@dataclass(slots=True)
class TokenJudge:
    """Judges one token after the other."""

    examination: Examination
    reading: LogReading
    time: TrustedTime

    def judge(self, claim: TokenClaim) -> TokenFacts | None:
        """The facts in the token; None if they can't be had, which is then reported."""
        with self.examination.about("token", claim.key):
            return self._check(claim)
        return None

    def _check(self, claim: TokenClaim) -> TokenFacts | None:
        examination = self.examination
        is_known = claim.checkpoint_size in self.reading.heads
        if claim.key not in examination.named or examination.is_blamed(claim.key) or not is_known:
            return None
        shared = self.time.shared_at(claim.checkpoint_size)
        facts = shared.get((claim.key, claim.authority)) or self._facts(claim)
        if facts is not None:
            shared[claim.key, claim.authority] = facts
            self._judge_facts(claim, facts)
        return facts

    def _facts(self, claim: TokenClaim) -> TokenFacts | None:
        examination = self.examination
        roots = _roots(examination, claim.authority)
        if roots is None:
            return None
        lists_pem = _lists(examination, claim)
        message = examination.read(checkpoint_key(claim.checkpoint_size))
        expectation = Expectation(
            authority=claim.authority,
            policies=_policies(examination, claim.authority),
            lists_pem=lists_pem,
        )
        try:
            facts = check_token(examination.read(claim.key), message, roots, expectation)
        except TokenRejected as error:
            expected = "a token over the checkpoint, under trusted roots"
            examination.broken("token", claim.key, expected, error.message)
            return None
        except TokenUnjudged as error:
            expected = "a verdict by OpenSSL, 1.1.1 or newer"
            examination.gap("token-not-judged", claim.key, expected, error.message)
            return None
        examination.counts["tokens"] += 1
        self.time.accepted(claim.key, claim.authority, facts, read_lists(lists_pem))
        return facts

    def _judge_facts(self, claim: TokenClaim, facts: TokenFacts) -> None:
        examination = self.examination
        latest = self.reading.latest_at.get(claim.checkpoint_size)
        if latest is not None and latest > facts.gen_time + CLOCK_TOLERANCE:
            expected = f"entries up to {facts.gen_time}"
            examination.broken("log-time-after-token", claim.key, expected, f"{latest}")
        if latest is not None:
            is_late = facts.gen_time > latest + CLOCK_TOLERANCE
            self._judge_lateness(claim, is_late=is_late, seen=f"{latest}, stamped {facts.gen_time}")
        if facts.is_test and not claim.is_test_authority:
            examination.broken(
                "test-authority-hidden", claim.claimed_by, "named as a test authority", "not so named"
            )
        if facts.is_test or claim.is_test_authority:
            examination.note(
                "test-authority", claim.authority, "an independent authority", TEST_WARNING
            )

    def _judge_lateness(self, claim: TokenClaim, *, is_late: bool, seen: str) -> None:
        if claim.is_late is not None and claim.is_late != is_late:
            words = {True: "late", False: "on time"}
            self.examination.broken(
                "late-token-hidden",
                claim.claimed_by,
                f"{claim.key} named as {words[is_late]}",
                words[claim.is_late],
            )
        if is_late:
            self.examination.note("late-token", claim.key, "a token made when it was logged", seen)


def judge_tokens(judge: TokenJudge, editions: Sequence[Seal], held: HeldFiles) -> dict[str, TokenFacts]:
    """Step 11 for the seals of one batch: what was accepted, by token key."""
    examination = judge.examination
    seen_tables: set[str] = set()
    facts: dict[str, TokenFacts] = {}
    kinds: set[bool] = set()
    for seal in editions:
        for stamp in seal.stamps:
            found = _judge_stamp(judge, seal, stamp, facts)
            if found is not None:
                facts[str(stamp.token_key)] = found
                kinds.add(found.is_test or stamp.is_test_authority)
        _judge_table(examination, seal, held, seen_tables)
    if editions:
        judge.time.batches[frozenset(kinds)] += 1
        _report_missing(examination, editions[-1], facts)
        judge_anchors(examination, judge.reading, editions)
    return facts


def judge_delay(
    examination: Examination, seal: Seal, logged_at: datetime | None, facts: Mapping[str, TokenFacts]
) -> None:
    """Within a day of the log's own time as many tokens were made as the seal asks for."""
    times = sorted(token.gen_time for token in facts.values())[: seal.time_quorum]
    if logged_at is not None and len(times) == seal.time_quorum and times[-1] - logged_at > LATE_AFTER:
        seen = f"{times[-1]}; the log itself says {logged_at}"
        examination.gap("time-late", seal.key, "tokens within a day of its first item", seen)


def _judge_stamp(
    judge: TokenJudge, seal: Seal, stamp: StampClaim, known: dict[str, TokenFacts]
) -> TokenFacts | None:
    key = stamp.token_key
    if key is None:
        return None
    if key != f"log/tokens/{seal.checkpoint_size:012}/{stamp.authority}.tsr":
        expected = f"a token of {stamp.authority} over its own checkpoint"
        judge.examination.broken("token", seal.key, expected, key)
        return None
    if key in known:
        return None
    if key not in seal.files:
        judge.examination.broken("token", seal.key, f"{key} among its files", "not named")
        return None
    claim = TokenClaim(
        key=key,
        authority=stamp.authority,
        checkpoint_size=seal.checkpoint_size,
        is_test_authority=stamp.is_test_authority,
        is_late=stamp.is_late,
        claimed_by=seal.key,
    )
    return judge.judge(claim)


def _roots(examination: Examination, authority: str) -> bytes | None:
    """The pinned roots of the authority; never those that the archive holds."""
    path = examination.settings.trust / f"{authority}.pem"
    try:
        content = read_trusted(path)
        read_roots(content)
    except (OSError, ValueError) as error:
        examination.gap("no-trusted-roots", authority, f"root certificates in {path}", f"{error}")
        return None
    return content


def _policies(examination: Examination, authority: str) -> tuple[str, ...]:
    """The policies that the settings allow this authority; none for one that isn't configured."""
    configured = examination.settings.authorities
    return next((known.policies for known in configured if known.name == authority), ())


def _lists(examination: Examination, claim: TokenClaim) -> bytes:
    """The revocation lists kept with the token, and those that the verifier brought along."""
    key = claim.key.removesuffix(".tsr") + ".crl.pem"
    kept = examination.read(key) if key in examination.named and key in examination.keys else b""
    path = examination.settings.trust / f"{claim.authority}.crl.pem"
    return _readable(examination, key, kept) + _brought(examination, path)


def _brought(examination: Examination, path: Path) -> bytes:
    """The lists in a file of the trust folder, if it is there."""
    try:
        return _readable(examination, str(path), read_trusted(path))
    except FileNotFoundError:
        return b""
    except OSError as error:
        examination.gap("revocation-list", str(path), "readable revocation lists", f"{error}")
        return b""


def _readable(examination: Examination, subject: str, content: bytes) -> bytes:
    try:
        found: tuple[x509.CertificateRevocationList, ...] = read_lists(content)
    except ValueError as error:
        examination.gap("revocation-list", subject, "readable revocation lists", f"{error}")
        return b""
    if content and not found:
        examination.gap("revocation-list", subject, "revocation lists in PEM", "none in it")
    return content if found else b""


def _report_missing(examination: Examination, seal: Seal, facts: dict[str, TokenFacts]) -> None:
    """What the newest edition lacks, by its own quorum and by the verifier's."""
    for stamp in seal.stamps:
        if stamp.status != ACCEPTED:
            seen = stamp.detail or "none yet"
            report = examination.note if seal.status == SEALED else examination.gap
            report("time-stamp-pending", seal.key, f"a token of {stamp.authority}", seen)
    if not seal.stamps:
        examination.gap("time-stamp-pending", seal.key, "a token", "no authority is configured")
    accepted = {
        stamp.authority: facts[key] for stamp in seal.stamps if (key := stamp.token_key) in facts
    }
    # Authorities may have a root in common: one's token under another's name is no second one.
    signers = {token.links[:1] or authority for authority, token in accepted.items()}
    quorum = examination.settings.time_quorum or (seal.time_quorum if seal.status == SEALED else 0)
    if len(signers) < quorum:
        seen = f"{len(signers)} in the name of {', '.join(sorted(accepted)) or 'none'}"
        examination.gap("time-quorum", seal.key, f"tokens of {quorum} authorities", seen)


def _judge_table(examination: Examination, seal: Seal, held: HeldFiles, seen_tables: set[str]) -> None:
    """The timestamps table that this edition brings says what the seal says."""
    for key in _timestamp_tables(seal):
        if key not in seen_tables and key in held.tables:
            seen_tables.add(key)
            with examination.about("manifest", key):
                rows = parse_table(examination, key, held.tables[key], TIMESTAMPS)
                stored = {_stored_stamp(row) for row in rows}
                stated = {_stated_stamp(stamp) for stamp in seal.stamps}
                if stored != stated or any(row["batch_id"] != seal.batch_id for row in rows):
                    examination.broken("timestamps-table", key, f"{stated}", f"{stored}")
                _judge_digests(examination, seal, key, rows)


def _judge_digests(examination: Examination, seal: Seal, key: str, rows: Iterable[Row]) -> None:
    for row in rows:
        facts = seal.files.get(str(row["token_key"]))
        if row["status"] == ACCEPTED and (facts is None or facts.sha256 != row["token_sha256"]):
            examination.broken("timestamps-table", key, f"{facts}", f"{row['token_sha256']}")


def _timestamp_tables(seal: Seal) -> list[str]:
    matches = [(key, BATCH_KEY.fullmatch(key)) for key in seal.files]
    return sorted(key for key, match in matches if match and match["table"] == TIMESTAMPS.name)


def _stored_stamp(row: Row) -> tuple[object, ...]:
    names = ("authority", "is_test_authority", "status", "token_key", "is_late")
    return tuple(row[name] for name in names)


def _stated_stamp(stamp: StampClaim) -> tuple[object, ...]:
    return (
        stamp.authority,
        stamp.is_test_authority,
        stamp.status,
        stamp.token_key,
        stamp.is_late,
    )
