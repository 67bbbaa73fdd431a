"""A verifier's numbers for people: shares in percent, times as a player shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from preservation.gallery.contents import TILES, Link
from preservation.similarity.edges import Signal

_SHARES = frozenset({"coverage", "overlap", "evidence", "correlation"})
"""Per mille by definition, though their names don't say so."""
_DRAWN = frozenset({TILES, "map"})
"""What the page draws instead."""
_PER_MILLE, _MS = "_per_mille", "_ms"


def numbers_of(link: Link) -> list[tuple[str, str]]:
    """Label and text of each of the verifier's numbers that aren't drawn."""
    return [
        (_label(name), _text(name, value)) for name, value in link.detail.items() if name not in _DRAWN
    ]


def spans_of(link: Link, side: str) -> tuple[tuple[int, int], ...]:
    """The parts of its ``left`` or ``right`` end that the other has, too: from and to, in ms."""
    found = link.detail.get(f"{side}{_MS}")
    return _pairs(found) if isinstance(found, list) else ()


def moment_of(link: Link, side: str) -> int | None:
    """When the ``left`` or ``right`` video shows what both do: the middle of the first shared part."""
    spans = spans_of(link, side) if link.signal == Signal.VIDEO else ()
    return sum(spans[0]) // 2 if spans else None


def picture_key(sha256: str, moment_ms: int | None) -> str:
    """What a picture is called on the page: a bitstream's own, or that of a moment of it."""
    return sha256 if moment_ms is None else f"{sha256}-{moment_ms}"


def clock_time(milliseconds: int) -> str:
    """``1:02:03.4``: hours only if there are any, tenths of a second."""
    sign = "-" if milliseconds <= -50 else ""
    tenths = round(abs(milliseconds) / 100)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02}.{rest % 10}"
    return f"{sign}{hours}:{minutes:02}:{seconds}" if hours else f"{sign}{minutes}:{seconds}"


_LABELS = {
    f"left{_PER_MILLE}": "share of the earlier",
    f"right{_PER_MILLE}": "share of the later",
    f"left{_MS}": "part of the earlier",
    f"right{_MS}": "part of the later",
}


def _label(name: str) -> str:
    if name in _LABELS:
        return _LABELS[name]
    return name.removesuffix(_PER_MILLE).removesuffix(_MS).replace("_", " ")


def _text(name: str, value: Any) -> str:
    if name in {f"left{_MS}", f"right{_MS}"} and isinstance(value, list):
        return ", ".join(f"{clock_time(start)} to {clock_time(end)}" for start, end in _pairs(value))
    values = value if isinstance(value, list) else [value]
    if name.endswith(_PER_MILLE) or name in _SHARES:
        return ", ".join(f"{each / 10:.1f} %" for each in values)
    if name.endswith(_MS):
        return ", ".join(clock_time(each) for each in values)
    return ", ".join(map(str, values)) or "none"


def _pairs(values: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(values[::2], values[1::2], strict=False))
