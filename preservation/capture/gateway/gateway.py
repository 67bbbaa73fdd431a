"""The one way out: a SOCKS5 proxy on loopback that resolves, judges, connects, carries and records.

Every client of an attempt leaves through the attempt's own gateway and resolves no name itself.
A client only sees a general SOCKS fault, so the reason of a failed attempt is read from here.
Anybody on the machine could use the port while the attempt lasts; it leads nowhere that a capture
may not go, and what passes is on the attempt's record.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from preservation import clock
from preservation.capture.gateway.connection import BROWSER_LABEL, CannotConnect, Connection, Ending
from preservation.capture.gateway.opening import Doorway, Places
from preservation.capture.gateway.relay import Relay, Surroundings
from preservation.capture.gateway.rules import GatewayRules
from preservation.capture.gateway.socks import Asked, NotSocks, answer, asked_for, plain_host
from preservation.recording.tape import Tape

__all__ = ["Connection", "Ending", "Gateway", "GatewayRules"]

_BACKLOG = 256
_MOST_CLIENTS = 512
"""Clients at once, those included that haven't said what they want."""

_REPLIES = {
    # RFC 1928 6: the code that the client is told; 1, a general failure, for the others.
    Ending.OPEN: 0,
    Ending.NETWORK_REFUSED: 2,
    Ending.PORT_REFUSED: 2,
    Ending.DNS_FAILED: 4,
    Ending.CONNECT_REFUSED: 5,
    Ending.CONNECT_TIMED_OUT: 6,
    Ending.DEADLINE: 6,
}


@dataclass(slots=True, eq=False)
class _Caller:
    """A client that no relay serves yet."""

    stream: socket.socket
    connection: Connection | None = None
    """Once it has said what it wants."""


