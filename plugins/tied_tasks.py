"""Ties each task process to the process that supervises it.

Without it a killed supervisor leaves its task running, and the retry runs beside it. Leases keep
that harmless; this keeps it from happening.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from typing import Any

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that this process gets when its parent dies."""


@hookimpl
def on_starting(component: Any) -> None:
    """Ask the kernel to kill this task process when its supervisor ends."""
    if isinstance(component, TaskRunnerMarker):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class TiedTasks(AirflowPlugin):
    """Registers `on_starting`."""

    name = "tied_tasks"
    listeners = [sys.modules[__name__]]  # noqa: RUF012 - Airflow declares it so
