"""Many batches under one checkpoint: each authority is asked once for all of them."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from click.testing import CliRunner

from preservation import clock, pipeline
from preservation.cli import preserve
from preservation.errors import BadInput, StoreConflict, StoreUnavailable
from preservation.manifest import newest_seals
from preservation.model.digests import sha256_of
from preservation.pipeline.archive import open_archive
from preservation.pipeline.held_stamps import list_timestamps
from preservation.pipeline.places import Place, store_of
from preservation.pipeline.sealing.rows import blob_key
from preservation.settings import AuthoritySettings, StorageSettings
from preservation.store.disk import DiskStore
from preservation.submission.inbox import inbox_key
from preservation.submission.receipts import receipt_folder
from preservation.verify import verify_archive
from tests.fakes.calendar import calendar_server
from tests.fakes.own_home import LIMITS, OwnHome
from tests.fakes.time_stamp_forger import Forger, authority_that

NAMES = ("north", "south")
ITEMS = 5


class Killed(BaseException):
    """The process ends here."""


class Rounds(OwnHome):
    """A home that seals two items in a batch, with two authorities that count."""

    def __init__(self, home, stack: ExitStack) -> None:
        super().__init__(home, limits=replace(LIMITS, seal_items=2))
        self.asked: list[str] = []
        self.silent: set[str] = set()
        forgers = {name: Forger(home / "forgers" / name, name=name) for name in NAMES}
        authorities = []
        for name, forger in forgers.items():

            def answer(query, name=name, forger=forger):
                self.asked.append(name)
                silent = name in self.silent
                return b"" if silent else forger.answer(query, gen_time=clock.now())

            roots = self.settings.trust / f"{name}.pem"
            roots.write_bytes(forger.roots.read_bytes())
            url = stack.enter_context(authority_that(answer))
            authorities.append(AuthoritySettings(name=name, url=url, roots=roots))
        replica = StorageSettings(folder=home / "replica")
        self.settings = replace(self.settings, authorities=tuple(authorities), replica=replica)

    def take(self, folder, count: int = ITEMS):
        """*count* files, captured and described; not sealed."""
        folder.mkdir()
        files = [folder / f"{number}.txt" for number in range(count)]
        for file in files:
            file.write_text(f"the content of {file}")
        answer = self.submit(*map(str, files))
        self.characterise(self.capture())
        return answer

    def die(self, at: str, act=pipeline.seal_ready, *, after: int = 1) -> None:
        """Do *act* up to the store's write to the *after*-th key that begins and ends as *at*."""
        start, _, end = at.partition("*")
        writes = count(1)

        def deadly(write):
            def deadly_write(store, key, *content):
                answer = write(store, key, *content)
                if key.startswith(start) and key.endswith(end) and next(writes) == after:
                    raise Killed
                return answer

            return deadly_write

        with pytest.MonkeyPatch.context() as places:
            for name in ("put", "put_file", "take_file", "claim"):
                places.setattr(DiskStore, name, deadly(getattr(DiskStore, name)))
            with pytest.raises(Killed):
                act(self.settings)

    def told(self, answer) -> list[str]:
        """The statuses in the list that went back to whoever submitted; none if none went back."""
        back = receipt_folder(self.settings, answer.submission_id) / "list.filled.csv"
        if not back.exists():
            return []
        with back.open(encoding="utf-8-sig", newline="") as stream:
            return [row["preserve_status"] for row in csv.DictReader(stream)]

    def is_clear(self) -> bool:
        """Whether no work is left behind."""
        folders = ("rounds", "batches", "captures")
        return not any(any((self.settings.work / name).glob("*")) for name in folders)

    @property
    def store(self):
        return open_archive(self.settings)

    def verdict(self):
        return verify_archive(self.store, self.settings)


@pytest.fixture
def rounds(tmp_path):
    with ExitStack() as stack:
        yield Rounds(tmp_path / "home", stack)


