"""Results that steps leave for each other: whole or not at all, whoever is killed when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from preservation import clock
from preservation.errors import StateUnavailable
from preservation.pipeline.spool import read_json, write_json


def leave(path: Path, document: object) -> None:
    """Leave a result whole or not at all; of several workers' equal ones the last stays.

    Raises:
        StateUnavailable: Its plan is over: another worker wrote its results and cleared it away.
    """
    try:
        write_json(draft := path.with_name(f"{path.name}.{clock.new_id()}"), document)
        draft.replace(path)
    except FileNotFoundError as error:
        raise _over(path) from error


def left(path: Path) -> Any:
    """What was left there; raises like `leave`."""
    document = read_json(path)
    if document is None:
        raise _over(path)
    return document


def _over(path: Path) -> StateUnavailable:
    return StateUnavailable(
        f"{path} is gone: another worker is done with it.", remedy="Run it again: the next run goes on."
    )
