"""Reads canonical JSON strictly: one value has one form, so one form has one meaning.

Also signs whole documents: an ordinary JSON object with two more members, ``public_key`` and
``signature``.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from preservation.custody.keys import PublicKey, SigningKey, strict_base64
from preservation.model.canonical import canonical_json


def parse_canonical(content: bytes) -> dict[str, Any]:
    """The JSON object whose canonical form (RFC 8785) is exactly *content*.

    Raises:
        ValueError: It is anything else: a duplicate key, a float, a space, not UTF-8, not JSON.
    """
    document = orjson.loads(content)
    if not isinstance(document, dict):
        msg = "not a JSON object"
        raise ValueError(msg)  # noqa: TRY004 - what was read is wrong, not what was passed
    try:
        # Written again, nothing is left of a key that stood twice, of spaces, of "\u0041" or "-0".
        is_canonical = canonical_json(document) == content
    except TypeError as error:
        raise ValueError(str(error)) from error
    if not is_canonical:
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
