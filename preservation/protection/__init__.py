"""Encrypts what identifies a source, under a key of that source alone."""

from preservation.protection.keys import SourceKey, SourceKeys
from preservation.protection.policy import protected_columns
from preservation.protection.values import Opened, Protected, open_value, protect

__all__ = [
    "Opened",
    "Protected",
    "SourceKey",
    "SourceKeys",
    "open_value",
    "protect",
    "protected_columns",
]
