"""The same statements on a real PostgreSQL: a private cluster on a Unix socket, for this module."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text, update

from preservation.errors import LeaseLost
from preservation.settings import Settings
from preservation.state import acquire, check, forget_deleted, open_database, upgrade
from preservation.state.schema import metadata, organisation
from preservation.submission import add_agreement, add_organisation, status_of, submit

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def programs() -> Path | None:
    """The folder with initdb and pg_ctl."""
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which("initdb")
    places += [Path(found).resolve().parent] if found else []
    return next(
        (place for place in places if (place / "initdb").exists() and (place / "pg_ctl").exists()), None
    )


def run_as_somebody(folder: Path, *command: object) -> None:
    """Run *command* as an ordinary user: PostgreSQL refuses root."""
    somebody = pwd.getpwnam("nobody") if os.getuid() == 0 else None
    if somebody:
        os.chown(folder, somebody.pw_uid, somebody.pw_gid)
    subprocess.run(
        list(map(str, command)),
        check=True,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)},
        user=somebody.pw_uid if somebody else None,
        group=somebody.pw_gid if somebody else None,
        extra_groups=[] if somebody else None,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.fixture(scope="module")
def server():
    bin_folder = programs()
    if bin_folder is None:
        pytest.skip("PostgreSQL isn't installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    cluster = folder / "cluster"
    run_as_somebody(
        folder,
        bin_folder / "initdb",
        "-D",
        cluster,
        "-U",
        "preserve",
        "-A",
        "trust",
        "-N",
        "-E",
        "UTF8",
    )
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    run_as_somebody(
        folder, bin_folder / "pg_ctl", "-D", cluster, "-w", "-l", folder / "log", "-o", options, "start"
    )
    yield f"postgresql://preserve@/postgres?host={folder}"
    run_as_somebody(folder, bin_folder / "pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def engine(server):
    maker = open_database(server).execution_options(isolation_level="AUTOCOMMIT")
    with maker.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS trial WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE trial"))
    maker.dispose()
    url = server.replace("/postgres?", "/trial?")
    upgrade(url)
    opened = open_database(url)
    yield opened
    opened.dispose()


def test_a_migrated_postgresql_is_what_the_schema_says(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_threads_that_upgrade_at_the_same_time_all_succeed(server, engine):
    url = server.replace("/postgres?", "/trial?")
    with engine.begin() as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    faults: list[BaseException] = []

    def run() -> None:
        try:
            upgrade(url)
        except Exception as error:  # noqa: BLE001 - a thread's failure must reach the test
            faults.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert faults == []


def test_of_many_threads_on_postgresql_exactly_one_holds(engine):
    tokens: list[int | None] = []

    def take() -> None:
        tokens.append(acquire(engine, "seal", owner="one", ttl_s=60, now=NOON))

    threads = [threading.Thread(target=take) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(tokens, key=str) == [1, *[None] * 9]


def test_a_take_over_waits_for_the_effect_that_has_checked_its_lease(engine):
    token = acquire(engine, "seal", owner="one", ttl_s=60, now=NOON)
    taken: list[int | None] = []

    def take_over() -> None:
        later = NOON + timedelta(seconds=60)
        taken.append(acquire(engine, "seal", owner="two", ttl_s=60, now=later))

    with engine.begin() as connection:
        check(connection, "seal", token)
        rival = threading.Thread(target=take_over)
        rival.start()
        rival.join(0.5)
        assert taken == []
    rival.join(30)

    assert taken == [token + 1]
    with pytest.raises(LeaseLost), engine.begin() as connection:
        check(connection, "seal", token)


def test_a_submission_is_taken_once_by_threads_that_send_it_at_the_same_time(engine, tmp_path):
    settings = Settings(home=tmp_path, database_url="", log_origin="example.org/log")
    add_organisation(engine, "relief-watch", name=None)
    add_agreement(engine, "relief-watch", {"quota_items": 3})
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("url,title\nhttps://example.org/1,مرحبا\nhttps://example.org/2,a\0b\n", "utf-8")
    answers = []

    def send() -> None:
        answers.append(submit(engine, settings, organisation_id="relief-watch", sources=[str(sheet)]))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len({answer.submission_id for answer in answers}) == 1
    assert sorted(answer.is_repeat for answer in answers) == [False, True, True, True]
    told = status_of(engine, organisation_id="relief-watch")
    assert told[0]["counts"] == {"accepted": 1, "waiting-for-you": 1}


def test_what_was_overwritten_is_gone_after_the_tables_are_rewritten(engine):
    for number in range(200):
        add_organisation(engine, f"ngo-{number}", name="x" * 1000)
    with engine.begin() as connection:
        connection.execute(update(organisation).values(name=None))

    forget_deleted(engine)

    with engine.begin() as connection:
        size = connection.execute(text("SELECT pg_relation_size('organisation')")).scalar_one()
    assert size < 200 * 1000
