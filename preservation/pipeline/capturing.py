"""Capture one batch: every item ends with an attempt on record, whatever its site does."""

from __future__ import annotations

import shutil
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.capture import Recorder, host_pause_s, recorder_for
from preservation.errors import PreservationError
from preservation.model.captures import CaptureRequest, CaptureResult, main_digest, rank_of
from preservation.model.retries import wait_before_next_try
from preservation.model.urls import requested_url
from preservation.model.vocabulary import Engine, EventType, Outcome, Reason, Status
from preservation.pipeline import second_looks, spool
from preservation.pipeline.events import record_event
from preservation.pipeline.interrupted import INTERRUPTED, interrupted
from preservation.pipeline.leasing import Held, held
from preservation.pipeline.own_paths import without_own_paths
from preservation.settings import Settings
from preservation.state import open_database, reading, schema

LONGEST_BATCH_S = 480
"""After this long a batch begins no further item; the rest goes back to the queue."""

_FINAL = {
    Outcome.CAPTURED: Status.CAPTURED,
    Outcome.PARTLY_CAPTURED: Status.PARTLY_CAPTURED,
    Outcome.NOT_CAPTURED: Status.NOT_CAPTURED,
}

MOST_INTERRUPTIONS = 20
"""An item in whose attempts this many workers died is given up: it may be what kills them."""

HOST_PAUSE = "host-pause"
"""What an item waits for whose host asked somebody else to wait (Retry-After)."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What every item of one batch shares."""

    settings: Settings
    database: Database
    engine: Engine
    lease: Held
    progress: Progress
    stop: threading.Event


@dataclass(frozen=True, slots=True)
class _Due:
    """One item whose turn it is."""

    item: Any
    """Its row."""
    cause: Any | None
    """What makes this a second look at a post, if it is one."""


def capture_batch(
    settings: Settings, batch_id: str, progress: Progress = lambda _: None
) -> dict[str, Any]:
    """Capture every item of the batch; safe to run again, and beside another run of itself.

    Returns counts by outcome. Items whose attempt is on record aren't fetched again.

    Raises:
        PreservationError: Something stops the whole batch (a program is missing, the disk is
            full); items without an attempt stay queued.
    """
    database = open_database(settings.database_url)
    with held(settings, database, f"capture:{batch_id}") as lease:
        if lease is None:
            return {"batch_id": batch_id, "skipped": "another worker holds it"}
        engine, items = _items_of(database, batch_id)
        work = _Work(
            settings=settings,
            database=database,
            engine=engine,
            lease=lease,
            progress=progress,
            stop=threading.Event(),
        )
        outcomes = _capture_all(work, items)
        _finish_batch(work, batch_id)
    return {"batch_id": batch_id, **outcomes}


def _items_of(database: Database, batch_id: str) -> tuple[Engine, list[Any]]:
    """The batch's engine and those of its items that wait for an attempt."""
    waiting = (Status.CAPTURE_QUEUED, Status.CAPTURING)
    query = (
        select(schema.item)
        .where(schema.item.c.batch_id == batch_id, schema.item.c.status.in_(waiting))
        .order_by(schema.item.c.item_id)
    )
    batch = select(schema.capture_batch.c.engine).where(schema.capture_batch.c.batch_id == batch_id)
    with reading(database).connect() as connection:
        return Engine(connection.execute(batch).scalar_one()), list(connection.execute(query))


def _capture_all(work: _Work, items: list[Any]) -> Counter[str]:
    """Capture *items* side by side, each worker with a recorder of its own."""
    limits = work.settings.limits
    workers = {
        Engine.PAGE: limits.page_workers,
        Engine.POST: limits.post_workers,
        Engine.FILE: limits.file_workers,
        Engine.SUBMITTED: limits.file_workers,
    }[work.engine]
    began = clock.monotonic_s()
    for item in items:
        # Before any browser starts: a new one clears away what ended ones left, their keys included.
        interrupted(work.settings, _next_folder(work, item), egress=item.egress)
    with _recorders(work) as recorder, ThreadPoolExecutor(workers) as pool:

        def one(item: Any) -> str:
            is_late = clock.monotonic_s() - began > LONGEST_BATCH_S
            if work.stop.is_set() or work.lease.is_lost or is_late or _must_wait(work, item):
                return "left in queue"
            try:
                return _capture_item(work, recorder(), item)
            except PreservationError:
                work.stop.set()
                raise

        return Counter(pool.map(one, items))


@contextmanager
def _recorders(work: _Work) -> Iterator[Callable[[], Recorder]]:
    """A function that gives each thread its own recorder; all are closed at the end."""
    local, made, lock = threading.local(), [], threading.Lock()

    def recorder() -> Recorder:
        if not hasattr(local, "recorder"):
            local.recorder = recorder_for(work.engine, work.settings)
            with lock:
                made.append(local.recorder)
        return local.recorder  # type: ignore[no-any-return]

    try:
        yield recorder
    finally:
        for each in made:
            each.close()


