"""Takes members out of parsed JSON, each of the type that it must have; ValueError otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def text_in(document: Mapping[str, Any], name: str) -> str:
    """The text *name*."""
    value = document.get(name)
    if not isinstance(value, str):
        raise _wrong(name, value, "a text")
    return value


def integer_in(document: Mapping[str, Any], name: str) -> int:
    """The integer *name*."""
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, value, "an integer")
    return value


def mapping_in(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object *name*."""
    value = document.get(name)
    if not isinstance(value, dict):
        raise _wrong(name, value, "an object")
    return value


def _wrong(name: str, value: object, expected: str) -> ValueError:
    return ValueError(f"{name} is {repr(value)[:60]}, not {expected}")