def test_each_authority_is_asked_once_for_all_batches_of_a_round(rounds, tmp_path):
    rounds.take(tmp_path / "files")

    sealed = pipeline.seal_ready(rounds.settings)

    seals = list(newest_seals(rounds.store))
    # Once for the founding checkpoint, once for the round.
    assert sorted(rounds.asked) == sorted(NAMES * 2)
    assert len(sealed) == len(seals) == 3
    assert len({seal["checkpoint"]["key"] for seal in seals}) == 1
    assert len({stamp["token_key"] for seal in seals for stamp in seal["timestamps"]}) == len(NAMES)
    assert rounds.verdict().verdict == "proven"
    assert pipeline.seal_ready(rounds.settings) == []


def test_audit_copy_proof_and_bag_know_such_batches(rounds, tmp_path):
    answer = rounds.take(tmp_path / "files")
    pipeline.seal_ready(rounds.settings)
    items = [row.item_id for row in answer.rows]

    copied = pipeline.replicate(rounds.settings)
    audited = [pipeline.audit(rounds.settings, place=place) for place in Place]
    bag = tmp_path / "bag"
    request = pipeline.ExportRequest(
        item_ids=items[1:4], target=bag, recipient="Court", languages=["en"]
    )
    pipeline.export_bag(rounds.settings, request)
    judged = subprocess.run(
        [sys.executable, "-I", "-S", bag / "verify.py", bag, "--trust", rounds.settings.trust],
        capture_output=True,
        text=True,
    )

    assert copied["seals"] == 3
    assert [one["damaged"] for one in audited] == [[], []]
    assert judged.returncode in {0, 4}, judged.stdout + judged.stderr
    _, pending = pipeline.prove_receipt(rounds.settings, answer.submission_id)
    assert not pending


def test_batches_that_lack_a_token_ask_for_it_once_and_share_it(rounds, tmp_path):
    rounds.silent = {"south"}
    rounds.take(tmp_path / "files")
    sealed = pipeline.seal_ready(rounds.settings)
    rounds.asked.clear()

    still = pipeline.stamp_pending(rounds.settings)
    asked_in_vain = list(rounds.asked)
    rounds.silent.clear()
    reached = pipeline.stamp_pending(rounds.settings)

    assert still == dict.fromkeys(sealed, "partial")
    assert asked_in_vain == ["south"]
    assert reached == dict.fromkeys(sealed, "sealed")
    assert rounds.asked == ["south", "south"]
    held = {stamp.token_key for stamp in list_timestamps(rounds.settings) if stamp.authority == "south"}
    assert len(held - {None}) == 1
    assert rounds.verdict().verdict == "proven"


def test_a_batch_that_can_not_be_published_leaves_those_before_it_sealed(rounds, tmp_path):
    rounds.take(tmp_path / "files")
    sha256 = sha256_of((tmp_path / "files" / f"{ITEMS - 1}.txt").read_bytes())
    squatter = rounds.settings.archive / blob_key(sha256)
    squatter.parent.mkdir(parents=True)
    squatter.write_text("something else")

    with pytest.raises(StoreConflict):
        pipeline.seal_ready(rounds.settings)

    assert len(list(newest_seals(rounds.store))) == 2


def test_submitters_hear_of_what_was_sealed_before_a_batch_that_can_not_be(rounds, tmp_path):
    sealed = rounds.take(tmp_path / "sealed", 2)
    waiting = rounds.take(tmp_path / "waiting", 2)
    squatter = rounds.settings.archive / blob_key(sha256_of((tmp_path / "waiting/1.txt").read_bytes()))
    squatter.parent.mkdir(parents=True)
    squatter.write_text("something else")

    with pytest.raises(StoreConflict):
        pipeline.seal_ready(rounds.settings)

    assert rounds.told(sealed) == ["preserved", "preserved"]
    assert rounds.told(waiting) == []


def test_submitters_of_a_run_that_ended_before_their_sheets_hear_of_the_next(rounds, tmp_path):
    answer = rounds.take(tmp_path / "files", 2)

    def die(said: str) -> None:
        if said.startswith("sealed batch"):
            raise Killed

    with pytest.raises(Killed):
        pipeline.seal_ready(rounds.settings, die)
    assert rounds.told(answer) == []

    assert pipeline.seal_ready(rounds.settings) == []
    assert rounds.told(answer) == ["preserved"] * 2


