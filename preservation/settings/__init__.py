"""What differs from deployment to deployment: read once, at the edge, then frozen."""

from preservation.settings.authorities import AuthoritySettings, WitnessSettings
from preservation.settings.deployment import (
    PROJECT,
    Network,
    Settings,
    home_from,
    load,
    parse_networks,
)
from preservation.settings.egress import EgressSettings
from preservation.settings.limits import Limits
from preservation.settings.outlets import require_outside
from preservation.settings.storage import StorageSettings
from preservation.settings.values import SETTINGS_FILE

__all__ = [
    "PROJECT",
    "SETTINGS_FILE",
    "AuthoritySettings",
    "EgressSettings",
    "Limits",
    "Network",
    "Settings",
    "StorageSettings",
    "WitnessSettings",
    "home_from",
    "load",
    "parse_networks",
    "require_outside",
]
