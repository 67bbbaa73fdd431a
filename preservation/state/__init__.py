"""The relational schema of what changes, and how to reach it."""

from __future__ import annotations

from preservation.state.database import forget_deleted, is_begun, open_database, reading, upgrade
from preservation.state.leases import acquire, check, release, renew
from preservation.state.owners import is_owner_dead, this_owner

__all__ = [
    "acquire",
    "check",
    "forget_deleted",
    "is_begun",
    "is_owner_dead",
    "open_database",
    "reading",
    "release",
    "renew",
    "this_owner",
    "upgrade",
]