def test_a_later_token_goes_into_the_proofs_of_the_submitters(rounds, tmp_path):
    rounds.silent = {"south"}
    answer = rounds.take(tmp_path / "files")
    pipeline.seal_ready(rounds.settings)
    proof = receipt_folder(rounds.settings, answer.submission_id) / "proof.json"
    before = proof.read_bytes()

    rounds.silent.clear()
    pipeline.stamp_pending(rounds.settings)

    assert (b'"south"' in before, b'"south"' in proof.read_bytes()) == (False, True)


def test_a_sheet_that_was_lost_keeps_no_other_back(rounds, tmp_path):
    given = tmp_path / "sheet.csv"
    (tmp_path / "named.txt").write_text("named in a sheet")
    given.write_text("file\nnamed.txt\n")
    lost = rounds.submit(str(given))
    other = rounds.take(tmp_path / "files", 1)
    (rounds.settings.inbox / inbox_key(sha256_of(given.read_bytes()))).unlink()
    said: list[str] = []

    pipeline.seal_ready(rounds.settings, said.append)

    assert any(lost.submission_id in line for line in said)
    assert not any("sheet.csv" in line for line in said)
    assert rounds.told(other) == ["preserved"]
    assert (receipt_folder(rounds.settings, lost.submission_id) / "proof.json").is_file()
    with pytest.raises(BadInput, match=lost.submission_id):
        pipeline.return_sheet(rounds.settings, lost.submission_id)


def test_a_seal_names_what_was_logged_even_if_the_staged_files_were_lost(rounds, tmp_path):
    rounds.take(tmp_path / "files")
    rounds.die("log/checkpoints/*")
    shutil.rmtree(rounds.settings.work / "batches")

    sealed = pipeline.seal_ready(rounds.settings)

    assert len(sealed) == 3
    assert rounds.verdict().verdict == "proven"


def test_what_a_sealer_left_after_a_seal_is_cleared_by_the_next(rounds, tmp_path, monkeypatch):
    rounds.take(tmp_path / "files")

    def die(*_):
        raise Killed

    with monkeypatch.context() as places:
        places.setattr(pipeline.sealing, "clear_batch", die)
        with pytest.raises(Killed):
            pipeline.seal_ready(rounds.settings)

    assert len(pipeline.seal_ready(rounds.settings)) == 2
    assert rounds.is_clear()
    assert not any(path.is_file() for path in rounds.settings.inbox.rglob("*"))


@pytest.mark.parametrize(
    ("at", "after"),
    [("log/checkpoints/*", 1), ("log/tokens/*/south.chain.pem", 2), ("batches/*timestamps.parquet", 2)],
)
def test_a_round_that_was_forgotten_gets_the_checkpoint_that_it_had(rounds, tmp_path, at, after):
    rounds.take(tmp_path / "files")
    rounds.die(at, after=after)
    shutil.rmtree(rounds.settings.work / "rounds")
    rounds.take(tmp_path / "more")

    pipeline.seal_ready(rounds.settings)

    sizes = [seal["checkpoint"]["size"] for seal in newest_seals(rounds.store)]
    assert len(set(sizes[:3])) == 1
    assert len(set(sizes)) == 2
    assert rounds.verdict().verdict == "proven"
    assert pipeline.audit(rounds.settings)["damaged"] == []


def test_newer_entries_do_not_hide_that_tokens_came_late(rounds, tmp_path, monkeypatch):
    rounds.take(tmp_path / "files")
    rounds.die("log/entries/*", after=2)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=1))

    pipeline.seal_ready(rounds.settings)

    late = [{stamp["is_late"] for stamp in seal["timestamps"]} for seal in newest_seals(rounds.store)]
    assert late == [{True}, {True}, {False}]
    assert rounds.verdict().verdict == "proven"


