"""The JavaScript that runs in a frame, in a world apart from the page's own scripts.

Each file beside this one is an expression that gives an object of functions. It is sent once to each
document, and kept there under a symbol that the page doesn't know.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from preservation import clock

Script = Literal["references", "behaviours"]

ABSENT = "not there yet"
"""What a call of a script gives that the document hasn't been sent."""
_SECRET = clock.new_id()


def call_of(script: Script, function: str, argument: int | None = None) -> str:
    """The expression that calls *function* of *script*, with or without an *argument*."""
    place = _place(script)
    return f"{place} ? {place}.{_called(function, argument)} : {ABSENT!r}"


def first_call_of(script: Script, function: str, argument: int | None = None) -> str:
    """As `call_of`, where the document hasn't been sent *script*."""
    return f"({_place(script)} ??= {_source(script)}).{_called(function, argument)}"


def _place(script: Script) -> str:
    return f"globalThis[Symbol.for('{script} {_SECRET}')]"


def _called(function: str, argument: int | None) -> str:
    return f"{function}({'' if argument is None else argument})"


@cache
def _source(script: Script) -> str:
    return Path(__file__).with_name(f"{script}.js").read_text("utf-8").strip()
