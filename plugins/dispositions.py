"""Maps what our errors ask for to what Airflow does with a task: one visible table.

DAG files take `step` and `verdict` from here in place of Airflow's own `task`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from preservation.errors import Disposition, PreservationError

Body = Callable[..., Any]
Outcomes = Mapping[Disposition, type[Exception] | None]

STEP_OUTCOMES: Outcomes = {
    # The world may change: the retry policy below decides when to try again.
    Disposition.RETRY: None,
    # It stands in the records already; for Airflow there is nothing left to do.
    Disposition.RECORD: AirflowSkipException,
    # Going on would harm: no retry, the run turns red, a person looks.
    Disposition.STOP: AirflowFailException,
}

VERDICT_OUTCOMES: Outcomes = dict.fromkeys(Disposition, AirflowFailException)
"""A verdict changes nothing: whatever it finds turns the run red, and the next run mends it or not."""

RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(PreservationError, RetryAction.RETRY, reason="The world may change."),
        RetryRule(
            [TypeError, AttributeError, NameError, ImportError],
            RetryAction.FAIL,
            reason="A defect in the program: the same call would fail again.",
        ),
    ],
    default=RetryAction.DEFAULT,
)

DEFAULTS: dict[str, Any] = {
    "retries": 4,
    "retry_delay": timedelta(seconds=10),
    "retry_exponential_backoff": 3,
    "max_retry_delay": timedelta(minutes=10),
    "retry_policy": RETRY_POLICY,
    "execution_timeout": timedelta(minutes=30),
}
"""Waits of 10, 30, 90 and 270 seconds."""


def step(**options: Any) -> Callable[[Body], Any]:
    """A task that does one step of the pipeline; *options* are those of `airflow.sdk.task`.

    A step with outlets announces them only if it returned something: an idle run wakes nobody.
    """

    def decorate(body: Body) -> Any:
        judged = _judged(body, STEP_OUTCOMES, announces=bool(options.get("outlets")))
        return task(**{**DEFAULTS, **options})(judged)

    return decorate


def verdict(body: Body) -> Any:
    """The last task of a DAG: it runs whatever happened and fails unless all went well.

    Without it a run whose work failed would be green, because its last task could still run.
    """

    @functools.wraps(body)
    def verdict_of_run() -> None:
        body()
        failed = tasks_without_success(get_current_context())
        if failed:
            raise AirflowFailException(f"These tasks failed: {', '.join(failed)}. See their logs.")

    judged = _judged(verdict_of_run, VERDICT_OUTCOMES)
    return task(**{**DEFAULTS, "trigger_rule": "all_done"})(judged)


def tasks_without_success(context: Any) -> list[str]:
    """Names of the tasks of this run, before the verdict, that failed or could not start."""
    instance, run_id = context["ti"], context["dag_run"].run_id
    states = instance.get_task_states(dag_id=instance.dag_id, run_ids=[run_id]).get(run_id, {})
    return sorted(name for name, state in states.items() if state in {"failed", "upstream_failed"})


def _judged(body: Body, outcomes: Outcomes, *, announces: bool = False) -> Body:
    """*body*, its errors turned into the outcomes of the table."""

    @functools.wraps(body)
    def judged(*args: Any, **kwargs: Any) -> Any:
        try:
            answer = body(*args, **kwargs)
        except PreservationError as error:
            outcome = outcomes[error.disposition]
            if outcome is None:
                raise
            raise outcome(str(error)) from error
        if announces and not answer:
            raise AirflowSkipException("There was nothing to do, so nothing is announced.")
        return answer

    return judged
