"""Where one attempt may go, by which way, how much and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from preservation import clock
from preservation.capture.gateway.egress import DIRECT, Egress, egress_of
from preservation.errors import SettingsInvalid
from preservation.settings import Limits, Network, Settings

CONNECTIONS_AT_ONCE = 64
"""Of one attempt. Chromium opens at most 32 through one proxy, beside WebSockets."""
CONNECTIONS_PER_HOST = 32
RATE_WINDOW_S = 30
"""Time over which a rate is measured."""
_MARGIN_S = 1
"""The gateway waits a little longer than the clients, so that theirs is the verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRules:
    """The rules of one attempt; a limit of None is no limit."""

    allow_networks: Sequence[Network]
    """Networks that may be reached whatever the policy says, on every port."""
    connect_timeout_s: float
    """For a client's request, for a name, and for all addresses of a name together."""
    idle_timeout_s: float
    deadline_s: float
    """Seconds from the gateway's start until it ends every connection."""
    lowest_rate_bytes_s: int | None = None
    rate_window_s: float = RATE_WINDOW_S
    largest_item_bytes: int | None = None
    """All that servers may send."""
    connections_at_once: int = CONNECTIONS_AT_ONCE
    connections_per_host: int = CONNECTIONS_PER_HOST
    egress: Egress = DIRECT
    routes: tuple[Egress, ...] = ()
    """Ways out that are bound to certain hosts; the first that serves one wins over *egress*."""

    @classmethod
    def of(cls, limits: Limits, allowed: Sequence[Network], *, deadline_s: float) -> GatewayRules:
        """The rules of an attempt of *deadline_s* seconds that leaves directly."""
        return cls(
            allow_networks=allowed,
            connect_timeout_s=limits.connect_timeout_s,
            idle_timeout_s=limits.idle_timeout_s + _MARGIN_S,
            deadline_s=deadline_s,
            lowest_rate_bytes_s=limits.lowest_rate_bytes_s,
            largest_item_bytes=limits.largest_item_bytes,
        )

    @classmethod
    def of_settings(cls, settings: Settings, *, deadline_s: float) -> GatewayRules:
        """The rules of an attempt of *deadline_s* seconds in the deployment of *settings*.

        Each call draws its own Tor circuit.

        Raises:
            SettingsInvalid: The chosen egress isn't described.
        """
        circuit = clock.new_salt()
        egresses = [egress_of(one, circuit=circuit) for one in settings.egresses]
        return replace(
            cls.of(settings.limits, settings.allow_networks, deadline_s=deadline_s),
            egress=_chosen(settings.egress, [DIRECT, *egresses]),
            routes=tuple(one for one in egresses if one.hosts),
        )

    def egress_for(self, host: str) -> Egress:
        """The way out that connections to *host* must take."""
        return next((route for route in self.routes if route.serves(host)), self.egress)


def _chosen(name: str, egresses: Sequence[Egress]) -> Egress:
    """The one called *name*: a wrong name must not end in another way out."""
    for egress in egresses:
        if egress.name == name:
            return egress
    msg = f"The egress {name!r} isn't described."
    raise SettingsInvalid(msg, remedy="Describe it in [[egresses]], or choose direct.")
