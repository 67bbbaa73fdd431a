"""Who vouches for the time: several authorities, some of them down, late, wrong, or going out of date."""

from __future__ import annotations

import ipaddress
import json
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete

from preservation import clock, pipeline
from preservation.cli import preserve
from preservation.custody import SigningKey, sign_document
from preservation.errors import AuthorityUnavailable
from preservation.model.digests import sha256_of
from preservation.model.vocabulary import EventType
from preservation.pipeline.archive import open_archive
from preservation.pipeline.events import record_event
from preservation.pipeline.held_stamps import expiring, list_timestamps
from preservation.pipeline.sealing.desk import sealing_desk
from preservation.pipeline.sealing.stamping import StampJob, ask_authorities, publish_stamps
from preservation.pipeline.sealing.token_rows import accepted_row
from preservation.settings import AuthoritySettings, Settings
from preservation.state import open_database, schema
from preservation.timestamp import stamp
from preservation.verify import verify_archive
from tests.fakes.calendar import calendar_server
from tests.fakes.list_server import list_server
from tests.fakes.small_archive import Batch, SmallArchive, forged
from tests.fakes.time_stamp_forger import Forger, authority_that

NAMES = ("north", "south", "west")
_DER = Encoding.DER
_LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@dataclass
class Stamped:
    """A deployment with three authorities under unrelated roots, each of which can be switched off."""

    home: Path
    settings: Settings = field(init=False)
    forgers: dict[str, Forger] = field(default_factory=dict)
    faults: dict[str, object] = field(default_factory=dict)
    """Authority to the options of its forged answers, or to the bytes that it answers with."""
    before: dict[str, object] = field(default_factory=dict)
    """Authority to what it does before it answers."""
    asked: list[str] = field(default_factory=list)
    number: int = 0

    def open(self, stack: ExitStack, lists) -> None:
        known = []
        initial = pipeline.initialise(self.home)
        for name in NAMES:
            forger = Forger(self.home / "forgers" / name, name=name, list_url=f"{lists.url}/{name}.crl")
            lists.answers[f"/{name}.crl"] = forger.revocation_list().public_bytes(_DER)
            self.forgers[name] = forger
            url = stack.enter_context(
                authority_that(lambda query, name=name: self._answer(name, query))
            )
            roots = initial.trust / f"{name}.pem"
            roots.write_bytes(forger.roots.read_bytes())
            known.append(AuthoritySettings(name=name, url=url, roots=roots))
        self.settings = replace(
            initial, authorities=tuple(known), allow_networks=(_LOOPBACK,), time_quorum=2
        )

    def _answer(self, name: str, query: bytes) -> bytes:
        self.asked.append(name)
        self.before.get(name, lambda: None)()
        fault = self.faults.get(name, {})
        return fault if isinstance(fault, bytes) else self.forgers[name].answer(query, **fault)

    def seal(self) -> list[str]:
        self.number += 1
        _act(self.settings, self.number)
        return pipeline.seal_ready(self.settings)

    @property
    def store(self):
        return open_archive(self.settings)

    def document(self, batch: str, edition: int = 1) -> dict:
        suffix = "" if edition == 1 else f".{edition}"
        return json.loads(self.store.read(f"seals/{batch}{suffix}.json"))

    def findings(self, **changes) -> dict[str, str]:
        """Rule to severity."""
        verdict = verify_archive(self.store, replace(self.settings, **changes))
        return {finding.rule: str(finding.severity) for finding in verdict.findings}


def _act(settings: Settings, number: int) -> None:
    """Something happens that asks for a seal."""
    with open_database(settings.database_url).begin() as connection:
        record_event(connection, f"act:{number}", EventType.ACCESS, detail={}, asks_for_seal=True)


@pytest.fixture
def lists():
    with list_server() as server:
        yield server


@pytest.fixture
def stamped(tmp_path, lists):
    with ExitStack() as stack:
        deployment = Stamped(tmp_path / "home")
        deployment.open(stack, lists)
        yield deployment


def test_a_seal_counts_as_sealed_once_as_many_authorities_as_must_have_accepted(stamped):
    stamped.faults["south"] = b"<html>"

    [batch] = stamped.seal()

    seal = stamped.document(batch)
    assert (seal["status"], seal["time_quorum"]) == ("sealed", 2)
    assert [entry["status"] for entry in seal["timestamps"]] == ["accepted", "pending", "accepted"]
    assert "south fails the rule well-formed" in seal["timestamps"][1]["detail"]
    assert stamped.findings() == {"time-stamp-pending": "note"}
    assert stamped.findings(time_quorum=3)["time-quorum"] == "gap"


