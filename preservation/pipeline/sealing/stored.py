"""What a seal says of its files' place: which version of each key in which bucket, and its lock."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from preservation.model.canonical import instant
from preservation.store.port import ObjectStore, StoredCopy


def stored_in_seal(store: ObjectStore, keys: Iterable[str]) -> dict[str, Any]:
    """The member ``stored`` of a seal over *keys*; nothing where the store keeps no versions.

    An original never changes, so a seal that is made again says the same.
    """
    copies = {key: store.stored_copy(key) for key in sorted(set(keys))}
    if not any(copy.version_id for copy in copies.values()):
        return {}
    named = {key: _facts(copy) for key, copy in copies.items()}
    return {"stored": {"place": store.place, "copies": named}}


def _facts(copy: StoredCopy) -> dict[str, Any]:
    until = copy.retain_until
    return {"version_id": copy.version_id, "retain_until": instant(until) if until else None}
