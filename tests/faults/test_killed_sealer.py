"""`kill -9` of the sealer after any file that it writes: the next run seals, once and whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Deployment, new_deployment

CAPTURE = """
from preservation import pipeline, settings
deployment = settings.load()
pipeline.plan(deployment)
for engine in ("file", "submitted"):
    for batch_id in pipeline.open_batches(deployment, engine):
        pipeline.capture_batch(deployment, batch_id)
        pipeline.characterise_batch(deployment, batch_id)
"""
SEAL = "from preservation import pipeline, settings; pipeline.seal_ready(settings.load())"


def _python(deployment: Deployment, program: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", program], env=deployment.environment)


def _file_count(deployment: Deployment) -> int:
    return sum(path.is_file() for path in (deployment.home / "archive").rglob("*"))


@pytest.fixture(scope="module")
def captured(tmp_path_factory, site):
    """A deployment with three captured items, none of them sealed."""
    folder = tmp_path_factory.mktemp("sealer")
    deployment = new_deployment(folder / "home")
    note = folder / "note.txt"
    note.write_text("A file that was sent along.")
    photos = [site.url(path) for path in site.expected() if path.endswith(".jpg")][:2]
    deployment.preserve("submit", *photos, note, "--organisation", "relief-watch")
    assert _python(deployment, CAPTURE).wait(timeout=60) == 0
    return deployment


def _copy_of(deployment: Deployment, home: Path) -> Deployment:
    shutil.copytree(deployment.home, home)
    return replace(
        deployment, home=home, environment={**deployment.environment, "PRESERVE_HOME": str(home)}
    )


@pytest.mark.parametrize(
    ("seal_items", "files_written"),
    [
        *((1000, written) for written in (1, 5, 10, 12, 14, 16)),
        # Three batches in one round.
        *((1, written) for written in (8, 16, 22, 26, 30, 33, 36, 39)),
    ],
)
def test_a_sealer_killed_after_any_file_is_finished_by_the_next(
    captured, tmp_path, seal_items, files_written
):
    deployment = _copy_of(captured, tmp_path / "home")
    deployment.environment["PRESERVE_LIMIT_SEAL_ITEMS"] = str(seal_items)
    files_before = _file_count(deployment)
    sealer = _python(deployment, SEAL)
    while sealer.poll() is None and _file_count(deployment) < files_before + files_written:
        pass
    sealer.kill()
    sealer.wait()
    state_after_kill = deployment.json("verify", exit_code=None)["verdict"]

    assert _python(deployment, SEAL).wait(timeout=60) == 0

    assert state_after_kill in {"incomplete", "proven"}
    assert deployment.json("verify")["verdict"] == "proven"
    [count] = deployment.query("SELECT count(*) AS n, count(DISTINCT item_id) AS items FROM items")
    assert count == {"n": 3, "items": 3}
    assert not list((deployment.home / "work/rounds").iterdir())