def test_a_seal_that_too_few_accepted_is_partial_until_a_late_answer_comes(stamped):
    stamped.faults |= {"south": b"", "west": {"nonce": 1}}

    [batch] = stamped.seal()
    first = stamped.document(batch)
    gaps = stamped.findings()
    stamped.faults.clear()
    stamped.asked.clear()
    reached = pipeline.stamp_pending(stamped.settings)

    assert first["status"] == "partial"
    assert gaps == {"time-stamp-pending": "gap", "time-quorum": "gap"}
    assert reached == {batch: "sealed"}
    assert sorted(stamped.asked) == ["south", "west"]
    assert stamped.document(batch, 2)["status"] == "sealed"
    assert stamped.findings() == {}
    assert pipeline.stamp_pending(stamped.settings) == {}


def test_without_a_quorum_every_authority_must_accept(stamped):
    stamped.settings = replace(stamped.settings, time_quorum=None)
    stamped.faults["west"] = {"status": 2}

    [batch] = stamped.seal()

    assert (stamped.document(batch)["status"], stamped.document(batch)["time_quorum"]) == ("partial", 3)


def test_when_nobody_answers_sealing_goes_on_and_the_gap_is_named(stamped):
    stamped.faults = dict.fromkeys(NAMES, b"")

    [batch] = stamped.seal()

    assert stamped.document(batch)["status"] == "pending"
    assert stamped.findings()["time-stamp-pending"] == "gap"
    assert not list(stamped.store.keys("log/tokens/"))


def test_the_founding_checkpoint_is_stamped_before_the_first_batch_is_logged(stamped):
    [batch] = stamped.seal()

    entries = [
        json.loads(line)
        for key in stamped.store.keys("log/entries/")
        for line in stamped.store.read(key).splitlines()
    ]
    kinds = [entry["event_key"].split(":")[0] for entry in entries]
    packing = next(entry for entry in entries if entry["event_key"].startswith("packing:"))
    tokens = [f"log/tokens/{1:012}/{name}.tsr" for name in NAMES]
    held = [stamp for stamp in list_timestamps(stamped.settings) if stamp.batch_id is None]
    # Its own tokens and those over the founding checkpoint.
    assert verify_archive(stamped.store, stamped.settings).counts["tokens"] == 6
    assert kinds.index("packing") > max(
        i for i, e in enumerate(entries) if e["event_type"] == "timestamping"
    )
    assert set(tokens) < packing["body"]["files"].keys()
    assert {stamp.token_key for stamp in held} == set(tokens)
    assert set(tokens) < stamped.document(batch)["files"].keys()


def test_a_founding_token_that_is_swapped_is_found_though_no_seal_speaks_of_its_time(stamped):
    stamped.seal()
    one, other = (stamped.settings.archive / f"log/tokens/{1:012}/{name}.tsr" for name in NAMES[:2])
    content = one.read_bytes()
    one.chmod(0o644)
    one.write_bytes(other.read_bytes())

    assert content != other.read_bytes()
    assert stamped.findings()["file"] == "broken"


def test_a_founding_token_that_a_lost_run_published_is_found_and_kept(stamped):
    """Tokens were published, but neither work folder nor database tell of them."""
    stamped.seal()
    before = {key: stamped.store.read(key) for key in stamped.store.keys("log/tokens/")}
    _forget_everything(stamped.settings)
    stamped.asked.clear()
    with sealing_desk(stamped.settings) as desk:
        founding = desk.log.read_checkpoint(1)
        job = StampJob(checkpoint=founding, logged_at=desk.logged_at(1), is_anchored=False)
        folder = stamped.settings.work / "again"
        answers = ask_authorities(stamped.settings, desk.store, folder, job)
        publish_stamps(desk.store, folder, job, answers)

    assert answers["status"] == "sealed"
    assert not stamped.asked
    assert {key: stamped.store.read(key) for key in stamped.store.keys("log/tokens/")} == before


