"""Foreign text, made harmless for whoever reads it: nothing invisible, nothing that turns the line."""

from __future__ import annotations

import unicodedata

LONGEST_SHOWN = 2_000
"""Characters of one value that documents show; the row has all of them."""

_JOINERS = {"\u200c", "\u200d"}
"""Arabic script and emoji need them, and they do no harm."""
_INVISIBLE = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """*text* on one line, each invisible or direction-changing character as ``[U+202E]``."""
    return "".join(_seen(letter) for letter in text)


def shown(text: str) -> str:
    """*text* as `visible` gives it, not longer than documents show."""
    seen = visible(text[:LONGEST_SHOWN])
    return seen if len(text) <= LONGEST_SHOWN else f"{seen}… ({len(text)})"


def _seen(letter: str) -> str:
    if letter in _JOINERS or unicodedata.category(letter) not in _INVISIBLE:
        return letter
    return f"[U+{ord(letter):04X}]"
