"""README.txt: what a bag is, what it proves and doesn't, and the commands that check it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from preservation.export.evidence import Evidence
from preservation.model.canonical import instant
from preservation.model.plain import shown

_STAMPS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """One token in the bag."""

    size: int
    """Of the checkpoint that it is over."""
    authority: str
    gen_time: datetime


def readme(evidence: Evidence, stamps: Sequence[Stamp]) -> str:
    """The text, with one command for each token."""
    facts = evidence.facts
    shown_stamps = sorted(stamps, key=lambda stamp: (-stamp.size, stamp.authority))[:_STAMPS_SHOWN]
    commands = [_command(stamp) for stamp in shown_stamps]
    if len(stamps) > len(commands):
        commands.append("    # and so on: data/log/tokens/ holds more of them")
    template = (files("preservation.export") / "README.txt").read_text("utf-8")
    return template.format(
        software=facts.software,
        created_at=instant(facts.created_at),
        recipient=shown(facts.recipient),
        export_id=facts.export_id,
        items=len(evidence.item_ids),
        objects=len(evidence.contents.objects),
        withheld=len(evidence.contents.withheld),
        newest=f"{evidence.chain.newest_size:012}",
        stamps="\n".join(commands) or "    # none yet: no authority has answered",
    )


def _command(stamp: Stamp) -> str:
    token = f"data/log/tokens/{stamp.size:012}/{stamp.authority}"
    roots = f"{stamp.authority}.pem"
    return (
        f"    openssl ts -verify -data data/log/checkpoints/{stamp.size:012} \\\n"
        f'        -in {shlex.quote(token + ".tsr")} -CAfile "$TRUST"/{shlex.quote(roots)} \\\n'
        f"        -untrusted {shlex.quote(token + '.chain.pem')}"
        f" -attime {int(stamp.gen_time.timestamp())}"
    )