def _forget_everything(settings: Settings) -> None:
    with open_database(settings.database_url).begin() as connection:
        connection.execute(delete(schema.event))
        connection.execute(delete(schema.seal_batch))


def test_a_token_is_late_if_it_is_younger_than_what_it_covers_by_more_than_the_tolerance(stamped):
    [authority, *_] = stamped.settings.authorities
    token = stamp(authority, b"anything", at=clock.now())
    rows = {
        seconds: accepted_row(
            token,
            "log/tokens/x",
            logged_at=token.gen_time - timedelta(seconds=seconds),
            accepted_at=clock.now(),
        )
        for seconds in (-300, 0, 300, 301)
    }

    assert {seconds: row["is_late"] for seconds, row in rows.items()} == {
        -300: False,
        0: False,
        300: False,
        301: True,
    }


def test_a_policy_that_is_not_allowed_is_refused_when_stamping_and_when_verifying(stamped):
    strict = tuple(replace(known, policies=("1.2.3",)) for known in stamped.settings.authorities)
    [batch] = stamped.seal()

    found = stamped.findings(authorities=strict)
    stamped.settings = replace(stamped.settings, authorities=strict)
    [other] = stamped.seal()

    assert found["token"] == "broken"
    assert stamped.document(batch)["status"] == "sealed"
    assert stamped.document(other)["status"] == "pending"
    assert "rule policy" in stamped.document(other)["timestamps"][0]["detail"]


def test_a_list_that_comes_with_a_later_token_speaks_of_earlier_ones(stamped, lists):
    lists.answers["/north.crl"] = (404, {})
    stamped.seal()
    unknown = stamped.findings()
    north = stamped.forgers["north"]
    lists.answers["/north.crl"] = north.revocation_list().public_bytes(_DER)
    stamped.seal()
    known = stamped.findings()
    compromised = north.revocation_list(revoked_at=datetime.now(UTC))
    (stamped.settings.trust / "north.crl.pem").write_bytes(compromised.public_bytes(Encoding.PEM))

    assert unknown == {"revocation-unknown": "gap"}
    assert known == {}
    assert stamped.findings()["token"] == "broken"


def test_a_verifier_s_own_list_that_can_not_be_read_is_a_gap(stamped):
    stamped.seal()
    (stamped.settings.trust / "north.crl.pem").write_bytes(
        b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"
    )

    assert stamped.findings() == {"revocation-list": "gap"}


def test_what_expires_is_renewed_by_a_seal_as_soon_as_an_authority_lasts_longer(stamped):
    """All certificates end in 30 days; then one authority gets a new one."""
    stamped.seal()
    due = expiring(list_timestamps(stamped.settings), 180)
    useless = pipeline.renew_timestamps(stamped.settings)
    batches = len(list(stamped.store.keys("seals/")))
    stamped.forgers["north"].replace_signer(days=3000)

    done = pipeline.renew_timestamps(stamped.settings)

    # Three over the founding checkpoint, three over the batch.
    assert (len(due), useless["renewed"], batches) == (6, 0, 1)
    assert (done["expiring"], done["renewed"]) == (6, 6)
    assert done["left"] == []
    # What the two others said of the new seal.
    left = expiring(list_timestamps(stamped.settings), 180)
    assert {stamp.authority for stamp in left} == {"south", "west"}
    assert stamped.findings() == {}


@pytest.mark.parametrize(("longer", "seals"), [(timedelta(seconds=1), 1), (timedelta(days=2), 2)])
def test_a_seal_is_not_made_for_what_lasts_seconds_longer(stamped, longer, seals):
    stamped.seal()
    stamped.forgers["north"].replace_signer(days=(timedelta(days=30) + longer) / timedelta(days=1))

    pipeline.renew_timestamps(stamped.settings)

    assert len(list(stamped.store.keys("seals/"))) == seals


@pytest.fixture
def calendar():
    with calendar_server() as running:
        yield running


