from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preservation.manifest import open_files, read_table, write_table
from preservation.model.tables import DERIVATIONS, EVENTS, OBJECTS, TIMESTAMPS
from tests.fakes.manifest_rows import row_of


def test_the_file_says_which_table_and_version_it_holds(tmp_path: Path):
    write_table(tmp_path / "m.parquet", OBJECTS, [row_of(OBJECTS)])

    declared = pq.read_metadata(tmp_path / "m.parquet").metadata

    assert declared[b"preservation.table"] == b"objects"
    assert declared[b"preservation.schema_version"] == b"1"


def test_pages_are_zstd_with_checksums_index_and_no_dictionary_for_digests(tmp_path: Path):
    write_table(tmp_path / "m.parquet", OBJECTS, [row_of(OBJECTS)] * 70_000)

    facts = pq.read_metadata(tmp_path / "m.parquet")

    columns = {facts.row_group(0).column(n).path_in_schema: n for n in range(facts.num_columns)}
    digest, role = (facts.row_group(0).column(columns[name]) for name in ("sha512", "role"))
    assert facts.format_version == "2.6"
    assert [facts.row_group(n).num_rows for n in range(facts.num_row_groups)] == [65_536, 4_464]
    assert digest.compression == "ZSTD"
    assert digest.has_offset_index
    assert digest.has_column_index
    assert not digest.has_dictionary_page
    assert role.has_dictionary_page


def test_a_file_of_another_table_is_refused_by_name(tmp_path: Path):
    write_table(tmp_path / "m.parquet", EVENTS, [])

    with pytest.raises(ValueError, match="declares itself as events"):
        read_table(tmp_path / "m.parquet", DERIVATIONS)


def test_a_foreign_parquet_file_is_refused(tmp_path: Path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "m.parquet")

    with pytest.raises(ValueError, match="declares itself as no table of ours"):
        read_table(tmp_path / "m.parquet", DERIVATIONS)


def test_a_file_with_a_column_too_many_is_refused_and_the_column_named(tmp_path: Path):
    table = pa.table({"surplus": [1]}).replace_schema_metadata(
        {"preservation.table": "derivations", "preservation.schema_version": "1"}
    )
    pq.write_table(table, tmp_path / "m.parquet")

    with pytest.raises(ValueError, match="surplus"):
        read_table(tmp_path / "m.parquet", DERIVATIONS)


def test_a_missing_file_is_not_called_damaged(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.parquet", DERIVATIONS)


def test_a_row_without_all_columns_is_not_written(tmp_path: Path):
    row = row_of(DERIVATIONS)
    del row["tool"]

    with pytest.raises(ValueError, match="tool"):
        write_table(tmp_path / "m.parquet", DERIVATIONS, [row])


def test_a_value_of_another_type_is_not_written(tmp_path: Path):
    row = row_of(TIMESTAMPS) | {"checkpoint_size": "many"}

    with pytest.raises(ValueError, match="another type"):
        write_table(tmp_path / "m.parquet", TIMESTAMPS, [row])


def test_a_dataset_of_no_files_has_the_columns_and_no_rows():
    dataset = open_files([], DERIVATIONS)

    assert dataset.schema.names == [column.name for column in DERIVATIONS.columns]
    assert dataset.count_rows() == 0


def test_a_dataset_reads_a_column_that_a_file_lacks_as_null(tmp_path: Path):
    pq.write_table(pa.table({"item_id": ["i"]}), tmp_path / "old.parquet")

    rows = open_files([tmp_path / "old.parquet"], DERIVATIONS).to_table().to_pylist()

    assert rows[0]["item_id"] == "i"
    assert rows[0]["tool"] is None
