"""Reads canonical JSON strictly: one value has one form, so one form has one meaning.

Also signs whole documents: an ordinary JSON object with two more members, ``public_key`` and
``signature``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, NoReturn

from preservation.custody.keys import PublicKey, SigningKey, strict_base64
from preservation.model.canonical import canonical_json


def parse_canonical(content: bytes) -> dict[str, Any]:
    """The JSON object whose canonical form (RFC 8785) is exactly *content*.

    Raises:
        ValueError: It is anything else: a duplicate key, a float, a space, not UTF-8, not JSON.
    """
    try:
        document = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_without_duplicates,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error
    if not isinstance(document, dict):
        msg = "not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - what was read is wrong, not what was passed
    if canonical_json(document) != content:
        msg = "not canonical JSON (RFC 8785)"
        raise ValueError(msg)
    return document


def sign_document(document: Mapping[str, object], key: SigningKey) -> bytes:
    """*document* as canonical JSON with *key*'s verifier key and signature as members of it."""
    unsigned = {**document, "public_key": str(key.public)}
    signature = base64.b64encode(key.sign(canonical_json(unsigned))).decode("ascii")
    return canonical_json({**unsigned, "signature": signature})


def open_document(content: bytes, key: PublicKey) -> dict[str, Any]:
    """The document in *content* without its signature, once *key*'s signature has been verified.

    Raises:
        ValueError: It isn't canonical, names another key, or isn't signed by *key*.
    """
    document = parse_canonical(content)
    signature = document.pop("signature", None)
    if document.get("public_key") != str(key):
        msg = f"it names the key {document.get('public_key')!r}, not the pinned one"
        raise ValueError(msg)
    if not isinstance(signature, str) or not key.verify(
        canonical_json(document), strict_base64(signature)
    ):
        msg = f"its signature isn't by {key.name}"
        raise ValueError(msg)
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        msg = "a key stands twice in one object"
        raise ValueError(msg)
    return members


def _refuse_number(text: str) -> NoReturn:
    msg = f"{text} isn't an integer"
    raise ValueError(msg)
