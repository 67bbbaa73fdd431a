"""Character references in what strangers wrote."""

from __future__ import annotations

import html
import re

_NUMBER = re.compile("&#0*([0-9]+)")
_DIGITS = 8
"""As many tell that a number is beyond Unicode; Python refuses to read one of thousands."""


def unescaped(markup: str) -> str:
    """*markup* with its character references resolved (HTML Standard, 13.2.5.72), whatever they say;
    what names no character is U+FFFD.
    """
    return html.unescape(_NUMBER.sub(lambda found: f"&#{found[1][:_DIGITS]}", markup))
