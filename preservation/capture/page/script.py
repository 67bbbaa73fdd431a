"""The JavaScript that runs in a frame, in a world apart from the page's own scripts.

Each file beside this one is an expression that gives an object of functions; a call of one of them
is an expression, too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

REFERENCES = "references.js"
BEHAVIOURS = "behaviours.js"


@cache
def call(file: str, function: str, argument: int | None = None) -> str:
    """The expression that calls *function* of *file*, with or without an *argument*."""
    return f"{_source(file)}.{function}({'' if argument is None else argument})"


@cache
def _source(file: str) -> str:
    return Path(__file__).with_name(file).read_text("utf-8").strip()
