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

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SETTINGS_FILE = "preserve.toml"

PROJECT = Path(__file__).resolve().parent.parent
"""The checkout that this package is installed from; `dags/` and `plugins/` lie beside the package."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressSettings:
    """One named way out, and the hosts that must take it."""

    name: str
    url: str
    """``socks5://host:port``, ``http://host:port`` or ``tor://host:port`` (a circuit per attempt)."""
    hosts: tuple[str, ...] = ()
    """Host suffixes like ``.onion`` that leave this way whatever the default is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on a single capture attempt."""

    connect_timeout_s: int = 10
    idle_timeout_s: int = 20
    """Longest silence of a server in mid-transfer, and before its first byte."""
    page_deadline_s: int = 90
    post_deadline_s: int = 900
    file_deadline_s: int = 3600
    largest_object_bytes: int = 20 << 30
    largest_item_bytes: int = 40 << 30
    """All that one attempt may receive."""
    largest_page_bytes: int = 1 << 30
    """All that an attempt at a page may receive; what is larger is fetched as a file."""
    largest_recorded_bytes: int = 64 << 20
    """Of one connection; what comes after is stored as its body alone."""
    largest_decoding_ratio: int = 200
    """A body that unpacks to more than this many times its size is kept packed."""
    lowest_rate_bytes_s: int = 512
    """A transfer slower than this over 30 s is ended."""
    host_interval_ms: int = 200
    """Least time between the beginnings of two attempts at one host, by all processes together."""
    browser_memory_mb: int = 2048
    """A browser that holds more than this is ended with its page."""
    browser_pages: int = 40
    """Pages after which a browser is replaced by a fresh one."""
    largest_redirect_chain: int = 20
    batch_items: int = 50
    """Items of one engine that one task works on."""
    page_workers: int = 2
    post_workers: int = 2
    file_workers: int = 4
    retry_wait_percent: int = 100
    """Share of the waits in `model.retries` that a failed item waits; less only for demos and tests."""
    lease_s: int = 60
    seal_items: int = 1000
    page_tasks: int = 1
    """Batches of pages that Airflow captures at the same time: the size of the pool `browser`."""
    post_tasks: int = 2
    """The same for posts: pool `media`."""
    file_tasks: int = 4
    """The same for files: pool `http`."""
    describe_tasks: int = 2
    """Batches that Airflow characterises at the same time: the size of the pool `describe`."""


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
    limits: Limits = field(default_factory=Limits)
    user_agent: str | None = None
    """Overrides the browser's own User-Agent; recorded with each request either way."""
    capture_roots: Path | None = None
    """PEM file with roots that captures trust beside the usual ones: closed networks, and tests."""
    keeps_recordings: bool = True
    """Whether an attempt's recording of the wire, keys included, is stored with what it says."""
    post_comments: bool = False
    """Whether the comments of posts are taken, where yt-dlp can; they are other people's words."""
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
    return Settings(
        home=home,
        database_url=environment.get("PRESERVE_DATABASE_URL")
        or str(document.get("database_url") or f"sqlite:///{home / 'preserve.db'}"),
        log_origin=str(document.get("log_origin", "")) or _absent("log_origin", home),
        allow_networks=parse_networks(
            environment.get("PRESERVE_ALLOW_NETWORKS") or ",".join(document.get("allow_networks", []))
        ),
        authorities=tuple(_authority(entry, home) for entry in document.get("authority", [])),
        limits=_limits(document.get("limits", {}), environment),
        user_agent=document.get("user_agent"),
        **_capture(document, environment, home),
        **_airflow(document.get("airflow", {}), environment),
    )


