"""What an earlier run wrote before its own answers were lost: it stays, for its key is taken for good.

It is told from a conflict by saying the same, but for the moment at which we asked, and for why there
was no revocation list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from preservation.custody import PublicKey, open_document
from preservation.manifest import read_table
from preservation.model.tables import TIMESTAMPS, Row
from preservation.store.port import ObjectStore

_OF_THE_MOMENT = frozenset({"accepted_at", "revocation_reason", "row_sha256", "sealed_at"})
_OF_THE_SIGNER = frozenset({"public_key", "signature"})


def standing_table(store: ObjectStore, key: str, rows: Sequence[Row]) -> bytes | None:
    """The timestamps table under *key* if its rows tell of the same tokens as *rows*."""
    if not store.has(key):
        return None
    content = store.read(key)
    with suppress(ValueError):
        if [_lasting(row) for row in read_table(content, TIMESTAMPS)] == [_lasting(r) for r in rows]:
            return content
    return None


def has_standing_seal(
    store: ObjectStore, key: str, document: Mapping[str, Any], signers: Collection[PublicKey]
) -> bool:
    """Whether the seal under *key*, signed by one of *signers*, says what *document* says."""
    if not store.has(key):
        return False
    content = store.read(key)
    for signer in signers:
        with suppress(ValueError):
            stored = open_document(content, signer)
            return _lasting_seal(stored) == _lasting_seal(document)
    return False


def _lasting(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _OF_THE_MOMENT}


def _lasting_seal(document: Mapping[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in document.items() if name not in _OF_THE_SIGNER}
    return _lasting(own) | {"timestamps": [_lasting(stamp) for stamp in document["timestamps"]]}
