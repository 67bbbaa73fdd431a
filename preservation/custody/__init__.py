"""The custody log: an RFC 6962 tree with C2SP checkpoints and tiles, appended to by compare-and-set."""

from preservation.custody.appending import CLOCK_TOLERANCE
from preservation.custody.entries import Entry, EntryDraft
from preservation.custody.keys import PublicKey, SigningKey
from preservation.custody.log import CustodyLog
from preservation.custody.notes import TreeHead, open_note, sign_note
from preservation.custody.segments import segment_key
from preservation.custody.signing import (
    Checkpoint,
    Cosign,
    CosignRequest,
    SignedBy,
    checkpoint_key,
)
from preservation.custody.strict_json import open_document, parse_canonical, sign_document
from preservation.custody.tiles import TileBuilder, TilePlace

__all__ = [
    "CLOCK_TOLERANCE",
    "Checkpoint",
    "Cosign",
    "CosignRequest",
    "CustodyLog",
    "Entry",
    "EntryDraft",
    "PublicKey",
    "SignedBy",
    "SigningKey",
    "TileBuilder",
    "TilePlace",
    "TreeHead",
    "checkpoint_key",
    "open_document",
    "open_note",
    "parse_canonical",
    "segment_key",
    "sign_document",
    "sign_note",
]
