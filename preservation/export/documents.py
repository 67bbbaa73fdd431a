"""What people read: the history of each item and the certificate, as HTML and on paper."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from preservation.export.bag import BagWriter
from preservation.export.evidence import Evidence
from preservation.export.history import LIMITS, ItemHistory, Judged, stamps
from preservation.export.printing import Printer
from preservation.export.words import Html, Words, value_of, words_of

CHECK = "python3 -I -S verify.py . --trust TRUST"


def write_documents(bag: BagWriter, evidence: Evidence, printer: Printer) -> Iterator[str]:
    """Write every document; the name of each as it is written.

    Raises:
        Unavailable: The browser that prints them failed.
    """
    for name, html in _documents(evidence):
        bag.add(f"{name}.html", html.encode())
        bag.add(f"{name}.pdf", printer.pdf(html))
        yield name


def _documents(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """Name and HTML of each; a certificate in English is always among them."""
    for language in dict.fromkeys(("en", *evidence.languages)):
        suffix = "" if language == "en" else f".{language}"
        yield f"certificate{suffix}", certificate(evidence, words_of(language))
    for item_id in evidence.item_ids:
        for language in evidence.languages:
            yield f"history/{item_id}.{language}", history(evidence, item_id, words_of(language))


def history(evidence: Evidence, item_id: str, words: Words) -> str:
    """The custody history of one item as HTML."""
    item = ItemHistory(item_id, evidence, words)
    return _rendered("history.html", words, item=item, facts=evidence.facts)


def certificate(evidence: Evidence, words: Words) -> str:
    """The certificate as HTML."""
    return _rendered(
        "certificate.html",
        words,
        evidence=evidence,
        described=list(_described(evidence)),
        stamps=list(_newest_stamps(evidence, words)),
        commands=CHECK,
    )


def _described(evidence: Evidence) -> Iterator[tuple[str, Html]]:
    facts, chain = evidence.facts, evidence.chain
    head = chain.heads[chain.newest_size]
    values = {
        "export": facts.export_id,
        "created": facts.created_at,
        "recipient": facts.recipient,
        "purpose": facts.purpose,
        "authorised_by": facts.authorised_by,
        "archive": facts.archive_id,
        "log": facts.log_origin,
        "log_key": facts.log_public_key,
        "checkpoint": f"{head.size} / {head.root.hex()}",
    }
    yield from ((f"label.{key}", value_of(value)) for key, value in values.items() if value is not None)


def _newest_stamps(evidence: Evidence, words: Words) -> Iterator[Judged]:
    """What is attested about the newest checkpoint, if a batch of this bag has it; else of the last."""
    rows = evidence.contents.rows["timestamps"]
    newest = max((int(str(row["checkpoint_size"])) for row in rows), default=0)
    return stamps([row for row in rows if row["checkpoint_size"] == newest], words)


def _rendered(template: str, words: Words, **values: Any) -> str:
    style = _text_of("document.css")
    return (
        _environment()
        .get_template(template)
        .render(
            words=words,
            say=words.say,
            word=words.word,
            limits=LIMITS,
            style=style,
            style_digest=_csp_digest(style),
            **values,
        )
    )


@cache
def _environment() -> Environment:
    return Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(_text_of),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text_of(name: str) -> str:
    return (files("preservation.export") / name).read_text("utf-8")


def _csp_digest(style: str) -> str:
    """The style's digest as a Content-Security-Policy names it (CSP 3, 2.3.1)."""
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
