"""Where in one picture the other lies, by the map that a verifier found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from preservation.gallery.contents import Link

Points = tuple[tuple[int, int], ...]
"""Corners in per mille of width and height; none where no map is known."""

_CORNERS = ((0, 0), (1000, 0), (1000, 1000), (0, 1000))
_MAP_NUMBERS = 6
_FARTHEST = 20_000
"""A map that throws corners farther away is no picture in a picture."""


def outline_in_left(link: Link) -> Points:
    """The frame of the right picture in the left one."""
    numbers = _map_of(link)
    if numbers is None:
        return ()
    a, b, c, d, e, f = numbers
    determinant = a * e - b * d
    if determinant == 0:
        return ()
    return _drawable(
        (
            1000 * (e * (x - c) - b * (y - f)) / determinant,
            1000 * (a * (y - f) - d * (x - c)) / determinant,
        )
        for x, y in _CORNERS
    )


def outline_in_right(link: Link) -> Points:
    """The frame of the left picture in the right one."""
    numbers = _map_of(link)
    if numbers is None:
        return ()
    a, b, c, d, e, f = numbers
    return _drawable(
        (a * x / 1000 + b * y / 1000 + c, d * x / 1000 + e * y / 1000 + f) for x, y in _CORNERS
    )


def _map_of(link: Link) -> Sequence[int] | None:
    """Six numbers in per mille: left (x, y, 1) to right x, then to right y; of whole pictures alone."""
    found = link.detail.get("map")
    is_whole = link.left_view == "whole" and link.right_view in {"whole", "flopped"}
    return found if is_whole and isinstance(found, list) and len(found) == _MAP_NUMBERS else None


def _drawable(corners: Iterable[tuple[float, float]]) -> Points:
    found = tuple((round(x), round(y)) for x, y in corners)
    is_near = all(abs(number) < _FARTHEST for corner in found for number in corner)
    return found if is_near else ()
