from __future__ import annotations

from pathlib import Path

import pytest

from preservation.errors import BadInput, EvidenceAtRisk
from preservation.manifest import write_derived
from preservation.model.tables import CLUSTERS, EDGES, ITEMS, TABLES, TIMESTAMPS, ColumnType
from preservation.query import run
from tests.fakes.manifest_rows import MOMENT, row_of
from tests.fakes.sealed_manifests import SealedManifests, on_disk


@pytest.fixture
def archive(tmp_path: Path) -> SealedManifests:
    return SealedManifests(tmp_path)


def items(*names: str) -> dict[str, list]:
    return {"items": [row_of(ITEMS, item_id=name) for name in names]}


def test_only_sealed_batches_count(archive):
    archive.batch("b1", items("i1", "i2"))
    archive.batch("b2", items("i3"), is_sealed=False)
    archive.batch("b3", items("i4"))

    answer = run(on_disk(archive.root), "SELECT item_id FROM items ORDER BY item_id")

    assert answer.columns == ("item_id",)
    assert answer.rows == [("i1",), ("i2",), ("i4",)]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_view_has_its_columns_before_the_first_seal(archive, table):
    kinds = {
        ColumnType.INTEGER: "BIGINT",
        ColumnType.BOOLEAN: "BOOLEAN",
        ColumnType.INSTANT: "TIMESTAMP WITH TIME ZONE",
    }

    answer = run(on_disk(archive.root), f"SELECT column_name, column_type FROM (DESCRIBE {table.name})")

    assert answer.rows == [(column.name, kinds.get(column.type, "VARCHAR")) for column in table.columns]
    assert run(on_disk(archive.root), f"FROM {table.name}").rows == []


def test_a_later_seal_of_a_batch_replaces_its_timestamps_and_nothing_else(archive):
    archive.batch("b1", {**items("i1"), "timestamps": [row_of(TIMESTAMPS, status="pending")]})
    archive.batch("b2", {"timestamps": [row_of(TIMESTAMPS, status="of b2")]})
    archive.later_timestamps("b1", 2, [row_of(TIMESTAMPS, status="accepted")])
    archive.later_timestamps("b1", 10, [row_of(TIMESTAMPS, status="renewed")])

    answer = run(on_disk(archive.root), "SELECT status FROM timestamps ORDER BY status")

    assert answer.rows == [("of b2",), ("renewed",)]
    assert run(on_disk(archive.root), "SELECT count(*) FROM items").rows == [(1,)]


def test_the_clusters_of_the_longest_log_are_shown(archive):
    archive.clusters(900, [row_of(CLUSTERS, cluster_id="old")])
    archive.clusters(1000, [row_of(CLUSTERS, cluster_id="new")])

    assert run(on_disk(archive.root), "SELECT cluster_id FROM clusters").rows == [("new",)]


def test_edges_that_no_coverage_names_are_not_shown(archive):
    archive.batch("b1", items("i1"))
    archive.edges(["b1"], [row_of(EDGES, signal="picture")])
    write_derived(on_disk(archive.root).store, EDGES, [row_of(EDGES, signal="text")], 1)

    assert run(on_disk(archive.root), "SELECT signal FROM edges").rows == [("picture",)]


def test_a_thousand_batches_are_one_view(archive):
    for number in range(1000):
        key = f"batches/2026/01/b{number}/manifest/items.parquet"
        path = archive.root / key
        path.parent.mkdir(parents=True)
        if number == 0:
            archive.batch("model", items("i"))
        path.write_bytes((archive.root / "batches/2026/01/model/manifest/items.parquet").read_bytes())
        archive.seal(f"b{number}", [key])

    assert run(on_disk(archive.root), "SELECT count(*) FROM items").rows == [(1001,)]


def test_filters_on_absent_values_and_times_agree_with_the_rows(archive):
    rows = [
        row_of(ITEMS, item_id="none"),
        row_of(ITEMS, item_id="some", reason="timeout", finished_at=MOMENT.replace(year=2027)),
    ]
    archive.batch("b1", {"items": rows})

    def ids(condition: str) -> list:
        return run(on_disk(archive.root), f"SELECT item_id FROM items WHERE {condition}").rows

    assert ids("reason IS NULL") == [("none",)]
    assert ids("reason <> 'login-wall'") == [("some",)]
    assert ids("finished_at > '2026-06-01'") == [("some",)]
    assert ids("finished_at = TIMESTAMPTZ '2026-01-02 03:04:05.000006+00'") == [("none",)]


def test_a_folder_without_an_archive_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(BadInput, match="preserve init"):
        run(on_disk(tmp_path), "SELECT 1")


def test_an_unreadable_seal_stops_the_query_instead_of_hiding_a_batch(archive):
    archive.batch("b1", items("i1"))
    (archive.root / "seals/b1.json").write_text('{"files": ')

    with pytest.raises(EvidenceAtRisk, match=r"b1\.json.*preserve verify"):
        run(on_disk(archive.root), "SELECT 1")


def test_a_seal_that_names_a_file_outside_the_archive_is_refused(archive):
    archive.seal("b1", ["../../elsewhere/manifest/items.parquet"])

    with pytest.raises(EvidenceAtRisk, match="isn't a key"):
        run(on_disk(archive.root), "SELECT 1")


def test_a_sealed_file_that_is_gone_is_named(archive):
    archive.batch("b1", items("i1"))
    gone = archive.root / "batches/2026/01/b1/manifest/items.parquet"
    gone.unlink()

    with pytest.raises(EvidenceAtRisk, match=r"items\.parquet.*preserve verify"):
        run(on_disk(archive.root), "SELECT 1")


@pytest.mark.parametrize("table", ["edges", "clusters"])
def test_a_damaged_derived_file_is_not_called_sealed(archive, table):
    archive.batch("b1", items("i1"))
    archive.edges(["b1"], [row_of(EDGES, signal="picture")])
    archive.clusters(3, [row_of(CLUSTERS, cluster_id="one")])
    [path] = (archive.root / "derived" / table).glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(EvidenceAtRisk, match=f"derived file of {table} is damaged") as found:
        run(on_disk(archive.root), f"SELECT * FROM {table}")

    assert "makes it again" in found.value.remedy


@pytest.mark.parametrize("table", ["compared", "edges"])
@pytest.mark.parametrize("content", [b"", b"{}", None], ids=["emptied", "another", "shorter"])
def test_a_damaged_document_of_what_is_compared_is_named(archive, table, content):
    archive.batch("b1", items("i1"))
    archive.edges(["b1"], [row_of(EDGES, signal="picture")])
    [path] = (archive.root / "derived/coverage").glob("*.json")
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)

    with pytest.raises(EvidenceAtRisk, match=f"{path.name} is damaged"):
        run(on_disk(archive.root), f"SELECT * FROM {table}")

    assert run(on_disk(archive.root), "SELECT item_id FROM items").rows == [("i1",)]


def test_a_damaged_sealed_file_is_not_answered_from(archive):
    archive.batch("b1", items("i1"))
    path = archive.root / "batches/2026/01/b1/manifest/items.parquet"
    content = bytearray(path.read_bytes())
    content[content.index(b"i1")] ^= 1
    path.write_bytes(content)

    with pytest.raises(EvidenceAtRisk, match=r"damaged.*preserve verify"):
        run(on_disk(archive.root), "SELECT item_id FROM items")
