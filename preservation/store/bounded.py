"""Reading what should be small: a file that somebody made huge costs no memory."""

from __future__ import annotations

from preservation.model.digests import chunks_of
from preservation.store.port import ObjectStore

LARGEST_DOCUMENT_BYTES = 1 << 27
"""No seal, checkpoint or tile comes near it: a seal over 100,000 items has about 40 MB."""


def read_document(store: ObjectStore, key: str, at_most: int = LARGEST_DOCUMENT_BYTES) -> bytes:
    """All bytes under *key*, if there are no more than *at_most*.

    Raises:
        KeyError: There is none.
        ValueError: There are more.
    """
    found, size_bytes = [], 0
    with store.open(key) as stream:
        for chunk in chunks_of(stream):
            found.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > at_most:
                msg = f"it has more than {at_most} bytes"
                raise ValueError(msg)
    return b"".join(found)
