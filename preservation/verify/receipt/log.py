"""Steps 3 to 6: keys, checkpoints, entries, growth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from preservation.custody import PublicKey, TreeHead, merkle, parse_canonical
from preservation.custody.cosignatures import CosignerKey, cosignatures, pinned_witnesses
from preservation.custody.notes import open_note
from preservation.custody.rotation import KeyChain, pinned_keys, rotations_in
from preservation.verify.receipt.finding import Check
from preservation.verify.receipt.parts import Proof, Step, step_in
from preservation.verify.trusted_files import kept_checkpoints, read_trusted, trusted_lines


def key_chain(check: Check, proof: Proof) -> KeyChain | None:
    """Step 3: the log's keys; None, reported, if none is pinned.

    Raises:
        ValueError: The proof's rotations lead from no pinned key.
    """
    path = check.trust / "log.vkey"
    try:
        pinned = pinned_keys(read_trusted(path).decode("utf-8"))
    except (OSError, ValueError) as error:
        check.gap("no-trusted-key", str(path), "the log's public keys", str(error))
        return None
    if pinned[0].name != proof.log_origin:
        check.broken("proof-subject", "proof.json log_origin", pinned[0].name, proof.log_origin)
    entries = [entry.parsed for entry in proof.entries]
    chain = KeyChain.of(pinned, rotations_in(entries, pinned[0].name))
    if PublicKey.parse(proof.log_public_key) != chain.first:
        check.broken(
            "proof-subject", "proof.json log_public_key", str(chain.first), proof.log_public_key
        )
    return chain


def heads_of(check: Check, proof: Proof, chain: KeyChain) -> dict[int, TreeHead]:
    """Step 4: what the checkpoints state, by size; bad ones are reported and left out."""
    witnesses = _witnesses(check)
    heads = {}
    for size, note in proof.notes.items():
        subject = f"checkpoint {size}"
        head = check.attempt("checkpoint", subject, partial(_head, note, size, chain))
        if head is not None:
            heads[size] = head
            check.attempt("cosignature", subject, partial(cosignatures, note, witnesses))
    return heads


def _head(note: bytes, size: int, chain: KeyChain) -> TreeHead:
    head = TreeHead.parse(open_note(note, chain.at(size)))
    if (head.origin, head.size) != (chain.first.name, size):
        msg = f"it says {head.origin}, {head.size}"
        raise ValueError(msg)
    return head


def _witnesses(check: Check) -> tuple[CosignerKey, ...]:
    path = check.trust / "witnesses.vkey"
    try:
        return pinned_witnesses(read_trusted(path).decode("utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        check.gap("no-trusted-witness", str(path), "witnesses' public keys", str(error))
        return ()


def judge_entries(check: Check, proof: Proof, heads: Mapping[int, TreeHead]) -> None:
    """Step 5."""
    for entry in proof.entries:
        head = heads.get(entry.size)
        if head is None or not merkle.is_included(
            entry.parsed.leaf_hash,
            index=entry.parsed.index,
            size=head.size,
            proof=entry.proof,
            root=head.root,
        ):
            check.broken(
                "inclusion",
                f"entry {entry.parsed.index}",
                f"an entry of the checkpoint of {entry.size}",
                "not shown to be one",
            )


def judge_growth(check: Check, proof: Proof, heads: Mapping[int, TreeHead], chain: KeyChain) -> None:
    """Step 6."""
    newest = heads.get(max(proof.notes))
    joined = {newest.size} if newest else set()
    for step in proof.steps:
        old = heads.get(step.old_size)
        if (
            newest is not None
            and old is not None
            and step.new_size == newest.size
            and merkle.is_consistent(
                old.size, old.root, new_size=newest.size, new_root=newest.root, proof=step.proof
            )
        ):
            joined.add(old.size)
        else:
            check.broken(
                "consistency", f"checkpoint {step.old_size}", "the newest's beginning", "not shown"
            )
    for size in sorted(heads.keys() - joined):
        check.broken("consistency", f"checkpoint {size}", "joined to the newest", "it isn't")
    kept = [_judge_remembered(check, path, heads, chain) for path in _kept(check)]
    _judge_later_keys(check, chain, [note for note in kept if note is not None])


def _judge_later_keys(check: Check, chain: KeyChain, notes: Sequence[bytes]) -> None:
    """No pinned key has taken over since, unless it, or one after it, signed one of *notes*, which
    begin with this log. Who stole a key that was given up can go on under it.
    """
    for absent in chain.absent:
        later = chain.pinned[chain.pinned.index(absent) :]
        if not any(_is_signed(note, later) for note in notes):
            expected = "an entry that hands over to it, or a kept checkpoint under it with a proof"
            seen = "neither: a key given up may be in use"
            check.gap("key-not-reached", str(absent), expected, seen)


def _is_signed(note: bytes, keys: Sequence[PublicKey]) -> bool:
    try:
        open_note(note, *keys)
    except ValueError:
        return False
    return True


def _kept(check: Check) -> list[Path]:
    try:
        return kept_checkpoints(check.trust)
    except OSError as error:
        expected = "a folder that can be listed"
        check.gap("remembered-checkpoint", str(check.trust), expected, str(error))
        return []


def _judge_remembered(
    check: Check, path: Path, heads: Mapping[int, TreeHead], chain: KeyChain
) -> bytes | None:
    """A checkpoint seen elsewhere has the same root, or is joined to the proof's newest; it, if so."""
    try:
        note = read_trusted(path)
        head = TreeHead.parse(open_note(note, *chain.keys, *chain.absent))
    except (OSError, ValueError) as error:
        check.gap("remembered-checkpoint", str(path), "a checkpoint of this log", str(error))
        return None
    known, newest = heads.get(head.size), heads[max(heads)] if heads else None
    if known is None and newest is not None and not _is_joined(check, head, newest):
        expected = f"a proof that it and {newest.size} entries are of one log"
        check.gap("remembered-checkpoint", str(path), expected, f"{head.size} entries")
        return None
    if known is not None and known.root != head.root:
        check.broken(
            "log-forked-or-rewritten", f"checkpoint {head.size}", head.root.hex(), known.root.hex()
        )
        return None
    return note


def _is_joined(check: Check, one: TreeHead, other: TreeHead) -> bool:
    """Whether proofs in the trust folder lead from both to one tree, which may be one of them."""
    steps = sorted(_growth(check), key=lambda step: (step.old_size, step.new_size))
    return bool(_grown(one, steps).items() & _grown(other, steps).items())


def _grown(head: TreeHead, steps: Iterable[Step]) -> dict[int, bytes]:
    """By size the roots of the trees whose beginning *head* is, by these *steps*."""
    roots = {head.size: head.root}
    for step in steps:
        if step.old_size in roots:
            root = merkle.grown_root(
                step.old_size, roots[step.old_size], new_size=step.new_size, proof=step.proof
            )
            if root is not None:
                roots.setdefault(step.new_size, root)
    return roots


def _growth(check: Check) -> Iterator[Step]:
    """The proofs between checkpoints in the trust folder."""
    for path in sorted(check.trust.glob("*.consistency.jsonl")):
        try:
            for line in trusted_lines(path):
                yield step_in(parse_canonical(line.removesuffix(b"\n")))
        except (OSError, ValueError) as error:
            check.gap("remembered-checkpoint", str(path), "proofs between checkpoints", str(error))