def test_a_seal_under_a_key_that_is_gone_stands(rounds, tmp_path):
    rounds.take(tmp_path / "files")
    rounds.die("seals/*")
    pipeline.rotate_log_key(rounds.settings)
    for retired in rounds.settings.keys.glob("log.????????.pem"):
        retired.unlink()

    pipeline.seal_ready(rounds.settings)

    assert rounds.verdict().verdict == "proven"


def test_a_calendar_without_a_block_is_asked_once_for_all_batches(rounds, tmp_path):
    with calendar_server() as calendar:
        rounds.settings = replace(rounds.settings, calendars=(calendar.url,))
        rounds.take(tmp_path / "files")
        pipeline.seal_ready(rounds.settings)

        pipeline.stamp_pending(rounds.settings)

        assert len(calendar.digests) == 1
        assert len(calendar.asked) == 1


def test_an_anchor_of_a_killed_run_is_no_stranger_while_one_of_the_seals_waits(rounds, tmp_path):
    with calendar_server() as calendar:
        rounds.settings = replace(rounds.settings, calendars=(calendar.url,))
        rounds.silent = {"south"}
        rounds.take(tmp_path / "files")
        pipeline.seal_ready(rounds.settings)
        rounds.silent.clear()
        rounds.die("seals/*.2.json", pipeline.stamp_pending)
        calendar.reach_block(900_000, int(clock.now().timestamp()))
        pipeline.stamp_pending(rounds.settings)

        # The first batch goes on from its second edition; the others are done with theirs.
        rounds.die("log/tokens/*.3.ots", pipeline.stamp_pending)
        killed = rounds.verdict()
        pipeline.stamp_pending(rounds.settings)

    assert killed.verdict == "incomplete", killed.findings
    assert rounds.verdict().verdict == "proven"


def test_shared_tokens_are_counted_and_listed_once(rounds, tmp_path):
    rounds.take(tmp_path / "files")
    pipeline.seal_ready(rounds.settings)
    rounds.settings = replace(rounds.settings, renew_before_days=365)

    listed = CliRunner().invoke(preserve, ["timestamps", "--home", str(rounds.settings.home)])
    renewed = pipeline.renew_timestamps(rounds.settings)

    # Two over the founding checkpoint, two over that of the round.
    assert rounds.verdict().counts["tokens"] == 4
    assert listed.output.count("accepted") == 4
    assert renewed["expiring"] == len(set(renewed["left"])) == len(renewed["left"]) == 4


def test_a_receipt_brings_every_token_over_its_checkpoint(rounds, tmp_path):
    rounds.silent = {"south"}
    answer = rounds.take(tmp_path / "files")
    pipeline.seal_ready(rounds.settings)
    rounds.silent.clear()
    rounds.die("seals/*.2.json", pipeline.stamp_pending)

    path, _ = pipeline.prove_receipt(rounds.settings, answer.submission_id)

    assert len(list(rounds.store.keys("seals/"))) == 4
    tokens = json.loads(path.read_bytes())["tokens"]
    assert sorted(token["authority"] for token in tokens) == sorted(NAMES)


def test_a_copy_that_breaks_off_has_no_segment_without_the_one_before(rounds, tmp_path, monkeypatch):
    rounds.settings = replace(rounds.settings, limits=replace(LIMITS, seal_items=1))
    rounds.take(tmp_path / "files")
    pipeline.seal_ready(rounds.settings)
    segments = list(rounds.store.keys("log/entries/"))
    real = DiskStore.put_file

    def put_file(store, key, *content):
        if key == segments[2]:
            raise StoreUnavailable("It is away for a moment.")
        real(store, key, *content)

    with monkeypatch.context() as places:
        places.setattr(DiskStore, "put_file", put_file)
        with pytest.raises(StoreUnavailable):
            pipeline.replicate(rounds.settings)
    copied = list(store_of(rounds.settings, Place.REPLICA).keys("log/"))

    assert copied == segments[:2]
    assert pipeline.replicate(rounds.settings)["seals"] == ITEMS
    assert pipeline.audit(rounds.settings, place=Place.REPLICA)["damaged"] == []
