"""A receipt's proof: accepted as it is, and each change to any of it found, by two checkers."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from preservation import pipeline, settings
from preservation.custody import CustodyLog, SigningKey, TreeHead, sign_note
from preservation.errors import BadInput, Unavailable
from preservation.model.canonical import canonical_json
from preservation.model.findings import Severity
from preservation.model.tables import row_digest
from preservation.pipeline.archive import open_archive
from preservation.pipeline.remembering import GROWTH
from preservation.settings import AuthoritySettings, parse_networks
from preservation.state import open_database
from preservation.submission import add_agreement, add_organisation, submit
from preservation.verify.receipt import check_receipt
from tests.fakes.list_server import list_server
from tests.fakes.time_stamp_forger import Forger, authority_that


class Sender:
    """A deployment, and what two organisations send to it."""

    def __init__(self, home: Path) -> None:
        self.home = pipeline.initialise(home).home
        self.changes: dict[str, object] = {}
        """What is other than in the home's settings."""
        for name in ("one", "two"):
            add_organisation(self._database, name, name=name)
            add_agreement(self._database, name, {})

    @property
    def _database(self):
        return open_database(self.settings.database_url)

    @property
    def settings(self):
        return replace(settings.load(self.home), **self.changes)

    def send(self, organisation: str, *texts: str) -> str:
        """Submit files with these words; the submission's identifier."""
        folder = self.home.parent / f"sent-{organisation}"
        folder.mkdir(exist_ok=True)
        paths = []
        for text in texts:
            paths.append(folder / f"{text}.txt")
            paths[-1].write_text(f"What {organisation} says: {text}.")
        given = tuple(map(str, paths))
        answer = submit(self._database, self.settings, organisation_id=organisation, sources=given)
        return answer.submission_id

    def work(self, *, seal: bool = True) -> None:
        """Capture and describe what was sent, and seal it."""
        pipeline.plan(self.settings)
        for batch_id in pipeline.open_batches(self.settings, "submitted"):
            pipeline.capture_batch(self.settings, batch_id)
            pipeline.characterise_batch(self.settings, batch_id)
        if seal:
            pipeline.seal_ready(self.settings)

    def returned(self, submission_id: str) -> Path:
        return self.home / "returned" / submission_id


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """One organisation's submission in two batches, the log's key rotated between them, and another's."""
    sender = Sender(tmp_path_factory.mktemp("receipts") / "home")
    submission = sender.send("one", "alpha", "beta")
    other = sender.send("two", "gamma")
    sender.work()
    pipeline.rotate_log_key(sender.settings)
    pipeline.seal_ready(sender.settings)
    pipeline.prove_receipt(sender.settings, submission)
    return sender, submission, other


