"""An Airflow of the tests' own: told where it lives before anything imports it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
SAMPLES = Path(__file__).with_name("samples")
AIRFLOW_HOME = tempfile.TemporaryDirectory(prefix="airflow-tests-")

BUNDLES = [
    {
        "name": folder.name,
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(folder)},
    }
    for folder in (PROJECT / "dags", SAMPLES)
]

os.environ |= {
    "AIRFLOW_HOME": AIRFLOW_HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
    "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(BUNDLES),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def airflow_database() -> None:
    """Airflow's own tables, and the pools that `preserve up` creates."""
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session

    initdb()
    with create_session() as session:
        for name in ("browser", "media", "http", "describe"):
            session.add(Pool(pool=name, slots=2, description="", include_deferred=False))


@pytest.fixture(scope="session")
def sample_dags():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(SAMPLES).dags


@pytest.fixture(scope="session")
def dag_bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(PROJECT / "dags")
