"""A store whose answers get lost: it obeys the port, but "didn't answer" may mean "did it"."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum, auto

from preservation.errors import StoreUnavailable
from preservation.store.memory import MemoryStore


class Fate(Enum):
    """What becomes of one write."""

    ANSWERED = auto()
    LOST_BEFORE = auto()
    """The request got lost: nothing is stored."""
    LOST_AFTER = auto()
    """The answer got lost: it is stored."""
    REPEATED = auto()
    """The answer got lost and the client's library asked again: it is stored, and was there before."""


class AmbiguousStore(MemoryStore):
    """Each write meets the next of *fates*; without any left, all are answered."""

    def __init__(self, fates: Iterable[Fate] = ()) -> None:
        super().__init__()
        self._fates = iter(fates)

    def put(self, key: str, content: bytes) -> None:
        self._meet(lambda: super(AmbiguousStore, self).put(key, content))

    def claim(self, key: str, content: bytes) -> bool:
        return bool(self._meet(lambda: super(AmbiguousStore, self).claim(key, content)))

    def _meet(self, write: Callable[[], bool | None]) -> bool | None:
        fate = next(self._fates, Fate.ANSWERED)
        if fate is Fate.LOST_BEFORE:
            raise StoreUnavailable("The request got lost.")
        answer = write()
        if fate is Fate.LOST_AFTER:
            raise StoreUnavailable("The answer got lost.")
        return write() if fate is Fate.REPEATED else answer