def parse_networks(text: str) -> tuple[Network, ...]:
    """The networks in a comma-separated list such as ``127.0.0.0/8,::1/128``."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        msg = f"PRESERVE_ALLOW_NETWORKS: {error}."
        raise SettingsInvalid(
            msg, remedy="Write networks like 127.0.0.0/8, separated by commas."
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        msg = f"{path.parent} isn't the home of a deployment: it has no {path.name}."
        remedy = f"Run 'preserve init --home {path.parent}', or name another home."
        raise SettingsInvalid(msg, remedy=remedy) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} can't be read: {error}."
        raise SettingsInvalid(msg, remedy="Correct the file.") from error


def _absent(name: str, home: Path) -> str:
    msg = f"{home / SETTINGS_FILE} has no {name}."
    raise SettingsInvalid(msg, remedy="Add it; 'preserve init' writes a complete file.")


def _airflow(section: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings of Airflow: ``[airflow]`` in the file; ``PRESERVE_AIRFLOW_<NAME>`` wins.

    The two folders are `PRESERVE_DAGS_FOLDER` and `PRESERVE_PLUGINS_FOLDER` alone.
    """
    values: dict[str, Any] = {}
    url = environment.get("PRESERVE_AIRFLOW_DATABASE_URL", section.get("database_url"))
    if url:
        values["airflow_database_url"] = str(url)
    for name in ("port", "parallelism"):
        given = environment.get(f"PRESERVE_AIRFLOW_{name.upper()}", section.get(name))
        if given is not None:
            values[f"airflow_{name}"] = _positive(f"[airflow] {name}", given)
    for name in ("dags_folder", "plugins_folder"):
        folder = environment.get(f"PRESERVE_{name.upper()}")
        if folder:
            values[name] = Path(folder).expanduser().absolute()
    return values


def _capture(document: Mapping[str, Any], environment: Mapping[str, str], home: Path) -> dict[str, Any]:
    """How captures trust, keep and leave."""
    roots = environment.get("PRESERVE_CAPTURE_ROOTS", document.get("capture_roots"))
    egresses = tuple(_egress(entry) for entry in document.get("egresses", []))
    chosen = environment.get("PRESERVE_EGRESS") or str(document.get("egress", "direct"))
    if chosen not in {"direct", *(egress.name for egress in egresses)}:
        msg = f"The egress {chosen!r} isn't one of {SETTINGS_FILE}'s [[egresses]]."
        raise SettingsInvalid(msg, remedy="Name one of them, or direct.")
    return {
        "capture_roots": home / Path(roots).expanduser() if roots else None,
        "keeps_recordings": bool(document.get("keeps_recordings", True)),
        "post_comments": bool(document.get("post_comments", False)),
        "egress": chosen,
        "egresses": egresses,
    }


def _egress(entry: Mapping[str, Any]) -> EgressSettings:
    url = str(entry.get("url", ""))
    is_known = url.startswith(("socks5://", "http://", "tor://")) and url.rpartition(":")[2].isdigit()
    if not entry.get("name") or not is_known:
        msg = f"An [[egresses]] in {SETTINGS_FILE} is {dict(entry)!r}."
        raise SettingsInvalid(
            msg, remedy="Give a name and a url like socks5://host:port, http://... or tor://..."
        )
    return EgressSettings(name=str(entry["name"]), url=url, hosts=tuple(entry.get("hosts", ())))


def _authority(entry: Mapping[str, Any], home: Path) -> AuthoritySettings:
    try:
        return AuthoritySettings(
            name=entry["name"],
            url=entry["url"],
            roots=home / entry["roots"],
            is_test=bool(entry.get("is_test", False)),
        )
    except KeyError as error:
        msg = f"An [[authority]] in {SETTINGS_FILE} has no {error}."
        raise SettingsInvalid(msg, remedy="Give name, url and roots.") from error


def _limits(section: Mapping[str, Any], environment: Mapping[str, str]) -> Limits:
    """Limits from the file; ``PRESERVE_LIMIT_<NAME>`` in the environment wins."""
    values: dict[str, int] = {}
    for name in Limits.__slots__:
        given = environment.get(f"PRESERVE_LIMIT_{name.upper()}", section.get(name))
        if given is not None:
            values[name] = _positive(name, given)
    unknown = section.keys() - set(Limits.__slots__)
    if unknown:
        msg = f"[limits] in {SETTINGS_FILE} knows no {', '.join(sorted(unknown))}."
        raise SettingsInvalid(msg, remedy=f"Known are: {', '.join(Limits.__slots__)}.")
    return Limits(**values)


def _positive(name: str, given: object) -> int:
    try:
        value = int(str(given))
    except ValueError:
        value = 0
    if value <= 0:
        msg = f"The limit {name} is {given!r}."
        raise SettingsInvalid(msg, remedy="Give a whole number above zero.")
    return value
