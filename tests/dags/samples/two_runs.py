"""Two DAGs whose steps fail in different ways, under the project's own decorators."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag
from dispositions import step, verdict

from preservation.errors import LeaseLost, LogBroken

once = step(retries=0, execution_timeout=timedelta(minutes=1))


@once
def held_elsewhere() -> None:
    raise LeaseLost("Somebody else works on it.")


@once
def broken() -> None:
    raise LogBroken("The log contradicts itself.")


@verdict
def judge() -> None:
    return None


@dag(schedule=None)
def skipping_run() -> None:
    held_elsewhere() >> judge()


@dag(schedule=None)
def failing_run() -> None:
    [held_elsewhere(), broken()] >> judge()


skipping_run()
failing_run()
