"""`kill -9` of a witness in mid-write: whatever it acknowledged stands, and it never cosigns a fork."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from pathlib import Path

import pytest

from preservation.custody import open_note
from preservation.witness import WitnessMemory
from preservation.witness.cosigning import add_checkpoint
from tests.fakes.witnessed_log import WitnessedLog

ROOT = Path(__file__).resolve().parents[2]
KILLS = 8

COSIGN = """
import sys
from pathlib import Path
from preservation.witness import WitnessMemory
from preservation.witness.cosigning import add_checkpoint
from tests.fakes.witnessed_log import WitnessedLog

memory, log = WitnessMemory(Path(sys.argv[1])), WitnessedLog()
seen = memory.latest(log.key.public.name)
for size in range(seen[0].size if seen else 1, 300):
    old = seen[0].size if seen else 0
    assert add_checkpoint(memory, log.request(old, size)).status == 200
    seen = memory.latest(log.key.public.name)
    print(size, flush=True)
"""


@pytest.fixture
def folder(tmp_path):
    WitnessMemory.create(tmp_path / "witness", "witness.invalid/w")
    (tmp_path / "witness/logs/one.vkey").write_text(f"{WitnessedLog().key.public}\n")
    return tmp_path / "witness"


def test_a_witness_killed_at_any_moment_remembers_all_that_it_cosigned(folder):
    log, chance, acknowledged = WitnessedLog(), random.Random(7), 0
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", COSIGN, folder], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for line in itertools.islice(child.stdout, chance.randrange(1, 25)):
            acknowledged = int(line)
        child.kill()
        acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
        child.wait()

        memory = WitnessMemory(folder)
        head, note = memory.latest(log.key.public.name)
        assert head.size >= acknowledged
        assert head == log.head(head.size)
        assert open_note(note, log.key.public) == open_note(note, memory.key.public)
        fork = WitnessedLog(branch="other", forked_at=head.size - 1)
        assert add_checkpoint(memory, fork.request(head.size, head.size)).status == 422
        assert add_checkpoint(memory, fork.request(head.size - 1, head.size)).status == 409
