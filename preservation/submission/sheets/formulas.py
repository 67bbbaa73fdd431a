"""Text that a spreadsheet program would run as a formula, made harmless on export, and back again."""

from __future__ import annotations

import re

_RUNS = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")


def neutralised(text: str) -> str:
    """*text* with an apostrophe before it if a spreadsheet program could run it.

    Text that looks as if this had been done to it gets one more, so that `original` is exact.
    """
    return f"'{text}" if _RUNS.match(text) else text


def original(text: str) -> str:
    """The text that `neutralised` made *text* from."""
    return text[1:] if text.startswith("'") and _RUNS.match(text) else text
