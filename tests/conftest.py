"""What the tests share: a fresh deployment, the sample site, and the program as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from demo.site import SampleSite
from tests.fakes.s3_server import S3Server

# No verdict hangs on this machine's speed or on chance: no deadlines, the same examples each time.
# New ones: pytest --hypothesis-profile=default
hypothesis.settings.load_profile("ci")

PRESERVE = Path(sys.executable).with_name("preserve")

QUICK_LIMITS = {
    "PRESERVE_ALLOW_NETWORKS": "127.0.0.0/8",
    "PRESERVE_LIMIT_IDLE_TIMEOUT_S": "6",
    "PRESERVE_LIMIT_PAGE_DEADLINE_S": "90",
    "PRESERVE_LIMIT_RETRY_WAIT_PERCENT": "20",
}


@dataclass(frozen=True)
class Deployment:
    """A home and the program `preserve` on it."""

    home: Path
    environment: dict[str, str]

    def preserve(self, *arguments: object, exit_code: int | None = 0) -> subprocess.CompletedProcess:
        """Run the program to its end; *exit_code* None accepts any."""
        done = subprocess.run(
            [PRESERVE, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=900,
        )
        if exit_code is not None:
            assert done.returncode == exit_code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: object, exit_code: int | None = 0):
        """The JSON document that the program prints."""
        return json.loads(self.preserve(*arguments, "--json", exit_code=exit_code).stdout)

    def query(self, sql: str) -> list[dict]:
        """Rows of the manifests."""
        return self.json("query", sql)

    def spawn(self, *arguments: object) -> subprocess.Popen:
        """Start the program and leave it running."""
        return subprocess.Popen(
            [PRESERVE, *map(str, arguments)],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def new_deployment(home: Path, **environment: str) -> Deployment:
    """An initialised home with one organisation that may submit anything."""
    deployment = Deployment(
        home, {**os.environ, **QUICK_LIMITS, "PRESERVE_HOME": str(home), **environment}
    )
    deployment.preserve("init")
    deployment.preserve("organisation", "add", "relief-watch")
    deployment.preserve("agreement", "add", "--organisation", "relief-watch")
    return deployment


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return new_deployment(tmp_path / "home")


@pytest.fixture(scope="module")
def site():
    with SampleSite() as running:
        yield running


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory):
    """One real S3 server for all tests of this process that need one."""
    with S3Server(tmp_path_factory.mktemp("s3")) as running:
        yield running
