"""What differs from deployment to deployment: read once, at the edge, then frozen.

Everything that a deployment owns lies below one directory, its home. `preserve.toml` there holds
its settings; environment variables named below win over the file.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preservation.errors import SettingsInvalid
from preservation.settings.authorities import (
    AuthoritySettings,
    WitnessSettings,
    authority_of,
    witness_of,
)
from preservation.settings.egress import EgressSettings, egress_of
from preservation.settings.limits import Limits, limits_of
from preservation.settings.shape import require_known_variables, require_shape
from preservation.settings.storage import StorageSettings, require_apart, storage_of
from preservation.settings.values import (
    MOST,
    MOST_DAYS,
    SETTINGS_FILE,
    positive,
    require_distinct,
    require_web_address,
)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_AIRFLOW_DATABASES = ("sqlite:", "postgresql+psycopg://")
_MOST_TASKS_ON_SQLITE = 8
"""It locks up above."""

PROJECT = Path(__file__).resolve().parents[2]
"""The checkout that this package is installed from; `dags/` and `plugins/` lie beside the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One deployment."""

    home: Path
    database_url: str
    log_origin: str
    """Name of the custody log in its checkpoints (C2SP signed note key name)."""
    allow_networks: tuple[Network, ...] = ()
    """Private networks that captures may reach all the same: for tests and the demo."""
    authorities: tuple[AuthoritySettings, ...] = ()
    time_quorum: int | None = None
    """How many authorities must accept before a seal counts as sealed; None: all of them."""
    renew_before_days: int = 180
    """Time stamps that expire within this time are covered by new ones."""
    calendars: tuple[str, ...] = ()
    """OpenTimestamps calendars to anchor checkpoints in, too."""
    witnesses: tuple[WitnessSettings, ...] = ()
    witness_quorum: int = 0
    """How many witnesses must have cosigned a checkpoint before it is published."""
    storage: StorageSettings | None = None
    """Where the archive lies; None: the folder ``archive`` of the home."""
    replica: StorageSettings | None = None
    """Where a second copy of it lies."""
    protects_sources: bool = True
    """Whether what identifies a source is sealed encrypted under that source's own key."""
    audit_days: int = 30
    """Within this time the fixity of everything is checked once."""
    limits: Limits = field(default_factory=Limits)
    user_agent: str | None = None
    """Overrides the browser's own User-Agent; recorded with each request either way."""
    capture_roots: Path | None = None
    """PEM file with roots that captures trust beside the usual ones: closed networks, and tests."""
    keeps_recordings: bool = True
    """Whether an attempt's recording of the wire, keys included, is stored with what it says."""
    post_comments: bool = False
    """Whether the comments of posts are taken, where yt-dlp can; they are other people's words."""
    post_pages: bool = True
    """Whether a post whose media are held is seen as a page, too."""
    egress: str = "direct"
    """How captures leave: ``direct``, or the name of one of *egresses*."""
    egresses: tuple[EgressSettings, ...] = ()
    airflow_database_url: str | None = None
    """Where Airflow keeps its own state, as ``postgresql+psycopg://...``; None: SQLite."""
    airflow_port: int = 0
    """Port of Airflow's pages and API on the loopback interface; 0: one that is free."""
    airflow_parallelism: int = 4
    """Tasks that run at the same time; SQLite locks up above 8."""
    dags_folder: Path = PROJECT / "dags"
    plugins_folder: Path = PROJECT / "plugins"

    @property
    def archive(self) -> Path:
        """The archive: the product."""
        return self.home / "archive"

    @property
    def keys(self) -> Path:
        """Private keys; readable by the owner alone."""
        return self.home / "keys"

    @property
    def trust(self) -> Path:
        """What a verifier must trust from outside the archive: the log's public key, TSA roots."""
        return self.home / "trust"

    @property
    def work(self) -> Path:
        """Attempts and batches that aren't sealed yet."""
        return self.home / "work"

    @property
    def inbox(self) -> Path:
        """Files that submitters sent, until they are sealed."""
        return self.home / "inbox"

    @property
    def returned(self) -> Path:
        """Receipts and filled sheets on their way back to the submitter."""
        return self.home / "returned"

    @property
    def reports(self) -> Path:
        """Pages for the team alone: they tell of every submitter."""
        return self.home / "reports"

    @property
    def logs(self) -> Path:
        """Program logs; they hold no evidence."""
        return self.home / "logs"

    @property
    def airflow(self) -> Path:
        """Airflow's own home."""
        return self.home / "airflow"