def test_an_anchor_is_pending_until_the_calendar_reaches_a_block_and_then_checked(stamped, calendar):
    stamped.settings = replace(stamped.settings, calendars=(calendar.url,))
    [batch] = stamped.seal()
    promised = stamped.document(batch)
    while_pending = stamped.findings()
    unchanged = pipeline.stamp_pending(stamped.settings)
    size, at = promised["checkpoint"]["size"], int(clock.now().timestamp())
    calendar.reach_block(900_000, at)
    stamped.asked.clear()

    pipeline.stamp_pending(stamped.settings)

    prefix = f"log/tokens/{size:012}/{calendar.url.removeprefix('http://').replace(':', '-')}"
    [before], [after] = promised["anchors"], stamped.document(batch, 2)["anchors"]
    assert (before["status"], before["key"]) == ("pending", f"{prefix}.ots")
    assert while_pending == {"anchor-pending": "note"}
    assert unchanged == {batch: "sealed"}
    assert (after["status"], after["key"]) == ("anchored", f"{prefix}.2.ots")
    assert not stamped.asked
    assert stamped.findings() == {"anchor-not-checked": "note"}
    assert pipeline.stamp_pending(stamped.settings) == {}
    headers = stamped.settings.trust / "bitcoin-headers.txt"
    headers.write_text(calendar.headers_file())
    assert stamped.findings() == {}
    calendar.reach_block(900_000, at - 3 * 3600)
    headers.write_text(calendar.headers_file())
    assert stamped.findings() == {"log-time-after-anchor": "broken"}


def test_a_block_with_another_root_refutes_an_anchor(stamped, calendar):
    stamped.settings = replace(stamped.settings, calendars=(calendar.url,))
    stamped.seal()
    calendar.reach_block(7, int(clock.now().timestamp()))
    pipeline.stamp_pending(stamped.settings)
    (stamped.settings.trust / "bitcoin-headers.txt").write_text(f"7 {'0' * 160}\n")

    assert stamped.findings()["anchor"] == "broken"


def test_headers_that_can_not_be_read_are_a_gap(stamped, calendar):
    stamped.settings = replace(stamped.settings, calendars=(calendar.url,))
    stamped.seal()
    (stamped.settings.trust / "bitcoin-headers.txt").write_text("not a header\n")

    assert stamped.findings() == {"anchor-pending": "note", "bitcoin-headers": "gap"}


def test_a_calendar_that_is_down_holds_nothing_up_and_is_asked_again(stamped, calendar):
    stamped.settings = replace(stamped.settings, calendars=(calendar.url,))
    calendar.answer = b"<html>"
    [batch] = stamped.seal()
    calendar.answer = None

    pipeline.stamp_pending(stamped.settings)

    assert stamped.document(batch)["status"] == "sealed"
    assert stamped.document(batch)["anchors"][0]["status"] == "failed"
    assert stamped.document(batch, 2)["anchors"][0]["status"] == "pending"
    assert stamped.findings() == {"anchor-pending": "note"}


def test_without_calendars_nothing_is_sent_to_one(stamped, calendar):
    stamped.seal()
    pipeline.stamp_pending(stamped.settings)

    assert calendar.digests == []


def one_logged(folder: Path, **options: bool) -> tuple[SmallArchive, Forger, Batch]:
    """An archive with one batch in its log, not sealed, and a forger of those *options* that it trusts."""
    archive = SmallArchive.found(folder / "home")
    forger = Forger(folder / "forger", **options)
    archive.trust(forger)
    batch = Batch(archive, 1)
    batch.build()
    batch.publish()
    batch.append()
    return archive, forger, batch


@pytest.mark.parametrize(
    ("claim", "seen"),
    [(True, {"late-token": "note"}), (False, {"late-token": "note", "late-token-hidden": "broken"})],
)
def test_a_late_token_is_never_shown_as_on_time(tmp_path, claim, seen):
    archive, forger, batch = one_logged(tmp_path)
    late = datetime.now(UTC) + timedelta(minutes=20)

    batch.seal(answer=lambda note: forged(forger, note, gen_time=late, is_late=claim))

    found = {f.rule: str(f.severity) for f in archive.verify().findings}
    assert {rule: severity for rule, severity in found.items() if "late" in rule} == seen
    others = {"test-authority", "no-revocation-list", "no-earlier-time"}
    assert found.keys() - seen.keys() == others


def test_a_token_that_expired_before_another_covered_it_is_a_gap(tmp_path):
    archive, forger, batch = one_logged(tmp_path, expired=True)
    early = datetime.now(UTC) - timedelta(days=2)

    batch.seal(answer=lambda note: forged(forger, note, gen_time=early))

    found = {f.rule: str(f.severity) for f in archive.verify().findings}
    assert found.items() >= {"token-expired": "gap", "log-time-after-token": "broken"}.items()


