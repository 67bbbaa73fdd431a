"""What Airflow is told exists in Airflow, and holds nothing of another Airflow."""

from __future__ import annotations

import configparser
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml

from preservation import settings
from preservation.supervisor import configuration

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def known() -> set[tuple[str, str]]:
    """Every option that Airflow and the providers of the image document, as (section, option)."""
    text = (
        distribution("apache-airflow-core")
        .locate_file("airflow/config_templates/config.yml")
        .read_text()
    )
    return {
        (section, option)
        for section, body in yaml.safe_load(text).items()
        for option in body["options"]
    }


@pytest.fixture
def deployed(tmp_path) -> settings.Settings:
    (tmp_path / "preserve.toml").write_text('log_origin = "test.example/log"\n', "utf-8")
    loaded = settings.load(
        tmp_path, {"PRESERVE_AIRFLOW_DATABASE_URL": "postgresql+psycopg://a:50%25@h/d"}
    )
    loaded.airflow.mkdir()
    return loaded


def test_every_option_exists(deployed, known):
    written = configuration.sections(deployed, configuration.credentials(deployed), port=1)

    assert {(section, option) for section, body in written.items() for option in body} <= known


def test_a_per_cent_sign_in_an_address_survives_airflows_interpolation(deployed):
    configuration.write_configuration(deployed, port=1)

    read = configparser.ConfigParser()
    read.read(deployed.airflow / "airflow.cfg")

    assert read["database"]["sql_alchemy_conn"] == "postgresql+psycopg://a:50%25@h/d"
    assert read["database"]["sql_alchemy_conn_async"] == "postgresql+psycopg://a:50%25@h/d"


def test_credentials_are_made_once(deployed):
    assert configuration.credentials(deployed) == configuration.credentials(deployed)


def test_the_variables_of_another_airflow_do_not_reach_ours(deployed):
    inherited = {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////somebody/elses.db",
        "AIRFLOW_CONFIG": "/somebody/elses.cfg",
        "PRESERVE_ALLOW_NETWORKS": "127.0.0.0/8",
    }

    environment = configuration.environment(deployed, inherited)

    assert {name for name in environment if name.startswith("AIRFLOW")} == {"AIRFLOW_HOME"}
    assert environment["PRESERVE_ALLOW_NETWORKS"] == "127.0.0.0/8"


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    """The services of docker-compose.yml, by name."""
    return yaml.safe_load((PROJECT / "docker-compose.yml").read_text("utf-8"))["services"]


def test_every_airflow_variable_of_the_compose_file_exists(known, composed):
    variables = {
        name
        for service in composed.values()
        for name in service.get("environment", {})
        if name.startswith("AIRFLOW__")
    }
    celery = {"AIRFLOW__CELERY__BROKER_URL", "AIRFLOW__CELERY__RESULT_BACKEND"}

    options = {tuple(name.lower().split("__")[1:]) for name in variables - celery}

    assert options
    assert options <= known


@pytest.mark.parametrize("service", ["scheduler", "worker"])
def test_what_captures_in_a_container_is_confined_and_bounded(service, composed):
    body = composed[service]

    options = dict(option.split("=" if "=" in option else ":", 1) for option in body["security_opt"])
    assert (PROJECT / options["seccomp"]).is_file()
    assert options["no-new-privileges"] == "true"
    assert body["cap_drop"] == ["ALL"]
    assert {"mem_limit", "pids_limit"} <= set(body)


def test_no_container_is_privileged_or_given_a_capability(composed):
    assert not [name for name, body in composed.items() if {"privileged", "cap_add"} & set(body)]


def test_no_password_of_the_compose_file_has_a_default_that_everybody_knows(composed):
    text = (PROJECT / "docker-compose.yml").read_text("utf-8")

    assert re.findall(r"\$\{\w*PASSWORD:-\w+", text) == []
    assert "REDIS_PASSWORD:?" in " ".join(composed["redis"]["command"])