@pytest.fixture
def held(sent, tmp_path) -> tuple[Path, Path]:
    """The receipt's folder and the trust directory, as copies."""
    sender, submission, _ = sent
    return (
        shutil.copytree(sender.returned(submission), tmp_path / "receipt"),
        shutil.copytree(sender.home / "trust", tmp_path / "trust"),
    )


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A proof under a token whose authority publishes a revocation list; and that authority."""
    folder = tmp_path_factory.mktemp("listed")
    with list_server() as server:
        north = Forger(folder / "north", name="north", list_url=f"{server.url}/north.crl")
        server.answers["/north.crl"] = north.revocation_list().public_bytes(Encoding.DER)
        with authority_that(north.answer) as url:
            sender = Sender(folder / "home")
            sender.changes = {
                "authorities": (AuthoritySettings(name="north", url=url, roots=north.roots),),
                "allow_networks": parse_networks("127.0.0.0/8"),
            }
            submission = sender.send("one", "alpha")
            sender.work()
        pipeline.prove_receipt(sender.settings, submission)
    (sender.settings.trust / "north.pem").write_bytes(north.roots.read_bytes())
    return sender.returned(submission), sender.settings.trust, north


def _broken(folder: Path, trust: Path) -> set[str]:
    return {finding.rule for finding in check_receipt(folder, trust).broken}


def _alone(folder: Path, trust: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-S", folder / "verify.py", "--receipt", folder / "proof.json"]
    return subprocess.run([*command, "--trust", trust], capture_output=True, text=True)


def test_a_proof_is_accepted_and_says_who_vouches_for_the_time(held):
    verdict = check_receipt(*held)

    assert verdict.verdict == "proven", verdict.findings
    assert verdict.trusted_time == "test authority only"
    assert verdict.counts["rows"] == 3


def test_the_verifier_beside_the_receipt_accepts_it_without_our_code(held):
    done = _alone(*held)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_proof_brings_the_revocation_lists_that_its_tokens_are_judged_by(listed, tmp_path):
    returned, trust, north = listed
    revoked = north.revocation_list(revoked_at=datetime.now(UTC)).public_bytes(Encoding.PEM).decode()
    seen = {}
    for name, lists in {"kept": None, "none": "", "revoking": revoked, "torn": revoked[:200]}.items():
        folder = shutil.copytree(returned, tmp_path / name)
        document = json.loads((folder / "proof.json").read_bytes())
        for token in document["tokens"]:
            token["crl_pem"] = token["crl_pem"] if lists is None else lists
        (folder / "proof.json").write_bytes(canonical_json(document))
        seen[name] = check_receipt(folder, trust).exit_code, _alone(folder, trust).returncode

    assert seen == {"kept": (0, 0), "none": (4, 4), "revoking": (1, 1), "torn": (4, 4)}


def test_the_commands_of_the_guide_check_the_folder_that_goes_back(held):
    folder, _ = held
    guide = (Path(__file__).parents[2] / "docs/submitting.md").read_text("utf-8")
    [block] = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    for command in block.splitlines():
        done = subprocess.run(
            command.split(),
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)


def test_the_program_makes_a_proof_and_judges_it(sent, held):
    sender, submission, _ = sent
    folder, trust = held
    made = _preserve("receipt", "prove", submission, "--home", sender.home, "--json")
    good = _preserve("receipt", "check", folder, "--trust", trust, "--json")
    (folder / "receipt.sig").write_bytes(b"\0" * 64)
    bad = _preserve("receipt", "check", folder, "--trust", trust)
    elsewhere = _preserve("receipt", "check", trust, "--trust", trust)

    assert (made.returncode, json.loads(made.stdout)["pending"]) == (0, [])
    assert (good.returncode, json.loads(good.stdout)["verdict"]) == (0, "proven")
    assert (bad.returncode, "receipt-signature" in bad.stdout) == (1, True)
    assert (elsewhere.returncode, "no receipt.json" in elsewhere.stderr) == (2, True)


def _preserve(*arguments: object) -> subprocess.CompletedProcess:
    command = [Path(sys.executable).with_name("preserve"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_proof_holds_the_submission_s_own_rows_and_nobody_else_s(sent):
    sender, submission, other = sent
    proof = (sender.returned(submission) / "proof.json").read_text()
    theirs = json.loads((sender.returned(other) / "proof.json").read_text())
    foreign = {str(row["row"].get(name)) for row in theirs["rows"] for name in row["row"]} - {"None"}
    own = json.loads(proof)["rows"]

    assert {row["row"]["submission_id"] for row in own} == {submission}
    assert other not in proof
    identifying = {value for value in foreign if len(value) > 30} - {
        str(row["row"].get(name)) for row in own for name in row["row"]
    }
    assert identifying
    assert not [value for value in identifying if value in proof]


def test_the_members_of_a_proof_change_with_each_rotation_and_are_followed(held):
    folder, trust = held
    lines = (trust / "log.vkey").read_text().splitlines()

    assert len(lines) == 2
    for pinned in (lines[:1], lines[1:]):
        (trust / "log.vkey").write_text("\n".join(pinned) + "\n")
        assert check_receipt(folder, trust).verdict == "proven"


def _leaves(value, path=()):
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _leaves(member, (*path, index))
    else:
        yield path, value


def _changed(value):
    if isinstance(value, bool) or value is None:
        return "changed"
    if isinstance(value, int):
        return value + 1
    if not value:
        return "changed"
    middle = len(value) // 2
    return value[:middle] + ("0" if value[middle] != "0" else "1") + value[middle + 1 :]


def test_each_member_of_a_proof_that_is_changed_is_found(held):
    folder, trust = held
    proof = json.loads((folder / "proof.json").read_bytes())
    unnoticed = []
    for path, value in list(_leaves(proof)):
        forged = deepcopy(proof)
        place = forged
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = _changed(value)
        (folder / "proof.json").write_bytes(canonical_json(forged))
        if check_receipt(folder, trust).verdict == "proven":
            unnoticed.append(path)

    assert unnoticed == []


def test_each_part_of_a_proof_that_is_taken_out_is_found(held):
    folder, trust = held
    proof = json.loads((folder / "proof.json").read_bytes())
    for name, members in proof.items():
        for index in range(len(members)) if isinstance(members, list) else ():
            forged = {**proof, name: members[:index] + members[index + 1 :]}
            (folder / "proof.json").write_bytes(canonical_json(forged))
            assert check_receipt(folder, trust).verdict != "proven", (name, index)
        forged = {key: value for key, value in proof.items() if key != name}
        (folder / "proof.json").write_bytes(canonical_json(forged))
        assert _broken(folder, trust) == {"proof"}


def test_a_row_rewritten_with_its_digest_is_found(held):
    folder, trust = held
    proof = json.loads((folder / "proof.json").read_bytes())
    row = proof["rows"][1]["row"]
    row["outcome"] = "not-captured"
    row["row_sha256"] = row_digest(row)
    (folder / "proof.json").write_bytes(canonical_json(proof))

    assert _broken(folder, trust) == {"row-not-logged"}


def test_an_entry_rewritten_to_name_a_forged_row_is_found(held):
    folder, trust = held
    proof = json.loads((folder / "proof.json").read_bytes())
    entry = json.loads(proof["entries"][0]["line"])
    entry["body"]["rows"] = {"submissions": ["0" * 64]}
    proof["entries"][0]["line"] = canonical_json(entry).decode()
    (folder / "proof.json").write_bytes(canonical_json(proof))

    assert "inclusion" in _broken(folder, trust)


def test_another_submission_s_proof_does_not_serve(sent, held):
    sender, _, other = sent
    folder, trust = held
    shutil.copy(sender.returned(other) / "proof.json", folder / "proof.json")

    assert {"proof-subject", "foreign-row"} <= _broken(folder, trust)


def test_another_archive_s_log_does_not_serve(held, tmp_path):
    folder, _ = held
    stranger = Sender(tmp_path / "stranger/home")
    shutil.copy(folder.parent / "trust/receipt.pub.pem", stranger.home / "trust/receipt.pub.pem")

    assert _broken(folder, stranger.home / "trust")


def test_what_is_not_trusted_here_is_a_gap_and_no_lie(held):
    folder, trust = held
    for name, rule in (
        ("receipt.pub.pem", "no-trusted-receipt-key"),
        ("log.vkey", "no-trusted-key"),
        ("test-authority.pem", "no-trusted-roots"),
    ):
        kept = (trust / name).read_bytes()
        (trust / name).unlink()
        verdict = check_receipt(folder, trust)
        assert verdict.verdict == "incomplete"
        assert rule in {finding.rule for finding in verdict.findings}
        (trust / name).write_bytes(kept)


@pytest.mark.parametrize("name", ["test-authority.pem", "test-authority.crl.pem", "x.checkpoint"])
def test_what_can_not_be_read_of_what_is_trusted_refutes_nothing(held, name):
    folder, trust = held
    (trust / name).unlink(missing_ok=True)
    os.mkfifo(trust / name)

    verdict = check_receipt(folder, trust)

    assert not verdict.broken
    assert {"no-trusted-roots", "revocation-list", "remembered-checkpoint"} & {
        finding.rule for finding in verdict.findings
    }


def test_a_checkpoint_seen_elsewhere_shows_that_the_log_was_rewritten(sent, held):
    folder, trust = held
    proof = json.loads((folder / "proof.json").read_bytes())
    origin, size, _ = proof["checkpoints"][0]["note"].split("\n")[:3]
    forger = SigningKey.load(sent[0].home / "keys/log.pem")
    fork = TreeHead(origin, int(size), b"\1" * 32)
    (trust / "seen.checkpoint").write_bytes(sign_note(fork.text, forger))

    assert "log-forked-or-rewritten" in _broken(folder, trust)


def test_a_checkpoint_of_another_size_is_asked_to_be_joined_and_both_verifiers_say_so(sent, held):
    folder, trust = held
    log = CustodyLog(open_archive(sent[0].settings), sent[0].settings.log_origin)
    sizes = [c["size"] for c in json.loads((folder / "proof.json").read_bytes())["checkpoints"]]
    (trust / GROWTH).unlink()
    (trust / "seen.checkpoint").write_bytes(log.read_checkpoint(1).body)

    gaps = [f.rule for f in check_receipt(folder, trust).findings if f.severity is Severity.GAP]
    assert gaps == ["remembered-checkpoint"]
    assert _alone(folder, trust).returncode == 4

    newest = max(sizes)
    proof = [node.hex() for node in log.consistency_proof(1, newest)]
    step = {"new_size": newest, "old_size": 1, "proof": proof}
    (trust / "later.consistency.jsonl").write_bytes(canonical_json(step) + b"\n")

    assert check_receipt(folder, trust).verdict == "proven"
    assert _alone(folder, trust).returncode == 0


def test_a_proof_from_before_a_handover_needs_a_later_checkpoint_and_both_verifiers_say_so(tmp_path):
    sender = Sender(tmp_path / "home")
    submission = sender.send("one", "alpha")
    sender.work()
    folder = pipeline.prove_receipt(sender.settings, submission)[0].parent
    folder, trust = shutil.copytree(folder, tmp_path / "receipt"), sender.home / "trust"
    pipeline.rotate_log_key(sender.settings)
    pipeline.seal_ready(sender.settings)

    joined = check_receipt(folder, trust), _alone(folder, trust).returncode
    for name in ("log.checkpoint", GROWTH):
        (trust / name).unlink()
    verdict = check_receipt(folder, trust)

    assert (joined[0].verdict, joined[1]) == ("proven", 0)
    gaps = [f.rule for f in verdict.findings if f.severity is Severity.GAP]
    assert (gaps, _alone(folder, trust).returncode) == (["key-not-reached"], 4)


def test_how_a_log_grew_in_many_years_is_read_by_both_verifiers(sent, held):
    """Each checkpoint adds a line of a kilobyte or two to ``log.consistency.jsonl``."""
    folder, trust = held
    log = CustodyLog(open_archive(sent[0].settings), sent[0].settings.log_origin)
    newest = max(c["size"] for c in json.loads((folder / "proof.json").read_bytes())["checkpoints"])
    (trust / "seen.checkpoint").write_bytes(log.read_checkpoint(1).body)
    steps = [(1, newest, [node.hex() for node in log.consistency_proof(1, newest)])]
    steps += [(size, size + 1, ["00" * 32] * 120) for size in range(10**6, 10**6 + 2200)]
    with (trust / GROWTH).open("wb") as stream:
        for old, new, proof in steps:
            step = {"new_size": new, "old_size": old, "proof": proof}
            stream.write(canonical_json(step) + b"\n")

    assert check_receipt(folder, trust).verdict == "proven"
    assert _alone(folder, trust).returncode == 0


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff", b'{"version":1}', b"[" * 100_000, b"null"], ids=repr
)
@pytest.mark.parametrize("name", ["receipt.json", "proof.json", "receipt.sig"])
def test_garbage_is_a_finding_and_never_a_traceback(held, name, content):
    folder, trust = held
    (folder / name).write_bytes(content)

    assert check_receipt(folder, trust).verdict == "broken"


@pytest.mark.parametrize("name", ["receipt.sig", "proof.json"])
def test_a_pipe_in_the_folder_does_not_hang_the_check(held, name):
    folder, trust = held
    (folder / name).unlink()
    os.mkfifo(folder / name)

    assert check_receipt(folder, trust).verdict == "broken"


def test_a_receipt_whose_signature_was_lost_is_incomplete(held):
    folder, trust = held
    (folder / "receipt.sig").unlink()

    verdict = check_receipt(folder, trust)

    assert (verdict.verdict, "tokens" in verdict.counts) == ("incomplete", True)
    assert "receipt-not-signed" in {finding.rule for finding in verdict.findings}


def test_a_key_of_another_kind_refutes_no_receipt(held):
    folder, trust = held
    command = ["openssl", "genpkey", "-algorithm", "x25519"]
    private = subprocess.run(command, capture_output=True, check=True).stdout
    command = ["openssl", "pkey", "-pubout", "-out", trust / "receipt.pub.pem"]
    subprocess.run(command, input=private, check=True)

    assert check_receipt(folder, trust).verdict == "incomplete"
    assert _alone(folder, trust).returncode == 4


def test_a_receipt_without_a_proof_is_incomplete(held):
    folder, trust = held
    (folder / "proof.json").unlink()

    [finding] = check_receipt(folder, trust).findings
    assert (finding.rule, finding.severity) == ("no-proof", Severity.GAP)


def test_a_proof_made_early_names_what_is_not_sealed_and_is_renewed_later(tmp_path):
    sender = Sender(tmp_path / "home")
    submission = sender.send("one", "alpha")
    with pytest.raises(Unavailable, match="isn't sealed"):
        pipeline.prove_receipt(sender.settings, submission)
    assert not (sender.returned(submission) / "proof.json").exists()
    pipeline.rotate_log_key(sender.settings)
    pipeline.seal_ready(sender.settings)

    path, pending = pipeline.prove_receipt(sender.settings, submission)
    early = check_receipt(path.parent, sender.home / "trust")
    alone = _alone(path.parent, sender.home / "trust")
    sender.work()
    late = check_receipt(path.parent, sender.home / "trust")

    assert [entry["row"] for entry in pending] == [1]
    assert alone.returncode == 4, alone.stdout + alone.stderr
    assert early.verdict == "incomplete"
    assert {f.rule for f in early.findings if f.severity is Severity.GAP} == {"not-sealed-yet"}
    assert late.verdict == "proven"


def test_no_proof_is_made_for_a_submission_that_nobody_made(sent):
    sender, _, _ = sent

    with pytest.raises(BadInput, match="no submission"):
        pipeline.prove_receipt(sender.settings, "nonsense")


def test_openssl_alone_checks_the_receipt_and_the_token_in_the_proof(held, tmp_path):
    folder, trust = held
    proof = json.loads((folder / "proof.json").read_bytes())
    token = proof["tokens"][0]
    note = next(c["note"] for c in proof["checkpoints"] if c["size"] == token["size"])
    (tmp_path / "note").write_text(note)
    (tmp_path / "token").write_bytes(base64.b64decode(token["token"]))
    receipt = (
        f"openssl pkeyutl -verify -pubin -inkey {trust}/receipt.pub.pem -rawin "
        f"-in {folder}/receipt.json -sigfile {folder}/receipt.sig"
    )
    stamp = f"openssl ts -verify -data note -in token -CAfile {trust}/{token['authority']}.pem"

    for command in (receipt, stamp):
        done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
