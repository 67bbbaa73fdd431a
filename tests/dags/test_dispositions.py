"""What an error asks for is what Airflow does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from preservation import errors

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins"))


def all_errors(root=errors.PreservationError):
    return [root, *(each for child in root.__subclasses__() for each in all_errors(child))]


def raised_by(error: Exception, outcomes=None):
    import dispositions

    def body():
        raise error

    try:
        dispositions._judged(body, outcomes or dispositions.STEP_OUTCOMES)()
    except Exception as outcome:  # noqa: BLE001
        return outcome


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_the_outcome_of_its_disposition(kind):
    from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

    outcome = raised_by(kind("what happened"))

    assert (
        type(outcome)
        is {
            errors.Disposition.STOP: AirflowFailException,
            errors.Disposition.RECORD: AirflowSkipException,
            errors.Disposition.RETRY: kind,
        }[kind.disposition]
    )


def test_the_message_and_the_remedy_reach_the_operator():
    outcome = raised_by(errors.StoreFull("The disk is full.", remedy="Free 3 GB."))

    assert str(outcome) == "The disk is full. Free 3 GB."


@pytest.mark.parametrize("kind", [errors.StoreUnavailable, errors.LeaseLost, errors.LogBroken])
def test_a_verdict_never_looks_like_success(kind):
    import dispositions
    from airflow.sdk.exceptions import AirflowFailException

    outcome = raised_by(kind("something"), dispositions.VERDICT_OUTCOMES)

    assert type(outcome) is AirflowFailException


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (errors.StoreUnavailable("away"), "retry"),
        (TypeError("a defect"), "fail"),
        (OSError("who knows"), "default"),
    ],
)
def test_the_retry_policy_tells_a_changing_world_from_a_defect(error, action):
    import dispositions

    decision = dispositions.RETRY_POLICY.evaluate(error, try_number=1, max_tries=4)

    assert decision.action.value == action


def finished(dag):
    """A run of *dag*, at its end: its state and those of its tasks."""
    run = dag.test()
    return run.state, {ti.task_id: ti.state for ti in run.get_task_instances()}


def test_work_that_another_worker_does_is_skipped_and_the_run_is_green(airflow_database, sample_dags):
    state, tasks = finished(sample_dags["skipping_run"])

    assert state == "success"
    assert tasks == {"held_elsewhere": "skipped", "judge": "success"}


def test_a_failed_step_turns_the_run_red_through_its_verdict(airflow_database, sample_dags):
    state, tasks = finished(sample_dags["failing_run"])

    assert state == "failed"
    assert tasks == {"held_elsewhere": "skipped", "broken": "failed", "judge": "failed"}
