"""`kill -9` in the middle of the work: no item lost, none twice, finished ones not fetched again."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
from collections import Counter

import pytest

from tests.conftest import PRESERVE, new_deployment


def _kill_after(process, seconds: float) -> bool:
    """Kill the process group after *seconds*; False if it had ended before."""
    time.sleep(seconds)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def test_a_killed_run_is_taken_up_where_it_was(tmp_path, site):
    deployment = new_deployment(tmp_path / "home")
    photos = [p for p in site.expected() if p.endswith((".jpg", ".png"))][:20]
    before = site.requests.counts()
    deployment.preserve(
        "submit", *map(site.url, photos), site.url("/gallery/"), "--organisation", "relief-watch"
    )
    dice = random.Random(7)

    kills = 0
    for _ in range(6):
        kills += _kill_after(deployment.spawn("run", "--until-idle"), dice.uniform(1.5, 6))
    deployment.preserve("run", "--until-idle")

    assert kills
    items = deployment.query("SELECT submitted_url, outcome, item_id FROM items")
    assert Counter(row["submitted_url"] for row in items) == Counter(
        map(site.url, [*photos, "/gallery/"])
    )
    assert {row["outcome"] for row in items} == {"captured"}
    _no_attempt_twice(deployment)
    _fetched_no_more_than_attempted(deployment, site, photos, before)
    assert deployment.json("verify")["verdict"] == "proven"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_run_at_once_and_the_next_one_goes_on(tmp_path, number):
    waits = {"PRESERVE_LIMIT_IDLE_TIMEOUT_S": "40", "PRESERVE_LIMIT_RETRY_WAIT_PERCENT": "1"}
    deployment = new_deployment(tmp_path / "home", **waits)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/film.zip"
        deployment.preserve("submit", address, "--organisation", "relief-watch")
        process = subprocess.Popen(
            [PRESERVE, "run", "--until-idle"],
            env=deployment.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(60)
        connection, _ = silent.accept()
        with connection:
            process.send_signal(number)
            _, said = process.communicate(timeout=15)

    assert process.returncode == 128 + number
    assert said.endswith("run the same command again to go on.\n")
    [submission] = deployment.json("status")["submissions"]
    assert submission["items"][0]["status"] == "capturing"
    deployment.preserve("run", "--until-idle")
    assert deployment.query("SELECT count(*) AS n FROM items") == [{"n": 1}]


def _no_attempt_twice(deployment) -> None:
    attempts = deployment.query("SELECT item_id, attempt_number, outcome FROM captures")
    keys = [(row["item_id"], row["attempt_number"]) for row in attempts]
    assert len(keys) == len(set(keys))
    captured = Counter(row["item_id"] for row in attempts if row["outcome"] == "captured")
    assert set(captured.values()) == {1}


def _fetched_no_more_than_attempted(deployment, site, photos, before) -> None:
    """A photo was asked for once for each attempt at it, and never again once it was finished."""
    tries = {
        row["submitted_url"]: row["n"]
        for row in deployment.query(
            "SELECT submitted_url, count(*) AS n FROM captures JOIN items USING (item_id) GROUP BY 1"
        )
    }
    requests = site.requests.counts() - before
    gallery = set(site.gallery_resources())
    for path in photos:
        if path not in gallery:
            assert requests[path] <= tries[site.url(path)], path
