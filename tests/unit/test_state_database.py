"""Opening the database of statuses, and bringing it to the present schema."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError

from preservation import clock
from preservation.errors import ArchiveTooNew, SettingsInvalid, StateUnavailable
from preservation.state import open_database, reading, schema, upgrade
from preservation.state.schema import metadata


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'preserve.db'}"


@pytest.fixture
def engine(url):
    upgrade(url)
    opened = open_database(url)
    yield opened
    opened.dispose()


def organisation(organisation_id: str = "relief-watch") -> dict:
    return {
        "organisation_id": organisation_id,
        "submitter_ref": f"ref-{organisation_id}",
        "created_at": clock.now(),
    }


def test_a_migrated_database_is_what_the_schema_says(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})

        assert compare_metadata(context, metadata) == []


def test_upgrading_twice_changes_nothing_and_loses_nothing(engine, url):
    with engine.begin() as connection:
        connection.execute(insert(schema.organisation).values(organisation()))

    upgrade(url)

    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(schema.organisation)).scalar() == 1


def test_processes_that_upgrade_at_the_same_time_all_succeed(url, engine):
    code = f"from preservation.state import upgrade; upgrade({url.replace('preserve', 'fresh')!r})"
    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]

    assert [process.wait(60) for process in started] == [0, 0, 0]


def test_sqlite_is_opened_with_a_journal_keys_and_patience(engine):
    with engine.connect() as connection:
        values = [
            connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        ]

    assert values == ["wal", 1, 30_000, 2]


def test_a_reference_to_nothing_is_refused(engine):
    lonely = {
        "agreement_id": "a",
        "organisation_id": "nobody",
        "version": 1,
        "terms": {},
        "terms_sha256": "",
        "created_at": clock.now(),
    }

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(schema.agreement).values(lonely))


def test_a_reader_waits_for_no_writer(engine):
    with engine.begin() as writer:
        writer.execute(insert(schema.organisation).values(organisation()))

        with reading(engine).begin() as reader:
            seen = reader.execute(select(func.count()).select_from(schema.organisation)).scalar()

    assert seen == 0


def test_processes_that_read_and_then_write_never_lock_each_other_out(engine, url):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE tally (value INTEGER)"))
        connection.execute(text("INSERT INTO tally VALUES (0)"))
    code = (
        "from preservation.state import open_database; from sqlalchemy import text\n"
        f"engine = open_database({url!r})\n"
        "for _ in range(25):\n"
        "    with engine.begin() as connection:\n"
        "        value = connection.execute(text('SELECT value FROM tally')).scalar()\n"
        "        connection.execute(text('UPDATE tally SET value = :v'), {'v': value + 1})\n"
    )

    started = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    codes = [process.wait(60) for process in started]

    with engine.connect() as connection:
        assert connection.execute(text("SELECT value FROM tally")).scalar() == 75
    assert codes == [0, 0, 0]


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/name", "postgresql+nothing://host/name"])
def test_an_address_that_is_no_database_says_how_to_write_one(url):
    with pytest.raises(SettingsInvalid, match="Write it like sqlite:"):
        open_database(url)


def test_a_password_in_a_bad_address_is_not_repeated():
    with pytest.raises(SettingsInvalid) as raised:
        open_database("mysql://user:hunter2@host/name")

    assert "hunter2" not in str(raised.value)


def test_a_database_that_was_never_set_up_says_what_to_run(url):
    with (
        pytest.raises(StateUnavailable, match="preserve init"),
        open_database(url).connect() as connection,
    ):
        connection.execute(select(schema.item))


@pytest.mark.parametrize("kept_bytes", [0, 20_000])
def test_a_damaged_database_says_what_to_restore(tmp_path, url, kept_bytes):
    upgrade(url)
    path = tmp_path / "preserve.db"
    path.write_bytes((path.read_bytes()[:kept_bytes] or b"no database") * 2)
    for rest in tmp_path.glob("preserve.db-*"):
        rest.unlink()

    with (
        pytest.raises(StateUnavailable, match="Restore it from the backup"),
        open_database(url).begin(),
    ):
        pass


def test_a_database_of_a_newer_version_is_left_alone(engine, url):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ArchiveTooNew, match="schema 9999 of a newer version"):
        upgrade(url)


def test_a_database_of_an_older_version_says_how_to_upgrade(engine):
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE item DROP COLUMN waiting_for"))

    with (
        pytest.raises(StateUnavailable, match="preserve init': it brings"),
        engine.begin() as connection,
    ):
        connection.execute(select(schema.item))


def test_a_folder_that_is_missing_is_named_as_the_fault(tmp_path):
    with pytest.raises(StateUnavailable, match="folder exists"):
        upgrade(f"sqlite:///{tmp_path / 'missing' / 'preserve.db'}")


def test_a_server_that_does_not_answer_can_be_tried_again():
    engine = open_database("postgresql://127.0.0.1:1/preserve?connect_timeout=2")

    with pytest.raises(StateUnavailable) as raised, engine.connect():
        pass

    assert raised.value.disposition == "retry"


def test_an_instant_comes_back_aware_and_in_utc(engine):
    with engine.begin() as connection:
        connection.execute(insert(schema.organisation).values(values := organisation()))

    with engine.connect() as connection:
        assert (
            connection.execute(select(schema.organisation.c.created_at)).scalar()
            == values["created_at"]
        )
