"""Work that one worker at a time may do: a lease that is renewed while the work goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from sqlalchemy import Connection
from sqlalchemy import Engine as Database

from preservation import clock
from preservation.errors import LeaseLost, StateUnavailable
from preservation.settings import Settings
from preservation.state import leases, this_owner


class Held:
    """A lease in hand: `check` it in the same transaction as each effect."""

    def __init__(self, database: Database, name: str, token: int, *, ttl_s: int) -> None:
        self._database, self._name, self._token, self._ttl_s = database, name, token, ttl_s
        self._ended = threading.Event()
        self.is_lost = False
        self._renewer = threading.Thread(target=self._renew, name=f"lease {name}", daemon=True)
        self._renewer.start()

    def check(self, connection: Connection) -> None:
        """Raise LeaseLost unless the lease is still ours."""
        leases.check(connection, self._name, self._token)

    def end(self) -> None:
        """Give the lease back; a lease that was lost is nobody's to give."""
        self._ended.set()
        self._renewer.join()
        leases.release(self._database, self._name, self._token)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _renew(self) -> None:
        renewed_at = clock.monotonic_s()
        while not self._ended.wait(self._ttl_s / 4):
            asked_at, now = clock.monotonic_s(), clock.now()
            try:
                leases.renew(self._database, self._name, self._token, ttl_s=self._ttl_s, now=now)
            except LeaseLost:
                self.is_lost = True
                return
            except StateUnavailable:
                # Until it ends, it is ours; and after that, if nobody took it meanwhile.
                self.is_lost = clock.monotonic_s() - renewed_at > self._ttl_s
            else:
                renewed_at, self.is_lost = asked_at, False


@contextmanager
def held(settings: Settings, database: Database, name: str) -> Iterator[Held | None]:
    """The lease *name*, renewed until the block ends; None if another worker holds it."""
    ttl_s = settings.limits.lease_s
    token = leases.acquire(database, name, owner=this_owner(), ttl_s=ttl_s, now=clock.now())
    if token is None:
        yield None
        return
    with Held(database, name, token, ttl_s=ttl_s) as lease:
        yield lease
