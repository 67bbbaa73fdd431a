from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from preservation.errors import BadInput
from preservation.model.tables import DERIVATIONS
from preservation.query import open_views, run
from tests.fakes.manifest_rows import row_of
from tests.fakes.sealed_manifests import SealedManifests, on_disk


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    sealed = SealedManifests(tmp_path / "archive")
    sealed.batch("b1", {"derivations": [row_of(DERIVATIONS, tool="ffmpeg")]})
    return sealed.root


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("TIMESTAMPTZ '2026-01-02 03:04:05.000006+02'", "2026-01-02T01:04:05.000006Z"),
        ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02T03:04:05"),
        ("DATE '2026-01-02'", "2026-01-02"),
        ("(SELECT sum(x) FROM (VALUES (1::BIGINT), (2)) AS t(x))", 3),
        ("170141183460469231731687303715884105727::HUGEINT", 2**127 - 1),
        ("1.50", "1.50"),
        ("avg(3)", 3.0),
        ("'nan'::DOUBLE", "nan"),
        ("1 / 0", "inf"),
        ("'\\x00\\xff'::BLOB", "00ff"),
        ("[TIMESTAMPTZ '2026-01-02 03:04:05+00']", ["2026-01-02T03:04:05.000000Z"]),
        ("{'a': 1.5, 'b': NULL}", {"a": "1.5", "b": None}),
        ("MAP {'a': 1}", [["a", 1]]),
        ("true", True),
        ("'ا'", "ا"),
        ("'{\"a\": [1]}'::JSON->>'$.a[0]'", "1"),
    ],
)
def test_values_are_ready_for_json(archive, expression, value):
    answer = run(on_disk(archive), f"SELECT {expression} AS x")

    assert answer.rows == [(value,)]
    assert json.loads(json.dumps(answer.rows, allow_nan=False)) == [[value]]


def test_columns_of_the_same_name_keep_their_values(archive):
    answer = run(on_disk(archive), "SELECT 1 AS x, 2 AS x, 3 AS x_1, 4 AS x")

    assert answer.columns == ("x", "x_2", "x_1", "x_3")
    assert answer.rows == [(1, 2, 3, 4)]


@pytest.fixture
def heeding_interrupts() -> Iterator[None]:
    """Whatever runs in the background of a script ignores Ctrl-C, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_interrupts")
def test_an_interrupt_of_a_long_query_is_an_interrupt(archive):
    ringing = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
    ringing.start()

    with pytest.raises(KeyboardInterrupt):
        run(on_disk(archive), "SELECT count(*) FROM range(100000000000) a, range(1000000) b")


@pytest.mark.parametrize(
    "question",
    [
        "FROM derivations",
        "DESCRIBE derivations",
        "SHOW TABLES",
        "SUMMARIZE derivations",
        "EXPLAIN FROM derivations",
        "PIVOT derivations ON tool USING count(*) GROUP BY item_id",
        "WITH d AS (FROM derivations) SELECT * FROM d; -- with a remark",
    ],
)
def test_every_way_of_asking_is_answered(archive, question):
    assert run(on_disk(archive), question).rows


@pytest.mark.parametrize("question", ["SELEC 1", "SELECT nothing FROM items", "FROM nowhere"])
def test_a_wrong_question_gets_the_reason_and_the_views(archive, question):
    with pytest.raises(BadInput) as refusal:
        run(on_disk(archive), question)

    assert refusal.value.message.startswith("The query can't be answered: ")
    assert "submissions, items, captures, objects" in refusal.value.remedy


@pytest.mark.parametrize(
    "statement", ["", "-- nothing", "SELECT 1; SELECT 2", "DROP VIEW items", "SET threads = 1"]
)
def test_anything_but_one_question_is_refused(archive, statement):
    with pytest.raises(BadInput, match="one statement that reads"):
        run(on_disk(archive), statement)


ATTACKS = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('{archive}/archive.json')",
    "SELECT * FROM '{archive}/batches/2026/01/b1/manifest/items.parquet'",
    "SELECT * FROM read_parquet('{archive}/batches/2026/01/b1/manifest/items.parquet')",
    "SELECT * FROM glob('/*')",
    "COPY (SELECT 1) TO '{archive}/new.csv'",
    "COPY (SELECT 1) TO '{outside}/new.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{outside}/new.csv'",
    # DuckDB calls this a SELECT.
    "WITH x AS (COPY (SELECT 1 AS a) TO '{sealed}' (USE_TMP_FILE false)) SELECT * FROM x",
    "WITH x AS (COPY (SELECT 1 AS a) TO '{outside}/new.csv') SELECT * FROM x",
    "EXPORT DATABASE '{outside}/all'",
    "ATTACH '{outside}/new.db'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "SET temp_directory = '{outside}'",
    "SET allowed_directories = ['/']",
    "SELECT * FROM enable_logging('QueryLog', storage = 'file', storage_path = '{outside}')",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
]


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_query_reaches_no_file_by_itself(archive, tmp_path, attack):
    sealed = archive / "batches/2026/01/b1/manifest/derivations.parquet"
    before = files_below(tmp_path)

    with pytest.raises(BadInput):
        run(on_disk(archive), attack.format(archive=archive, outside=tmp_path, sealed=sealed))

    assert files_below(tmp_path) == before


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_connection_itself_is_locked_whatever_kind_the_statement_is(archive, tmp_path, attack):
    sealed = archive / "batches/2026/01/b1/manifest/derivations.parquet"
    before = files_below(tmp_path)

    with open_views(on_disk(archive)) as connection, pytest.raises(Exception, match=r"Error"):
        connection.execute(attack.format(archive=archive, outside=tmp_path, sealed=sealed))

    assert files_below(tmp_path) == before


def test_a_query_does_not_see_the_programs_own_variables(archive):
    secret = [1]  # noqa: F841 - what a replacement scan would find

    with pytest.raises(BadInput):
        run(on_disk(archive), "SELECT * FROM secret")
