"""Names to addresses: each is resolved once an attempt, and the answer is pinned."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading
from itertools import islice

from preservation.capture.gateway.connection import CannotConnect, Ending
from preservation.capture.gateway.network_policy import Address

MOST_ADDRESSES = 100
"""Of one name: an answer may hold thousands, and each connection's record tells them."""


class PinnedNames:
    """Asks the system's resolver, in threads: it knows no timeout of its own.

    A second answer is never asked for, so a name can't lead elsewhere once it was judged (DNS
    rebinding). Failures aren't pinned. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._answers: dict[str, asyncio.Future[list[Address]]] = {}

    async def addresses_of(self, host: str, *, timeout_s: float) -> list[Address]:
        """The addresses of *host*, in the resolver's order.

        Raises:
            CannotConnect: `DNS_FAILED`: it has none, or there was no answer in *timeout_s* seconds.
        """
        if host.endswith(".onion"):
            # RFC 7686 2: such a name must never reach the DNS.
            raise CannotConnect(Ending.DNS_FAILED, f"{host} exists only behind Tor (RFC 7686 2)")
        answer = self._answers.get(host)
        if answer is None:
            answer = self._answers[host] = _asked_in_a_thread(host)
        try:
            return await asyncio.wait_for(asyncio.shield(answer), timeout_s)
        except TimeoutError:
            raise CannotConnect(Ending.DNS_FAILED, f"{host}: no answer in time") from None
        except (OSError, ValueError) as error:
            self._answers.pop(host, None)
            raise CannotConnect(Ending.DNS_FAILED, f"{host}: {error}") from error


def _asked_in_a_thread(host: str) -> asyncio.Future[list[Address]]:
    """The answer to come; the thread may outlive the event loop, and then nobody hears of it."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()
    # Where nobody waits any more, a failure is no news.
    answer.add_done_callback(lambda done: done.cancelled() or done.exception())

    def settle(found: list[Address] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[Address] | Exception
        try:
            found = _looked_up(host)
        except (OSError, ValueError) as error:
            found = error
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            loop.call_soon_threadsafe(settle, found)

    threading.Thread(target=ask, name="name look-up", daemon=True).start()
    return answer


def _looked_up(host: str) -> list[Address]:
    """Raises OSError (no such name, no answer) or ValueError (no name at all; UnicodeError is one)."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(_written(*one[4]) for one in found)
    return [ipaddress.ip_address(text) for text in islice(addresses, MOST_ADDRESSES)]


def _written(host: str | int, _port: object, _flow: object = 0, zone: int = 0) -> str:
    """An address with its zone, which getaddrinfo() tells apart from it."""
    return f"{host}%{zone}" if zone else str(host)
