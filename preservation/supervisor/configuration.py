"""What Airflow is told: one `airflow.cfg`, readable by its owner alone, and a clean environment.

With ``AIRFLOW_HOME`` set to that folder, Airflow's own command line works on the deployment too.
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from preservation.settings import Settings
from preservation.supervisor.processes import MARK

ADMIN = "admin"

Sections = dict[str, dict[str, str]]

FIXED: Sections = {
    "core": {
        "executor": "LocalExecutor",
        "load_examples": "False",
        # A DAG that is new starts to work at once; one that a person paused stays paused.
        "dags_are_paused_at_creation": "False",
        "simple_auth_manager_users": f"{ADMIN}:admin",
    },
    "api": {"host": "127.0.0.1", "workers": "1", "expose_config": "False"},
    # These let tasks outlive 100 s without the API server; with the defaults they were lost at 61 s.
    # The interval is also how long a worker may take to see that its task has ended (5 by default).
    "workers": {
        "min_heartbeat_interval": "2",
        "max_failed_heartbeats": "50",
        "execution_api_timeout": "30",
        "execution_api_retries": "8",
    },
    "scheduler": {
        "task_instance_heartbeat_timeout": "120",
        "orphaned_tasks_check_interval": "60",
    },
    "dag_processor": {
        "dag_version_inflation_check_level": "error",
        "min_file_process_interval": "60",
    },
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Secrets of one deployment's Airflow, made once."""

    fernet_key: str
    jwt_secret: str
    api_secret_key: str
    admin_password: str


def password_file(settings: Settings) -> Path:
    """The file, readable by its owner alone, that holds the password of the user `admin`."""
    return settings.airflow / "passwords.json"


def credentials(settings: Settings) -> Credentials:
    """The deployment's credentials, made at the first call."""
    path = settings.airflow / "secrets.json"
    if not path.exists():
        made = Credentials(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret_key=secrets.token_urlsafe(48),
            admin_password=secrets.token_urlsafe(18),
        )
        write_private(path, json.dumps(asdict(made)))
    return Credentials(**json.loads(path.read_text("utf-8")))


def sections(settings: Settings, secret: Credentials, *, port: int) -> Sections:
    """The sections of `airflow.cfg` for one deployment."""
    address = f"http://127.0.0.1:{port}"
    own: Sections = {
        "core": {
            "parallelism": str(settings.airflow_parallelism),
            "dags_folder": str(settings.dags_folder),
            "plugins_folder": str(settings.plugins_folder),
            "fernet_key": secret.fernet_key,
            "execution_api_server_url": f"{address}/execution/",
            "simple_auth_manager_passwords_file": str(password_file(settings)),
        },
        "database": _database(settings),
        "api": {"port": str(port), "base_url": address, "secret_key": secret.api_secret_key},
        "api_auth": {"jwt_secret": secret.jwt_secret},
        "logging": {
            "base_log_folder": str(settings.logs / "airflow"),
            "dag_processor_child_process_log_directory": str(settings.logs / "airflow" / "dags"),
        },
    }
    return {name: FIXED.get(name, {}) | own.get(name, {}) for name in {**FIXED, **own}}


def database_url(settings: Settings) -> str:
    """Where Airflow keeps its state; never the database of our own."""
    return settings.airflow_database_url or f"sqlite:///{settings.airflow / 'airflow.db'}"


def _database(settings: Settings) -> dict[str, str]:
    url = database_url(settings)
    if url.startswith("sqlite:"):
        return {"sql_alchemy_conn": url}
    # Airflow would derive a driver for asynchronous use that isn't installed; psycopg serves both.
    return {"sql_alchemy_conn": url, "sql_alchemy_conn_async": url}


def write_configuration(settings: Settings, *, port: int) -> None:
    """Write `airflow.cfg` and the password file, both readable by their owner alone."""
    secret = credentials(settings)
    parser = configparser.RawConfigParser()
    for name, options in sections(settings, secret, port=port).items():
        # Airflow interpolates: a per cent sign of a value is written twice.
        parser[name] = {key: value.replace("%", "%%") for key, value in options.items()}
    path = settings.airflow / "airflow.cfg"
    write_private(path, "")
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
    write_private(password_file(settings), json.dumps({ADMIN: secret.admin_password}))


def environment(settings: Settings, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of every part: what was inherited, without another Airflow's variables."""
    kept = {key: value for key, value in inherited.items() if not key.startswith("AIRFLOW_")}
    return kept | {
        "AIRFLOW_HOME": str(settings.airflow),
        "PRESERVE_HOME": str(settings.home),
        MARK: str(settings.home),
        # setproctitle would overwrite the environment block, by which processes are found again.
        "SPT_NOENV": "1",
        "PYTHONUNBUFFERED": "1",
    }


def write_private(path: Path, text: str) -> None:
    """Write *text* to *path*, readable by its owner alone from the first moment."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)
