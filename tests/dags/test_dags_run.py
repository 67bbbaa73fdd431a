"""Every DAG works on a real home, and a second time changes nothing."""

from __future__ import annotations

import pytest
from PIL import Image

from demo import pictures

ORDER = ("intake", "capture", "seal", "timestamp", "renew_timestamps", "cluster", "replicate", "audit")
TABLES = (
    "submissions",
    "items",
    "captures",
    "objects",
    "resources",
    "derivations",
    "fingerprints",
    "events",
)


@pytest.fixture
def home(deployment, monkeypatch):
    for name, value in deployment.environment.items():
        monkeypatch.setenv(name, value)
    return deployment


def run_all(dag_bag):
    """Each DAG once, in the order in which evidence flows: id to (state, states of its tasks)."""
    done = {dag_id: dag_bag.dags[dag_id].test() for dag_id in ORDER}
    return {
        dag_id: (run.state, {ti.task_id: ti.state for ti in run.get_task_instances()})
        for dag_id, run in done.items()
    }


def row_counts(home) -> dict[str, int]:
    counts = (f"SELECT '{table}' AS name, count(*) AS rows FROM {table}" for table in TABLES)
    return {row["name"]: row["rows"] for row in home.query(" UNION ALL ".join(counts))}


def test_the_dags_take_a_submitted_file_to_a_seal_and_a_second_run_adds_no_row(
    airflow_database, dag_bag, home, tmp_path
):
    earlier, later = tmp_path / "earlier.png", tmp_path / "later.jpg"
    pictures.scene(1).save(earlier)
    Image.open(earlier).convert("RGB").save(later, quality=80)
    home.preserve("submit", earlier, "--organisation", "relief-watch")
    home.preserve("run", "--until-idle")
    home.preserve("submit", later, "--organisation", "relief-watch")

    first = run_all(dag_bag)
    rows = row_counts(home)
    second = run_all(dag_bag)

    assert {dag_id: state for dag_id, (state, _) in first.items()} == dict.fromkeys(ORDER, "success")
    assert first["capture"][1]["submitted.characterise"] == "success"
    assert first["capture"][1]["pages.capture"] == "skipped"
    assert first["cluster"][1]["find_copies"] == first["cluster"][1]["find_parts"] == "success"
    assert rows["items"] == rows["captures"] == 2
    assert home.query("SELECT count(DISTINCT item_id) AS items FROM clusters") == [{"items": 2}]
    assert {dag_id: state for dag_id, (state, _) in second.items()} == dict.fromkeys(ORDER, "success")
    assert second["cluster"][1]["find_copies"] == "skipped"
    assert second["intake"][1]["plan"] == "skipped"
    assert second["seal"][1]["seal_ready"] == "skipped"
    assert row_counts(home) == rows