class Gateway:
    """A SOCKS5 listener for one attempt; a context manager that leaves no connection behind.

    What passes is written on *tape*, if there is one. *listener* is a second entrance that is taken
    over: it may have been made in another network namespace. All connections share one thread.
    """

    def __init__(
        self,
        rules: GatewayRules,
        *,
        tape: Tape | None = None,
        listener: socket.socket | None = None,
    ) -> None:
        self._rules = rules
        self._tape = tape
        self._deadline = clock.monotonic_s() + rules.deadline_s
        self._connections: list[Connection] = []
        self._bytes_received = 0
        self._fault: Exception | None = None
        self._callers: dict[_Caller, asyncio.Task[None]] = {}
        self._relays: set[Relay] = set()
        self._watch: asyncio.TimerHandle | None = None
        self._doorway = Doorway(rules)
        self._places = Places(rules)
        own = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self._listeners = [own] if listener is None else [own, listener]
        self._ports = [int(each.getsockname()[1]) for each in self._listeners]
        for each in self._listeners:
            each.setblocking(False)
        self._loop = asyncio.new_event_loop()
        self._is_closing = asyncio.Event()
        self._around = Surroundings(
            loop=self._loop, rules=rules, tape=tape, received=self._count, over=self._let_go
        )
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        """The gateway's port on 127.0.0.1."""
        return self._ports[0]

    @property
    def browser_port(self) -> int:
        """The port of the entrance that was handed in, in its own network namespace; else `port`."""
        return self._ports[-1]

    @property
    def seconds_left(self) -> float:
        """Time until the deadline; not below zero."""
        return max(0.0, self._deadline - clock.monotonic_s())

    @property
    def connections(self) -> list[Connection]:
        """All connections asked for so far, in order."""
        return list(self._connections)

    @property
    def bytes_received(self) -> int:
        """Bytes that servers sent, TLS and headers included."""
        return self._bytes_received

    def connection(self, number: int) -> Connection | None:
        """The connection of that *number*, as the recording counts them."""
        return next((c for c in self.connections if c.number == number), None)

    def last_connection(self, host: str, port: int) -> Connection | None:
        """The latest connection to *host* and *port*."""
        host = plain_host(host)
        asked = (c for c in reversed(self.connections) if (c.host, c.port) == (host, port))
        return next(asked, None)

    def cut(self, ending: Ending = Ending.DEADLINE) -> None:
        """End every connection that is open now; new ones may come.

        When this returns, nothing more comes of the old ones. `Ending.CLIENT_CLOSED` says that their
        clients need them no more: servers see an orderly end.
        """
        before = len(self._connections)
        self._have_done(lambda: self._cut(before, ending))

    def hold(self) -> None:
        """Keep every server waiting until `release`: clients may ask, and no answer arrives."""
        self._have_done(self._around.stillness.begin)

    def release(self) -> None:
        """Let servers be heard again; nothing that they said meanwhile is lost."""
        self._have_done(self._around.stillness.end)

    def _have_done(self, act: Callable[[], None]) -> None:
        """Have the gateway's own thread do *act*, and wait for it; nothing if it is closed."""
        is_done = threading.Event()

        def do() -> None:
            act()
            is_done.set()

        with contextlib.suppress(RuntimeError):  # Closed: nothing is open.
            self._loop.call_soon_threadsafe(do)
        while self._thread.is_alive() and not is_done.wait(0.1):
            pass

    def close(self) -> None:
        """Close the listener and every connection, and wait until that is done.

        A fault of the gateway itself, which ended it at once, is raised here.
        """
        with contextlib.suppress(RuntimeError):  # Closed before.
            self._loop.call_soon_threadsafe(self._is_closing.set)
        self._thread.join()
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    # What follows runs in the gateway's own thread.

    def _run(self) -> None:
        self._loop.set_exception_handler(self._give_up)
        with contextlib.closing(self._loop), contextlib.ExitStack() as cleanup:
            for listener in self._listeners:
                cleanup.enter_context(listener)
            self._loop.run_until_complete(self._serve_all())

    def _give_up(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Stop: bytes that pass unseen would be missing from the evidence."""
        self._fault = context.get("exception") or RuntimeError(str(context["message"]))
        self._is_closing.set()

    async def _serve_all(self) -> None:
        self._begin_accepting()
        self._loop.call_later(
            self.seconds_left, lambda: self._cut(len(self._connections), Ending.DEADLINE)
        )
        await self._is_closing.wait()
        self._stop_accepting()
        self._cut(len(self._connections), Ending.CLIENT_CLOSED)
        tasks = list(self._callers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin_accepting(self) -> None:
        for listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener)

    def _stop_accepting(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        except OSError:
            # No descriptors are left: some may be a little later.
            self._pause_accepting()
            return
        caller = _Caller(client)
        task = self._callers[caller] = self._loop.create_task(self._serve(caller))
        task.add_done_callback(lambda _: self._callers.pop(caller))
        if len(self._callers) + len(self._relays) >= _MOST_CLIENTS:
            self._pause_accepting()

    def _pause_accepting(self) -> None:
        self._stop_accepting()
        self._loop.call_later(0.1, self._go_on_accepting)

    def _go_on_accepting(self) -> None:
        if self._is_closing.is_set():
            return
        if len(self._callers) + len(self._relays) < _MOST_CLIENTS:
            self._begin_accepting()
        else:
            self._pause_accepting()

    async def _serve(self, caller: _Caller) -> None:
        """Hear what *caller* wants, connect there, and leave the rest to a relay."""
        with contextlib.ExitStack() as cleanup:
            client = cleanup.enter_context(caller.stream)
            asked = await self._heard(client)
            if asked is None:
                return
            connection = caller.connection = self._noted(asked)
            try:
                server = await self._opened(connection, cleanup)
            except CannotConnect as fault:
                connection.ending, connection.detail = fault.ending, fault.detail
                connection.refusal, connection.ended_at = fault.refusal, clock.now()
                await _told(client, _REPLIES.get(fault.ending, 1))
                return
            self._begin_recording(connection)
            await _told(client, _REPLIES[Ending.OPEN])
            self._carry(Relay(connection, client, server, self._around))
            cleanup.pop_all()

    async def _heard(self, client: socket.socket) -> Asked | None:
        """What *client* wants; None if it makes no sense in time."""
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(self._rules.connect_timeout_s):
                return await asked_for(client)
        except (NotSocks, OSError):
            return None

    def _noted(self, asked: Asked) -> Connection:
        connection = Connection(
            number=len(self._connections),
            label=BROWSER_LABEL if asked.user is None else asked.user,
            host=asked.host,
            port=asked.port,
            asked_at=clock.now(),
        )
        self._connections.append(connection)
        return connection

    async def _opened(self, connection: Connection, cleanup: contextlib.ExitStack) -> socket.socket:
        """A socket to the server, which *cleanup* closes again, and whose place it gives back.

        Raises:
            CannotConnect: There is none, or the attempt may have no more.
        """
        if self._is_full:
            raise CannotConnect(Ending.TOO_LARGE, "the attempt has received all that it may")
        timeout_s = min(self._rules.connect_timeout_s, self.seconds_left)
        if timeout_s <= 0:
            raise CannotConnect(Ending.DEADLINE, "the attempt's time was up")
        await self._places.take(connection.host, timeout_s=timeout_s)
        cleanup.callback(self._places.give_back, connection.host)
        return cleanup.enter_context(await self._doorway.opened(connection, timeout_s=timeout_s))

    def _begin_recording(self, connection: Connection) -> None:
        connection.connected_at = clock.now()
        if self._tape is not None:
            place = connection.address or connection.host
            self._tape.begin(connection.number, address=place, port=connection.port)

    def _carry(self, relay: Relay) -> None:
        self._relays.add(relay)
        if self._watch is None or relay.due_at < self._watch.when():
            self._watch_again()

    def _let_go(self, relay: Relay) -> None:
        self._relays.discard(relay)
        self._places.give_back(relay.connection.host)

    def _cut(self, before: int, ending: Ending) -> None:
        for caller, task in self._callers.items():
            connection = caller.connection
            if connection is not None and connection.number < before:
                if connection.ending is Ending.OPEN:
                    connection.ending, connection.ended_at = ending, clock.now()
                task.cancel()
        for relay in [one for one in self._relays if one.connection.number < before]:
            relay.break_off(ending)

    @property
    def _is_full(self) -> bool:
        most = self._rules.largest_item_bytes
        return most is not None and self._bytes_received > most

    def _count(self, size: int) -> None:
        was_full = self._is_full
        self._bytes_received += size
        if self._is_full and not was_full:
            # Not at once: the relay that reports is in the middle of its work.
            self._loop.call_soon(self._cut, len(self._connections), Ending.TOO_LARGE)

    def _look(self) -> None:
        """End what is idle or too slow."""
        now = clock.monotonic_s()
        for relay in list(self._relays):
            ending = relay.verdict(now)
            if ending is not None:
                relay.break_off(ending)
        self._watch_again()

    def _watch_again(self) -> None:
        """Look when the first relay may be due: no connection costs anything while it rests."""
        if self._watch is not None:
            self._watch.cancel()
        due_at = min((relay.due_at for relay in self._relays), default=None)
        # The loop's clock is ours; a little late is early enough.
        self._watch = None if due_at is None else self._loop.call_at(due_at + 0.01, self._look)


async def _told(client: socket.socket, code: int) -> None:
    """Answer *client*, which may have gone."""
    with contextlib.suppress(OSError):
        await answer(client, code)
