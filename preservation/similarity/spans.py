"""Parts of a picture, in pixels and in per mille."""

from __future__ import annotations

from dataclasses import dataclass

from preservation.similarity.lines import Grey


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture, in per mille of its width and height."""

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    def cut(self, grey: Grey) -> Grey:
        """The part of *grey*."""
        rows, columns = grey.shape
        top, bottom = (round(y * rows / 1000) for y in (self.y, self.y + self.height))
        left, right = (round(x * columns / 1000) for x in (self.x, self.x + self.width))
        return grey[top:bottom, left:right]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows and columns, from the first to the one after the last."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """In pixels."""
        return (self.bottom - self.top) * (self.right - self.left)

    def of(self, grey: Grey) -> Grey:
        """The part of *grey*."""
        return grey[self.top : self.bottom, self.left : self.right]

    def rows(self, first: int, after: int) -> Span:
        """Its rows from *first*, counted from its own top, up to *after*."""
        return Span(self.top + first, self.top + after, self.left, self.right)

    def columns(self, first: int, after: int) -> Span:
        """Its columns likewise."""
        return Span(self.top, self.bottom, self.left + first, self.left + after)

    def overlap(self, other: Span) -> float:
        """The area in common, of the area that either covers."""
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        width = min(self.right, other.right) - max(self.left, other.left)
        common = max(0, height) * max(0, width)
        return common / (self.area + other.area - common)

    def around(self, other: Span) -> Span:
        """What holds both."""
        return Span(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


def box_of(span: Span, shape: tuple[int, ...]) -> Box:
    """*span* of a picture of that many rows and columns."""
    top, bottom = (round(y * 1000 / shape[0]) for y in (span.top, span.bottom))
    left, right = (round(x * 1000 / shape[1]) for x in (span.left, span.right))
    return Box(left, top, right - left, bottom - top)
