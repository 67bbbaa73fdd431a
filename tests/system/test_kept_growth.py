"""Older bags and receipts beside a newer kept checkpoint: ``trust/`` says how the log grew since."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from preservation import pipeline
from preservation.pipeline.remembering import GROWTH
from preservation.submission.receipts import receipt_folder
from preservation.verify.receipt import check_receipt
from tests.fakes.own_home import OwnHome


class Kept:
    """A deployment, and a bag and a receipt that were made when it had sealed once."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.own = OwnHome(folder / "home")
        answer = self.seal("first")
        settings = self.own.settings
        self.bag, self.receipt = self.export(answer, "bag"), folder / "receipt"
        shutil.copytree(receipt_folder(settings, answer.submission_id), self.receipt)

    @property
    def growth(self):
        return self.own.settings.trust / GROWTH

    def seal(self, words: str):
        path = self.folder / f"{words}.txt"
        path.write_text(words)
        answer = self.own.submit(str(path))
        self.own.run()
        return answer

    def export(self, answer, name: str):
        target = self.folder / name
        request = pipeline.ExportRequest(
            item_ids=[answer.rows[0].item_id], target=target, recipient="Court", languages=["en"]
        )
        pipeline.export_bag(self.own.settings, request)
        return target

    def judged(self) -> list[int]:
        """Exit codes of the bag's verifier over the bag, and over the receipt; of ours, 0 for proven."""
        trust = self.own.settings.trust
        ours = check_receipt(self.receipt, trust).verdict
        return [self._verified(self.bag, trust), self._verified(None, trust), int(ours != "proven")]

    def _verified(self, bag, trust) -> int:
        subject = [bag] if bag else ["--receipt", self.receipt / "proof.json"]
        command = [sys.executable, "-I", "-S", self.bag / "verify.py", *subject, "--trust", trust]
        return subprocess.run(command, capture_output=True).returncode


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path)


def test_what_was_proven_stays_so_when_the_log_has_grown(kept):
    assert kept.judged() == [0, 0, 0]

    for words in ("second", "third"):
        kept.seal(words)

    assert kept.judged() == [0, 0, 0]
    kept.growth.unlink()
    assert kept.judged() == [4, 4, 1]


def test_a_bag_later_than_both_joins_an_older_one_to_a_checkpoint_that_was_kept(kept):
    trust = kept.own.settings.trust
    kept.seal("second")
    (trust / "log.checkpoint").replace(trust / "kept.checkpoint")
    later = kept.export(kept.seal("third"), "later")
    (trust / "log.checkpoint").unlink()
    kept.growth.unlink()
    assert kept.judged() == [4, 4, 1]

    shutil.copy(later / "data/log/consistency.jsonl", trust / "later.consistency.jsonl")

    assert kept.judged() == [0, 0, 0]


@pytest.mark.parametrize("content", [None, b"", b"torn", b'{"new_size":"a"}\n', b"[]\n", b"\xff\n"])
def test_what_was_lost_of_it_is_made_again_from_the_log(kept, content):
    kept.growth.unlink()
    if content is not None:
        kept.growth.write_bytes(content)

    kept.seal("second")

    assert kept.judged() == [0, 0, 0]