def home_from(environment: Mapping[str, str]) -> Path:
    """The home directory that *environment* names; ``~/preservation`` by default."""
    named = environment.get("PRESERVE_HOME")
    return Path(named).expanduser().absolute() if named else Path.home() / "preservation"


def load(home: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the deployment at *home*, or of the one that the environment names.

    Raises:
        SettingsInvalid: The home isn't initialised, or a value can't be used; the message names it.
    """
    environment = os.environ if environment is None else environment
    home = home_from(environment) if home is None else home.expanduser().absolute()
    document = _read(home / SETTINGS_FILE)
    require_shape(document)
    require_known_variables(environment)
    database_url = environment.get("PRESERVE_DATABASE_URL") or document.get("database_url")
    networks = environment.get("PRESERVE_ALLOW_NETWORKS") or ",".join(
        document.get("allow_networks", [])
    )
    loaded = Settings(
        home=home,
        database_url=database_url or f"sqlite:///{home / 'preserve.db'}",
        log_origin=document.get("log_origin") or _absent("log_origin", home),
        allow_networks=parse_networks(networks),
        limits=limits_of(document.get("limits", {}), environment),
        **_proof(document, home),
        **_places(document, environment, home),
        **_capture(document, environment, home),
        **_airflow(document.get("airflow", {}), environment),
    )
    require_apart(loaded.storage or StorageSettings(folder=loaded.archive), loaded.replica)
    _require_own_database(loaded)
    return loaded


def _proof(document: Mapping[str, Any], home: Path) -> dict[str, Any]:
    """Who must vouch for time and log before a seal counts, and how often everything is read back."""
    quorum, needed = document.get("time_quorum"), document.get("witness_quorum", 0)
    authorities = tuple(authority_of(entry, home) for entry in document.get("authority", []))
    witnesses = tuple(witness_of(entry) for entry in document.get("witness", []))
    require_distinct("[[authority]]", (authority.name for authority in authorities))
    require_distinct("[[witness]]", (witness.name for witness in witnesses))
    for calendar in document.get("calendars", []):
        require_web_address("calendars", calendar)
    for name, number, known in (
        ("time_quorum", 0 if quorum is None else positive("time_quorum", quorum), authorities),
        ("witness_quorum", positive("witness_quorum", needed) if needed else 0, witnesses),
    ):
        if number > len(known):
            msg = f"{name} in {SETTINGS_FILE} is {number}, but only {len(known)} are configured."
            raise SettingsInvalid(msg, remedy="Configure more of them, or lower the number.")
    return {
        "authorities": authorities,
        "time_quorum": quorum,
        "renew_before_days": positive(
            "renew_before_days", document.get("renew_before_days", 180), most=MOST_DAYS
        ),
        "calendars": tuple(document.get("calendars", ())),
        "witnesses": witnesses,
        "witness_quorum": needed,
        "protects_sources": document.get("protects_sources", True),
        "audit_days": positive("audit_days", document.get("audit_days", 30), most=MOST_DAYS),
    }


def _places(document: Mapping[str, Any], environment: Mapping[str, str], home: Path) -> dict[str, Any]:
    """Where the archive and its second copy lie; ``PRESERVE_STORAGE`` and ``PRESERVE_REPLICA``, and
    these with ``_ENDPOINT``, win over ``url`` and ``endpoint`` of ``[storage]`` and ``[replica]``.
    """
    places: dict[str, Any] = {}
    for name in ("storage", "replica"):
        section = dict(document.get(name, {}))
        for key, variable in (("url", name), ("endpoint", f"{name}_endpoint")):
            given = environment.get(f"PRESERVE_{variable.upper()}")
            section |= {key: given} if given else {}
        places[name] = storage_of(section, named=name, home=home) if section else None
    return places


def parse_networks(text: str) -> tuple[Network, ...]:
    """The networks in a comma-separated list such as ``127.0.0.0/8,::1/128``."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        msg = f"allow_networks: {error}."
        raise SettingsInvalid(
            msg, remedy="Write networks like 127.0.0.0/8, separated by commas."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        msg = f"{path.parent} isn't the home of a deployment: it has no {path.name}."
        remedy = f"Run 'preserve init --home {path.parent}', or name another home."
        raise SettingsInvalid(msg, remedy=remedy) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} can't be read: {error}."
        raise SettingsInvalid(msg, remedy="Correct the file.") from error


def _require_own_database(loaded: Settings) -> None:
    """Airflow's migrations and ours would meet in one database."""
    ours, airflows = (
        url.partition("://")[2] for url in (loaded.database_url, loaded.airflow_database_url or "")
    )
    if ours == airflows:
        msg = "[airflow] database_url is the database of our own statuses."
        raise SettingsInvalid(msg, remedy="Give Airflow a database of its own.")


def _absent(name: str, home: Path) -> str:
    msg = f"{home / SETTINGS_FILE} has no {name}."
    raise SettingsInvalid(msg, remedy="Add it; 'preserve init' writes a complete file.")


def _airflow(section: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings of Airflow: ``[airflow]`` in the file; ``PRESERVE_AIRFLOW_<NAME>`` wins.

    The two folders are `PRESERVE_DAGS_FOLDER` and `PRESERVE_PLUGINS_FOLDER` alone.
    """
    values: dict[str, Any] = {}
    values["airflow_database_url"] = url = (
        environment.get("PRESERVE_AIRFLOW_DATABASE_URL") or section.get("database_url") or None
    )
    if url and not url.startswith(_AIRFLOW_DATABASES):
        msg = "[airflow] database_url names a database or a driver that isn't supported."
        raise SettingsInvalid(msg, remedy="Write it like postgresql+psycopg://user@host/airflow.")
    most = _MOST_TASKS_ON_SQLITE if (url or "sqlite:").startswith("sqlite:") else MOST
    for name, largest in (("port", 65_535), ("parallelism", most)):
        given = environment.get(f"PRESERVE_AIRFLOW_{name.upper()}", section.get(name))
        if given is not None:
            values[f"airflow_{name}"] = positive(f"[airflow] {name}", given, most=largest)
    for name in ("dags_folder", "plugins_folder"):
        folder = environment.get(f"PRESERVE_{name.upper()}")
        if folder:
            values[name] = Path(folder).expanduser().absolute()
    return values


def _capture(document: Mapping[str, Any], environment: Mapping[str, str], home: Path) -> dict[str, Any]:
    """How captures trust, keep and leave."""
    roots = environment.get("PRESERVE_CAPTURE_ROOTS", document.get("capture_roots"))
    egresses = tuple(egress_of(entry) for entry in document.get("egresses", []))
    require_distinct("[[egresses]]", (egress.name for egress in egresses))
    chosen = environment.get("PRESERVE_EGRESS") or document.get("egress", "direct")
    if chosen not in {"direct", *(egress.name for egress in egresses)}:
        # Not repeated: it may be an address with a password, written in the name's place.
        msg = f"The egress that is chosen isn't one of {SETTINGS_FILE}'s [[egresses]]."
        raise SettingsInvalid(msg, remedy="Name one of them, or direct.")
    user_agent = document.get("user_agent")
    if user_agent is not None and not (user_agent.isascii() and user_agent.isprintable()):
        msg = f"user_agent in {SETTINGS_FILE} is {user_agent!r}."
        raise SettingsInvalid(msg, remedy="Give printable ASCII in one line: it becomes a header.")
    return {
        "user_agent": user_agent,
        "capture_roots": home / Path(roots).expanduser() if roots else None,
        "keeps_recordings": document.get("keeps_recordings", True),
        "post_comments": document.get("post_comments", False),
        "post_pages": document.get("post_pages", True),
        "egress": chosen,
        "egresses": egresses,
    }
