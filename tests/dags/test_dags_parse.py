"""What Airflow makes of the DAG files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from preservation.settings import Limits

PROJECT = Path(__file__).resolve().parents[2]
POOLS = {"browser", "media", "http", "describe", "default_pool"}


def tasks_of(dag_bag):
    return [(dag, task) for dag in dag_bag.dags.values() for task in dag.tasks]


def test_all_dags_parse(dag_bag):
    assert dag_bag.import_errors == {}
    assert set(dag_bag.dags) == {path.stem for path in (PROJECT / "dags").glob("*.py")}


def test_every_dag_parses_quickly(dag_bag):
    slowest = max(stat.duration.total_seconds() for stat in dag_bag.dagbag_stats)

    assert slowest < 5


def test_parsing_imports_no_work():
    code = (
        "import sys; sys.path[:0] = ['dags', 'plugins']; import capture, intake, seal, cluster, audit;"
        "import timestamp, renew_timestamps, replicate;"
        "print([n for n in sys.modules if n.startswith('preservation')])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "['preservation', 'preservation.errors']"


def test_every_dag_ends_in_a_verdict_that_runs_whatever_happened(dag_bag):
    for dag in dag_bag.dags.values():
        (leaf,) = [task for task in dag.tasks if not task.downstream_task_ids]

        assert (dag.dag_id, leaf.task_id) == (dag.dag_id, "judge")
        assert leaf.trigger_rule == "all_done"


def test_every_task_is_retried_and_has_an_end(dag_bag):
    for dag, task in tasks_of(dag_bag):
        name = f"{dag.dag_id}.{task.task_id}"

        assert task.retries >= 3, name
        assert task.retry_policy is not None, name
        assert task.execution_timeout is not None, name


def test_every_pool_is_one_that_up_creates(dag_bag):
    used = {task.pool for _, task in tasks_of(dag_bag)}

    assert used == POOLS
    assert {"page_tasks", "post_tasks", "file_tasks", "describe_tasks"} <= set(Limits.__slots__)


def test_no_dag_catches_up_and_those_that_write_once_run_alone(dag_bag):
    assert not any(dag.catchup for dag in dag_bag.dags.values())
    assert {dag.dag_id for dag in dag_bag.dags.values() if dag.max_active_runs == 1} == {
        "intake",
        "seal",
        "timestamp",
        "renew_timestamps",
        "cluster",
        "audit",
        "replicate",
    }


def test_every_asset_that_starts_a_dag_is_announced_by_another(dag_bag):
    announced = {asset.name for _, task in tasks_of(dag_bag) for asset in task.outlets}
    awaited = {
        asset.name
        for dag in dag_bag.dags.values()
        if dag.timetable.asset_condition
        for asset in dag.timetable.asset_condition.objects
    }

    assert awaited == announced == {"planned-batches", "captured-batches", "sealed-batches"}