def _next_folder(work: _Work, item: Any) -> Path:
    return spool.attempt_folder(work.settings, item.item_id, item.attempt_count + 1)


def _must_wait(work: _Work, item: Any) -> bool:
    """Whether *item*'s way out isn't set up, or its host asked to be left alone; it then waits.

    An attempt that began is put on record first, whatever holds now.
    """
    if spool.started_of(_next_folder(work, item)) is not None:
        return False
    if item.egress not in {None, "direct", *(one.name for one in work.settings.egresses)}:
        return True
    pause_s = host_pause_s(work.settings, item.submitted_url) if item.submitted_url else 0.0
    if pause_s > 0:
        _put_off(work, item.item_id, pause_s)
    return pause_s > 0


def _put_off(work: _Work, item_id: str, pause_s: float) -> None:
    with work.database.begin() as connection:
        work.lease.check(connection)
        connection.execute(
            update(schema.item)
            .where(schema.item.c.item_id == item_id)
            .values(
                status=Status.CAPTURE_QUEUED,
                batch_id=None,
                next_attempt_at=clock.now() + timedelta(seconds=pause_s),
                waiting_for=HOST_PAUSE,
                updated_at=clock.now(),
            )
        )


def _capture_item(work: _Work, recorder: Recorder, item: Any) -> str:
    """Make attempts at *item* until one is on record that isn't a mere interruption; what to count."""
    with reading(work.database).connect() as connection:
        due = _Due(item, second_looks.cause_of(connection, item.item_id, work.engine))
    number = item.attempt_count
    while True:
        number += 1
        result = _attempt(work, recorder, due, number)
        again = _record_attempt(work, due, number, result)
        words = _in_words(result) if due.cause is None else f"its page is {_in_words(result)}"
        # A file's name may have to be protected, and logs aren't.
        work.progress(f"{item.submitted_url or f'file {item.item_id}'}: {words}")
        if not again:
            return result.outcome if due.cause is None else "posts seen as pages"


def _attempt(work: _Work, recorder: Recorder, due: _Due, number: int) -> CaptureResult:
    """The attempt's result: found in the spool if it was made before, else made now."""
    folder = spool.attempt_folder(work.settings, due.item.item_id, number)
    found = interrupted(work.settings, folder, egress=due.item.egress)
    if found is not None:
        return found
    made = _capture_now(work, recorder, due.item, number)
    made = made if due.cause is None else second_looks.judged(made, due.cause)
    told = without_own_paths(made.error_detail, work.settings)
    return spool.finish_attempt(folder, replace(made, error_detail=told))


def _capture_now(work: _Work, recorder: Recorder, item: Any, number: int) -> CaptureResult:
    folder = spool.attempt_folder(work.settings, item.item_id, number)
    started_at, capture_id = clock.now(), clock.new_id()
    spool.begin_attempt(folder, capture_id=capture_id, started_at=started_at)
    _set_status(work, item.item_id, Status.CAPTURING)
    file_key = item.submitted_file_key
    request = CaptureRequest(
        item_id=item.item_id,
        capture_id=capture_id,
        attempt_number=number,
        engine=work.engine,
        spool=folder,
        url=requested_url(item.submitted_url),
        submitted_file=work.settings.inbox / file_key if file_key else None,
        submitted_sha256=item.submitted_file_sha256,
        egress=item.egress,
    )
    try:
        return recorder.capture(request)
    except PreservationError:
        # Nothing was asked of the site, or nothing of it could be kept: it was no attempt.
        shutil.rmtree(folder, ignore_errors=True)
        _set_status(work, item.item_id, Status.CAPTURE_QUEUED)
        raise
    except Exception as error:  # noqa: BLE001 - a process edge: one item's surprise costs one item
        return _surprise(started_at, error, egress=item.egress or work.settings.egress)


def _surprise(started_at: Any, error: Exception, *, egress: str) -> CaptureResult:
    return CaptureResult(
        outcome=Outcome.NOT_CAPTURED,
        reason=Reason.TOOL_ERROR,
        error_class=type(error).__name__,
        error_detail="".join(traceback.format_exception(error, limit=-5))[-2000:],
        egress=egress,
        started_at=started_at,
        ended_at=clock.now(),
    )


def _record_attempt(work: _Work, due: _Due, number: int, result: CaptureResult) -> bool:
    """Write the attempt and its effect on the item; True if the item is to be tried again now."""
    item = due.item
    folder = spool.attempt_folder(work.settings, item.item_id, number)
    started = spool.started_of(folder)
    capture_id = started[0] if started else clock.new_id()
    with work.database.begin() as connection:
        work.lease.check(connection)
        _insert_attempt(connection, work, item, (capture_id, number), result)
        record_event(
            connection,
            f"capture:{item.item_id}:{number}",
            EventType.CAPTURE,
            item_id=item.item_id,
            outcome="success" if result.outcome is Outcome.CAPTURED else _shortfall(result),
            detail={
                "capture_id": capture_id,
                "attempt_number": number,
                "outcome": result.outcome,
                "tools": result.tools,
                "objects": [entry.sha256 for entry in result.objects],
                **({"waited_for": item.waiting_for} if item.waiting_for else {}),
            },
        )
        return _move_item(connection, work, due, number, result)


