"""Who signed what of the log: its keys, its checkpoints, and those that were kept outside."""

from __future__ import annotations

from pathlib import Path

from preservation.custody.cosignatures import cosignatures, pinned_witnesses
from preservation.custody.keys import PublicKey
from preservation.custody.notes import TreeHead, open_note, parse_note
from preservation.custody.rotation import KeyChain, Rotation, rotation_of
from preservation.custody.segments import segment_key
from preservation.custody.signing import CHECKPOINT_PREFIX, checkpoint_key, checkpoint_size
from preservation.verify.examination import DAMAGE, Examination
from preservation.verify.log_reading import LogReading
from preservation.verify.trusted_files import kept_checkpoints, read_trusted


def stated_sizes(examination: Examination) -> frozenset[int]:
    """Sizes of all checkpoints in the archive and outside, whoever signed them."""
    sizes = set()
    for key in examination.keys_below(CHECKPOINT_PREFIX):
        with examination.about("checkpoint", key):
            sizes.add(checkpoint_size(key))
    for path in _kept_outside(examination):
        try:
            sizes.add(TreeHead.parse(parse_note(read_trusted(path))[0]).size)
        except DAMAGE:
            continue  # reported by `open_remembered`
    return frozenset(sizes)


def follow_keys(examination: Examination, reading: LogReading) -> None:
    """The log's keys, as its entries hand over from one to the next."""
    pinned, origin = reading.keys.pinned, reading.keys.first.name
    rotations: list[Rotation] = []
    for key, entry in reading.rotations:
        with examination.about("key-rotation", key):
            rotation = rotation_of(entry, origin)
            if rotation is not None:
                reading.keys = KeyChain.of(pinned, [*rotations, rotation])
                rotations.append(rotation)
    for absent in reading.keys.absent:
        expected = f"an entry that hands over to {absent}"
        examination.broken("log-rolled-back", segment_key(reading.size), expected, "none")


def open_checkpoints(examination: Examination, reading: LogReading) -> None:
    """Every checkpoint that the key of its size signed."""
    for key in examination.keys_below(CHECKPOINT_PREFIX):
        with examination.about("checkpoint", key):
            size = checkpoint_size(key)
            signer = reading.keys.at(size)
            head = TreeHead.parse(open_note(examination.read(key), signer))
            examination.accounted.add(key)
            if (head.origin, head.size) == (signer.name, size):
                reading.heads[size] = head
            else:
                expected, seen = f"{signer.name}, {size}", f"{head.origin}, {head.size}"
                examination.broken("checkpoint", key, expected, seen)


def judge_witnesses(examination: Examination, reading: LogReading) -> None:
    """No cosignature by a pinned witness is false; the newest checkpoint has as many as asked for."""
    path = examination.settings.trust / "witnesses.vkey"
    try:
        pinned = pinned_witnesses(read_trusted(path).decode("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        examination.gap("witness-keys", str(path), "keys of witnesses, one a line", str(error))
        return
    seen: set[str] = set()
    for size in sorted(reading.heads):
        key = checkpoint_key(size)
        with examination.about("witness-signature", key):
            seen = {found.witness.name for found in cosignatures(examination.read(key), pinned)}
    quorum = examination.settings.witness_quorum or 0
    if pinned and len(seen) < max(quorum, 1):
        tell = examination.gap if quorum else examination.note
        newest = checkpoint_key(max(reading.heads, default=0))
        expected = f"cosignatures of {max(quorum, 1)} pinned witnesses on the newest checkpoint"
        tell("witness-missing", newest, expected, ", ".join(sorted(seen)) or "none")


def open_remembered(examination: Examination, reading: LogReading) -> None:
    """Whatever the log's owner keeps outside as ``<any name>.checkpoint`` beside the pinned key."""
    known: tuple[PublicKey, ...] = (*reading.keys.keys, *reading.keys.absent)
    for path in _kept_outside(examination):
        try:
            head = TreeHead.parse(open_note(read_trusted(path), *known))
        except (OSError, ValueError) as error:
            examination.gap("remembered-checkpoint", str(path), "a checkpoint of this log", str(error))
        else:
            reading.remembered[head.size] = head


def judge_remembered(examination: Examination, reading: LogReading) -> None:
    """The log still begins with what was seen of it from outside."""
    for size, head in sorted(reading.remembered.items()):
        if reading.roots.get(size, head.root) != head.root:
            seen = reading.roots[size].hex()
            examination.broken("log-forked-or-rewritten", checkpoint_key(size), head.root.hex(), seen)
        elif size > reading.size:
            examination.broken(
                "log-rolled-back",
                segment_key(reading.size),
                f"{size} entries",
                f"{reading.size} entries",
            )


def _kept_outside(examination: Examination) -> list[Path]:
    trust = examination.settings.trust
    try:
        return kept_checkpoints(trust)
    except OSError as error:
        expected = "a folder that can be listed"
        examination.gap("remembered-checkpoint", str(trust), expected, str(error))
        return []
