"""What the demo says: colours on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from preservation import clock

_PLAIN_WIDTH = 150


class Voice:
    """Speaks on *console*; each line of progress begins with the seconds since the start."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _console()
        self._started = clock.monotonic_s()
        self._last = ""

    def elapsed_s(self) -> float:
        """Seconds since the demo began."""
        return clock.monotonic_s() - self._started

    def heading(self, text: str) -> None:
        """Begin a part."""
        self._console.print()
        self._console.rule(f"[bold]{escape(text)}", align="left")

    def say(self, text: str) -> None:
        """One line of progress; the same line again is left out."""
        if text != self._last:
            self._last = text
            self._console.print(f"[dim]{self.elapsed_s():6.1f} s[/]  {escape(text)}")

    def plain(self, text: str, *, style: str = "") -> None:
        """Words that stand by themselves."""
        self._console.print(escape(text), style=style, soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A table; long cells are folded, never cut."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
        self._console.print(table)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PLAIN_WIDTH)
