"""From a client's wish to a connection that stands: a place, the policy, the way out, the addresses."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter

from preservation import clock
from preservation.capture.gateway.connection import CannotConnect, Connection, Ending
from preservation.capture.gateway.egress import (
    Egress,
    EgressKind,
    connected,
    connected_through,
    place_of,
)
from preservation.capture.gateway.names import PinnedNames
from preservation.capture.gateway.network_policy import (
    Address,
    Refusal,
    address_refusal,
    is_allowed,
    literal_address,
    name_refusal,
    port_refusal,
)
from preservation.capture.gateway.rules import GatewayRules

_DISCARD_PORT = 9
_LEAST_SHARE_S = 1.0
"""For one address of a name that has many: less would be too short for a far server."""


class Places:
    """As many connections at once as the rules allow, and as many of them to one host.

    Belongs to one event loop.
    """

    def __init__(self, rules: GatewayRules) -> None:
        self._at_once = rules.connections_at_once
        self._per_host = rules.connections_per_host
        self._taken: Counter[str] = Counter()
        self._waiting: list[tuple[str, asyncio.Future[None]]] = []

    async def take(self, host: str, *, timeout_s: float) -> None:
        """Wait for a place, in the order of asking; `give_back` must follow.

        Raises:
            CannotConnect: `TOO_MANY`: none became free in *timeout_s* seconds.
        """
        if self._has_room(host):
            self._taken[host] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((host, turn))
        try:
            await asyncio.wait_for(turn, timeout_s)
        except TimeoutError:
            detail = f"{self._taken[host]} connections to {host}, {self._taken.total()} in all"
            raise CannotConnect(Ending.TOO_MANY, detail) from None

    def give_back(self, host: str) -> None:
        """A connection to *host* is over; whoever waits first and fits takes its place."""
        self._taken[host] -= 1
        self._waiting = [(host, turn) for host, turn in self._waiting if not turn.done()]
        for waiting, turn in self._waiting:
            if self._has_room(waiting):
                self._taken[waiting] += 1
                turn.set_result(None)
                return

    def _has_room(self, host: str) -> bool:
        return self._taken.total() < self._at_once and self._taken[host] < self._per_host


class Doorway:
    """Opens connections by the rules of one attempt."""

    def __init__(self, rules: GatewayRules) -> None:
        self._rules = rules
        self._names = PinnedNames()
        self._proxies = PinnedNames()

    async def opened(self, connection: Connection, *, timeout_s: float) -> socket.socket:
        """A socket to where *connection* wants to go; what is learnt on the way is noted in it.

        Raises:
            CannotConnect: The policy forbids it, or nothing is there.
        """
        egress = self._rules.egress_for(connection.host)
        connection.egress = egress.name
        give_up_at = clock.monotonic_s() + timeout_s
        targets = await self._targets(connection, egress, timeout_s)
        fault = CannotConnect(Ending.DNS_FAILED, f"{connection.host} has no address")
        for tried, target in enumerate(targets):
            if not egress.resolves_names:
                connection.address = target
            share = share_of(give_up_at - clock.monotonic_s(), len(targets) - tried)
            try:
                return await self._reached(egress, target, connection.port, timeout_s=share)
            except CannotConnect as error:
                fault = error
        raise fault

    async def _targets(self, connection: Connection, egress: Egress, timeout_s: float) -> list[str]:
        """What may be connected to: addresses, or the name where the egress resolves it.

        Raises:
            CannotConnect: Nothing may, or there is nothing.
        """
        if egress.resolves_names:
            refusal = self._unseen_refusal(connection.host, connection.port)
            if refusal is not None:
                raise _refused(connection, refusal)
            return [connection.host]
        addresses = await self._names.addresses_of(connection.host, timeout_s=timeout_s)
        connection.dns_answers = tuple(map(str, addresses))
        refusals = [self._refusal(address, connection.port) for address in addresses]
        permitted = [one for one, why in zip(addresses, refusals, strict=True) if why is None]
        if addresses and not permitted:
            connection.address = str(addresses[0])
            raise _refused(connection, next(why for why in refusals if why is not None))
        return [str(one) for one in sorted(permitted, key=lambda address: address.version)]

    def _refusal(self, address: Address, port: int) -> Refusal | None:
        allowed = self._rules.allow_networks
        refusal = address_refusal(address, port, allowed)
        if refusal is None and not is_allowed(address, allowed) and is_own(address):
            # Which address that is stands in no record: these words are handed on with the capture.
            return Refusal("own-address", "it is this machine's own")
        return refusal

    def _unseen_refusal(self, host: str, port: int) -> Refusal | None:
        """Why *host*, which we don't resolve, may not be asked for."""
        address = literal_address(host)
        if address is None:
            return name_refusal(host) or port_refusal(port)
        return address_refusal(address, port, self._rules.allow_networks)

    async def _reached(
        self, egress: Egress, target: str, port: int, *, timeout_s: float
    ) -> socket.socket:
        if egress.kind is not EgressKind.DIRECT:
            return await connected_through(
                egress, target, port, proxies=self._proxies, timeout_s=max(timeout_s, 0)
            )
        try:
            async with asyncio.timeout(max(timeout_s, 0)):
                return await connected(ipaddress.ip_address(target), port)
        except TimeoutError:
            raise CannotConnect(Ending.CONNECT_TIMED_OUT, f"{target} did not answer") from None
        except OSError as error:
            raise CannotConnect(Ending.CONNECT_REFUSED, f"{target}: {error.strerror}") from error


def share_of(seconds: float, addresses: int) -> float:
    """How long to wait for the first of *addresses* that are left, if *seconds* are left for all.

    However many there are, a far one gets time to answer; the last ones may not be asked then.
    """
    return min(seconds, max(seconds / addresses, _LEAST_SHARE_S))


def is_own(address: Address) -> bool:
    """Whether *address* is one of this machine's; nothing is sent to find out.

    What listens on all addresses can be reached there, past any firewall before the machine.
    """
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # The kernel chooses the address that it would send from.
            probe.connect(place_of(address, _DISCARD_PORT))
        except OSError:
            return False
        return str(probe.getsockname()[0]).partition("%")[0] == str(address).partition("%")[0]


def _refused(connection: Connection, refusal: Refusal) -> CannotConnect:
    ending = Ending.PORT_REFUSED if refusal.rule == "port" else Ending.NETWORK_REFUSED
    detail = f"{connection.host}:{connection.port} is refused by {refusal}"
    return CannotConnect(ending, detail, refusal=refusal)
