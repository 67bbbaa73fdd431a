"""Runs Airflow for one deployment: starts its parts, watches them, stops them; imports none of it."""

from preservation.supervisor.api import TaskState
from preservation.supervisor.lifecycle import (
    FinishedRun,
    Running,
    State,
    Stopped,
    down,
    state,
    trigger,
    up,
    wait_for,
)

__all__ = [
    "FinishedRun",
    "Running",
    "State",
    "Stopped",
    "TaskState",
    "down",
    "state",
    "trigger",
    "up",
    "wait_for",
]
