"""Where the seals of batches lie: signed, written last; without one a batch is not evidence."""

from __future__ import annotations

import json
from typing import Any

from preservation.store.port import ObjectStore


def seal_key(batch_id: str, edition: int) -> str:
    """Archive key of a batch's seal; later editions carry later time stamps."""
    return f"seals/{batch_id}.json" if edition == 1 else f"seals/{batch_id}.{edition}.json"


def newest_seals(store: ObjectStore) -> dict[str, dict[str, Any]]:
    """Batch identifier to the newest edition of its seal, in the order of sealing."""
    newest: dict[str, tuple[int, str]] = {}
    for key in store.keys("seals/"):
        batch_id, _, edition = key.removeprefix("seals/").removesuffix(".json").partition(".")
        found = (int(edition or 1), key)
        newest[batch_id] = max(newest.get(batch_id, (0, "")), found)
    return {batch_id: json.loads(store.read(key)) for batch_id, (_, key) in sorted(newest.items())}


def edition_count(store: ObjectStore, batch_id: str) -> int:
    """How many editions of the batch's seal exist."""
    own = (f"seals/{batch_id}.json", f"seals/{batch_id}.")
    return sum(1 for key in store.keys("seals/") if key == own[0] or key.startswith(own[1]))
