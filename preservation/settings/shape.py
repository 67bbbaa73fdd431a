"""What may stand in ``preserve.toml`` and in ``PRESERVE_*``: what isn't known is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn

from preservation.errors import SettingsInvalid
from preservation.settings.limits import Limits
from preservation.settings.values import SETTINGS_FILE

_PLACE = {
    "url": str,
    "endpoint": str,
    "region": str,
    "retention_days": int,
    "legal_hold": bool,
}

SHAPE: Mapping[str, Any] = {
    "log_origin": str,
    "database_url": str,
    "allow_networks": [str],
    "authority": [{"name": str, "url": str, "roots": str, "is_test": bool, "policies": [str]}],
    "time_quorum": int,
    "renew_before_days": int,
    "calendars": [str],
    "witness": [{"name": str, "url": str, "vkey": str}],
    "witness_quorum": int,
    "storage": _PLACE,
    "replica": _PLACE,
    "audit_days": int,
    "protects_sources": bool,
    "user_agent": str,
    "capture_roots": str,
    "keeps_recordings": bool,
    "post_comments": bool,
    "post_pages": bool,
    "egress": str,
    "egresses": [{"name": str, "url": str, "hosts": [str]}],
    "limits": dict.fromkeys(Limits.__slots__, int),
    "airflow": {"database_url": str, "port": int, "parallelism": int},
}
"""Each key and its type; a mapping is a section, a list of one mapping any number of sections."""

_WORDS = {str: "text in quotation marks", int: "a whole number", bool: "true or false"}

VARIABLES = frozenset(
    {
        *("HOME", "ANALYST", "SUPERVISED", "DAGS_FOLDER", "PLUGINS_FOLDER"),
        *("DATABASE_URL", "ALLOW_NETWORKS", "CAPTURE_ROOTS", "EGRESS"),
        *("STORAGE", "STORAGE_ENDPOINT", "REPLICA", "REPLICA_ENDPOINT"),
        *(f"AIRFLOW_{name.upper()}" for name in SHAPE["airflow"]),
        *(f"LIMIT_{name.upper()}" for name in Limits.__slots__),
    }
)
"""What follows ``PRESERVE_`` in the environment."""

# docker-compose.yml's own, and what our tests are told.
_OTHERS = ("PRESERVE_DB_PASSWORD", "PRESERVE_TEST_")
# What Kubernetes tells a container of each service, such as one named preserve-db.
_OF_SERVICES = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_(TCP|UDP|SCTP)\w*)?)")


def require_shape(document: Mapping[str, Any]) -> None:
    """Make sure that *document* holds nothing but keys of `SHAPE`, each of its type.

    Raises:
        SettingsInvalid: It doesn't; the message names the key.
    """
    _require_section(document, SHAPE, named="")


def require_known_variables(environment: Iterable[str]) -> None:
    """Make sure that every ``PRESERVE_*`` in *environment* is read.

    Raises:
        SettingsInvalid: One isn't; the message names it.
    """
    for variable in sorted(environment):
        name = variable.removeprefix("PRESERVE_")
        if name == variable or name in VARIABLES or variable.startswith(_OTHERS):
            continue
        if _OF_SERVICES.fullmatch(name):
            continue
        if name.lower() in SHAPE:
            remedy = f"Unset it, and give {name.lower()} in {SETTINGS_FILE}."
        else:
            near = [f"PRESERVE_{each}" for each in get_close_matches(name, VARIABLES, 1)]
            remedy = f"Unset it{', or write ' if near else ''}{''.join(near)}."
        raise SettingsInvalid(f"{variable} in the environment isn't a setting.", remedy=remedy)


def _require_section(section: Mapping[str, Any], shape: Mapping[str, Any], *, named: str) -> None:
    for key, value in section.items():
        if key not in shape:
            _refuse_key(key, shape, named)
        _require(value, shape[key], named=f"{named} {key}".strip())


def _require(value: object, shape: Any, *, named: str) -> None:
    match shape, value:
        case [{}], list() if all(isinstance(each, Mapping) for each in value):
            for each in value:
                _require_section(each, shape[0], named=f"[[{named}]]")
        case {}, {}:
            _require_section(value, shape, named=f"[{named}]")
        # A bool is an int for Python, not for TOML.
        case [type() as kind], list() if all(type(each) is kind for each in value):
            pass
        case type(), _ if type(value) is shape:
            pass
        case _:
            msg = f"{named} in {SETTINGS_FILE} is {value!r}."
            raise SettingsInvalid(msg, remedy=f"It must be {_wanted(shape, named)}.")


def _wanted(shape: Any, named: str) -> str:
    match shape:
        case [{}]:
            return f"sections [[{named}]]"
        case {}:
            return f"a section [{named}]"
        case [_]:
            return 'a list like ["...", "..."]'
    return _WORDS[shape]


def _refuse_key(key: str, shape: Mapping[str, Any], named: str) -> NoReturn:
    near = get_close_matches(key, shape, 1)
    remedy = f"Write {near[0]}." if near else f"Known are: {', '.join(shape)}."
    if named and key in SHAPE:
        remedy = f"Move it up: what stands below {named} belongs to it, up to the next section."
    raise SettingsInvalid(f"{named or SETTINGS_FILE} knows no {key}.", remedy=remedy)