def test_a_token_made_more_than_a_day_later_does_not_attest_the_log_s_time(tmp_path):
    archive, forger, batch = one_logged(tmp_path)
    late = datetime.now(UTC) + timedelta(hours=25)

    batch.seal(answer=lambda note: forged(forger, note, gen_time=late, is_late=True))

    verdict = archive.verify()
    gaps = {f.rule for f in verdict.findings if str(f.severity) == "gap"}
    assert (verdict.verdict, gaps) == ("incomplete", {"time-late"})


def test_a_token_that_differs_from_the_one_in_the_log_is_found_though_the_seal_was_signed_anew(
    stamped,
):
    """The thief holds the log's key and a second genuine token over the same checkpoint."""
    [batch] = stamped.seal()
    stamped.seal()
    north = stamped.settings.authorities[0]
    seal = stamped.document(batch)
    note = stamped.store.read(seal["checkpoint"]["key"])
    second = stamp(north, note, at=clock.now()).token
    key = seal["timestamps"][0]["token_key"]
    _overwrite(stamped.settings.archive / key, second)
    seal["files"][key] = {"sha256": sha256_of(second), "size_bytes": len(second)}
    bare = {name: value for name, value in seal.items() if name not in {"signature", "public_key"}}
    signer = SigningKey.load(stamped.settings.keys / "log.pem")
    _overwrite(stamped.settings.archive / f"seals/{batch}.json", sign_document(bare, signer))

    assert stamped.findings()["token-replaced"] == "broken"


def _overwrite(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_the_program_lists_retries_and_renews(tmp_path):
    settings = pipeline.initialise(tmp_path / "home")
    _act(settings, 1)
    pipeline.seal_ready(settings)

    listed = _said(settings, 0, "timestamps", "--json")
    shown = _said(settings, 0, "timestamps")
    expiring_soon = _said(settings, 0, "timestamps", "--expiring", "180", "--json")
    expiring_ever = _said(settings, 1, "timestamps", "--expiring", "9999", "--json")

    assert [stamp["batch_id"] is None for stamp in listed["timestamps"]] == [True, False]
    assert {stamp["is_late"] for stamp in listed["timestamps"]} == {False}
    assert "test-authority (TEST)" in shown
    assert expiring_soon["timestamps"] == []
    assert len(expiring_ever["timestamps"]) == 2
    assert _said(settings, 0, "timestamps", "retry", "--json") == {"batches": {}}
    assert _said(settings, 0, "timestamps", "renew", "--json") == {
        "expiring": 0,
        "renewed": 0,
        "left": [],
    }


def test_the_program_says_by_its_exit_code_what_is_still_owed(tmp_path):
    settings = pipeline.initialise(tmp_path / "home")
    (settings.keys / "test-authority/signer.pem").rename(tmp_path / "signer.pem")
    _act(settings, 1)
    pipeline.seal_ready(settings)

    [status] = _said(settings, 4, "timestamps", "retry", "--json")["batches"].values()

    assert status == "pending"
    assert "There is no test authority in" in _said(settings, 0, "timestamps")


def _said(settings: Settings, exit_code: int, *arguments: str):
    command = ["--home", str(settings.home), *arguments]
    answer = CliRunner().invoke(preserve, command, catch_exceptions=False)
    assert answer.exit_code == exit_code, answer.output
    return json.loads(answer.stdout) if "--json" in arguments else answer.stdout


def test_the_verdicts_say_what_a_person_must_see_to(stamped):
    stamped.faults["west"] = stamped.faults["south"] = b""
    stamped.seal()

    with pytest.raises(AuthorityUnavailable, match="lack time stamps"):
        pipeline.verdict(stamped.settings, "timestamp")
    with pytest.raises(AuthorityUnavailable, match="expire from"):
        pipeline.verdict(stamped.settings, "renew_timestamps")
    pipeline.verdict(replace(stamped.settings, renew_before_days=10), "renew_timestamps")


def test_a_slow_authority_holds_up_no_other(stamped):
    """All are asked at the same time: whoever waits for the others would never be answered."""
    together = threading.Barrier(len(NAMES), timeout=30)
    for name in NAMES:
        stamped.before[name] = together.wait

    [batch] = stamped.seal()

    assert stamped.document(batch)["status"] == "sealed"