def _insert_attempt(
    connection: Connection, work: _Work, item: Any, key: tuple[str, int], result: CaptureResult
) -> None:
    capture_id, number = key
    connection.execute(
        insert(schema.attempt).values(
            capture_id=capture_id,
            item_id=item.item_id,
            attempt_number=number,
            engine=work.engine,
            outcome=result.outcome,
            reason=result.reason,
            error_class=result.error_class,
            error_detail=result.error_detail,
            http_status=result.http_status,
            started_at=result.started_at,
            ended_at=result.ended_at,
        )
    )


def _move_item(
    connection: Connection, work: _Work, due: _Due, number: int, result: CaptureResult
) -> bool:
    """Set the item's next state: finished, waiting for its next try, or to be tried at once.

    Its best attempt decides what it came to, and of equals the newest: what is held stays held if a
    site is gone at the next try. Of equals a second look doesn't count.
    """
    is_own = schema.item.c.item_id == due.item.item_id
    earlier = connection.execute(select(schema.item.c.outcome).where(is_own)).scalar_one()
    is_second = due.cause is not None
    decides = earlier is None or rank_of(result.outcome) < rank_of(Outcome(earlier)) + (not is_second)
    values: dict[str, Any] = {
        "attempt_count": number,
        "waiting_for": None,
        "updated_at": clock.now(),
    }
    if decides:
        values |= {
            "outcome": result.outcome,
            "reason": result.reason,
            "main_sha256": main_digest((entry.role, entry.sha256) for entry in result.objects),
        }
    wait_s = _next_wait(connection, work, due.item.item_id, result)
    is_interruption = result.error_class == INTERRUPTED and wait_s is not None
    goes_on_as = result.reroute_to
    if wait_s is None and second_looks.is_due(work.settings, work.engine, result):
        goes_on_as = goes_on_as or Engine.PAGE
    if goes_on_as is not None:
        values |= {"engine": goes_on_as, "status": Status.CAPTURE_QUEUED, "batch_id": None}
    elif wait_s is None:
        values |= {
            "engine": work.engine if decides or not is_second else Engine.POST,
            "status": _FINAL[result.outcome if decides else Outcome(earlier)],
            "finished_at": result.ended_at,
            "next_attempt_at": None,
        }
    elif not is_interruption:
        values |= {
            "status": Status.CAPTURE_QUEUED,
            "batch_id": None,
            "next_attempt_at": clock.now() + timedelta(seconds=wait_s),
        }
    connection.execute(update(schema.item).where(is_own).values(**values))
    return is_interruption


def _next_wait(connection: Connection, work: _Work, item_id: str, result: CaptureResult) -> int | None:
    """Seconds until the next try; None when this result is the item's last."""
    if result.outcome is Outcome.CAPTURED or result.reason is None:
        return None
    table = schema.attempt
    query = (
        select(table.c.reason, table.c.error_class)
        .where(table.c.item_id == item_id, table.c.reason.is_not(None))
        .order_by(table.c.attempt_number)
    )
    failures = connection.execute(query).all()
    if result.error_class == INTERRUPTED:
        interruptions = sum(failure.error_class == INTERRUPTED for failure in failures)
        return 0 if interruptions < MOST_INTERRUPTIONS else None
    return wait_before_next_try(
        [Reason(each.reason) for each in failures if each.error_class != INTERRUPTED],
        retry_after_s=result.retry_after_s,
        wait_percent=work.settings.limits.retry_wait_percent,
    )


def _set_status(work: _Work, item_id: str, status: Status) -> None:
    with work.database.begin() as connection:
        work.lease.check(connection)
        connection.execute(
            update(schema.item)
            .where(schema.item.c.item_id == item_id)
            .values(status=status, updated_at=clock.now())
        )


def _finish_batch(work: _Work, batch_id: str) -> None:
    """Mark the batch captured; what was left waiting goes back to the queue."""
    waiting = (Status.CAPTURE_QUEUED, Status.CAPTURING)
    with work.database.begin() as connection:
        work.lease.check(connection)
        connection.execute(
            update(schema.item)
            .where(schema.item.c.batch_id == batch_id, schema.item.c.status.in_(waiting))
            .values(batch_id=None, status=Status.CAPTURE_QUEUED, updated_at=clock.now())
        )
        connection.execute(
            update(schema.capture_batch)
            .where(schema.capture_batch.c.batch_id == batch_id, schema.capture_batch.c.state == "open")
            .values(state="captured")
        )


def _shortfall(result: CaptureResult) -> str:
    """Why an attempt was no full success: its reason, or the engine that took over."""
    return str(result.reason or f"goes on as {result.reroute_to}")


def _in_words(result: CaptureResult) -> str:
    if result.reroute_to is not None:
        return f"goes on as {result.reroute_to}"
    return f"{result.outcome} ({result.reason})" if result.reason else str(result.outcome)
