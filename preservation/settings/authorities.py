"""Who vouches for the time and for the log: ``[[authority]]``, ``[[witness]]``, ``calendars``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preservation.errors import SettingsInvalid
from preservation.settings.values import SETTINGS_FILE, require_web_address

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthoritySettings:
    """One time-stamping authority (RFC 3161)."""

    name: str
    url: str
    """Its HTTP address, or ``test:`` for the test authority that ships with this project."""
    roots: Path
    """PEM file with the root certificates that this authority is trusted under."""
    is_test: bool = False
    """True: its tokens prove nothing about time, and every place that shows them says so."""
    policies: tuple[str, ...] = ()
    """Policies (object identifiers) whose tokens are accepted; empty accepts all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessSettings:
    """One witness that cosigns checkpoints (c2sp.org/tlog-witness)."""

    name: str
    url: str
    """Base of its HTTP address; ``/add-checkpoint`` follows."""
    vkey: str
    """Its verifier key (c2sp.org/tlog-cosignature, signature type 0x04)."""


def authority_of(entry: Mapping[str, Any], home: Path) -> AuthoritySettings:
    """The authority that one ``[[authority]]`` describes, its roots relative to *home*.

    Raises:
        SettingsInvalid: It has no name, url or roots, or one that can't be used.
    """
    try:
        authority = AuthoritySettings(
            name=entry["name"],
            url=entry["url"],
            roots=home / entry["roots"],
            is_test=entry.get("is_test", False),
            policies=tuple(entry.get("policies", ())),
        )
    except KeyError as error:
        msg = f"An [[authority]] in {SETTINGS_FILE} has no {error}."
        raise SettingsInvalid(msg, remedy="Give name, url and roots.") from error
    if not _FILE_NAME.fullmatch(authority.name):
        msg = f"An [[authority]] in {SETTINGS_FILE} has the name {authority.name!r}."
        raise SettingsInvalid(msg, remedy="Its tokens' files are named so: give letters, digits, - _ .")
    if not authority.url.startswith("test:"):
        require_web_address("[[authority]] url", authority.url)
    return authority


def witness_of(entry: Mapping[str, Any]) -> WitnessSettings:
    """The witness that one ``[[witness]]`` describes.

    Raises:
        SettingsInvalid: It has no name, url or vkey, or an url that can't be used.
    """
    try:
        witness = WitnessSettings(name=entry["name"], url=entry["url"], vkey=entry["vkey"])
    except KeyError as error:
        msg = f"A [[witness]] in {SETTINGS_FILE} has no {error}."
        raise SettingsInvalid(msg, remedy="Give name, url and vkey.") from error
    require_web_address("[[witness]] url", witness.url)
    return witness
