"""When a part of Airflow is started again: rules on plain values."""

from __future__ import annotations

from dataclasses import dataclass

CHECK_EVERY_S = 10
"""How often heartbeats are looked at."""
SILENT_CHECKS = 6
"""A part whose heartbeat is stale this many times in a row hangs: it is ended and started again."""
SETTLED_S = 60
"""A part that lived this long starts with a clean sheet."""
LONGEST_PAUSE_S = 60


@dataclass(slots=True)
class PartWatch:
    """The history of one part, as far as it decides what happens next; times are monotonic seconds."""

    started_at: float | None = None
    """None while it is down."""
    start_at: float = 0.0
    """When it may be started next."""
    quick_ends: int = 0
    restarts: int = 0
    silent_checks: int = 0

    def is_due(self, now: float) -> bool:
        """Whether it is to be started now."""
        return self.started_at is None and now >= self.start_at

    def started(self, now: float) -> None:
        """It was started."""
        self.started_at, self.silent_checks = now, 0

    def ended(self, now: float) -> None:
        """It ended, or was ended: the pause before the next start doubles with each quick end."""
        lived = 0.0 if self.started_at is None else now - self.started_at
        self.quick_ends = 0 if lived >= SETTLED_S else self.quick_ends + 1
        self.started_at = None
        self.start_at = now + pause_before_start(self.quick_ends)
        self.restarts += 1

    def checked(self, *, has_heartbeat: bool) -> None:
        """Its heartbeat was looked at."""
        self.silent_checks = 0 if has_heartbeat else self.silent_checks + 1

    def hangs(self, now: float) -> bool:
        """Whether it lives without a sign of life."""
        if self.started_at is None or now - self.started_at < SETTLED_S:
            return False
        return self.silent_checks >= SILENT_CHECKS


def pause_before_start(quick_ends: int) -> float:
    """Seconds until a part may start again after *quick_ends* short lives in a row."""
    if quick_ends == 0:
        return 0.0
    return float(min(2 ** (quick_ends - 1), LONGEST_PAUSE_S))
