"""`kill -9` in the middle of the work: no item lost, none twice, finished ones not fetched again."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter

from tests.conftest import new_deployment


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
