"""Archives that earlier versions of this software sealed are read as they are; what a later version
sealed is refused by that name, and never called broken.
"""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from preservation import query, report
from preservation.custody.segments import segment_key
from preservation.errors import ArchiveTooNew
from preservation.export import verify
from preservation.export.holdings import Holdings
from preservation.manifest import read_table, write_table
from preservation.model.canonical import canonical_json
from preservation.model.findings import Severity
from preservation.model.tables import CAPTURES, ITEMS, OBJECTS, TABLES, EarlierRow, row_digest
from preservation.pipeline.archive import open_archive
from preservation.pipeline.auditing import audit
from preservation.store.read_copies import ReadCopies
from tests.fakes.other_versions import (
    LACKING,
    mixed,
    narrower,
    sealed_earlier,
    sealed_later,
    sealed_with_new_table,
    wider,
)
from tests.fakes.small_archive import SmallArchive
from tests.fakes.small_bag import SmallBag, trust_of
from tests.fakes.two_places import TwoPlaces
from tests.faults.test_verify_attacks import _broken

CAPTURES_KEY = "batches/2026/01/batch-0001/manifest/captures.parquet"


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> SmallArchive:
    """A batch of an earlier version, and one of this."""
    return mixed(tmp_path_factory.mktemp("mixed") / "home")


@pytest.fixture(scope="module")
def later(tmp_path_factory) -> SmallArchive:
    """A batch of this version, then one of a later one, then one of this again."""
    archive = SmallArchive.found(tmp_path_factory.mktemp("later") / "home")
    archive.seal_batch(1)
    sealed_later(archive, 2)
    archive.seal_batch(3)
    return archive


def _ask(archive: SmallArchive, sql: str) -> list[tuple[object, ...]]:
    return query.run(ReadCopies(archive.store, archive.home / "copies"), sql).rows


def _newer(archive: SmallArchive) -> list[str]:
    verdict = archive.verify()
    assert verdict.verdict == "incomplete", verdict.findings
    return [f.subject for f in verdict.findings if f.rule == "newer-software"]


# Earlier versions.


def test_what_an_earlier_version_sealed_is_proven(kept):
    verdict = kept.verify()

    assert verdict.verdict == "proven", verdict.findings


def test_its_rows_keep_their_digests_and_lack_what_they_lacked(kept):
    (row,) = read_table(kept.store.read(CAPTURES_KEY), CAPTURES)

    assert "warc_sha256" not in row
    assert row["warc_sha256"] is None
    assert row_digest(row) == row["row_sha256"]
    with pytest.raises(KeyError):
        row["no_such_column"]


def test_a_query_sees_nulls_where_columns_were_unknown(kept):
    digests = _ask(kept, "SELECT warc_sha256 IS NULL FROM captures ORDER BY capture_id")

    assert digests == [(True,), (False,)]
    assert _ask(kept, "SELECT count(*) FROM items") == [(2,)]
    assert _ask(kept, "SELECT count(*) FROM protected") == [(0,)]


def test_an_export_hands_out_its_rows_as_they_were_sealed(kept):
    holdings = Holdings(kept.store)
    gathered = holdings.gather(holdings.items(["item-1", "item-2"]))

    for table, column in LACKING.items():
        first, *_ = gathered.rows[table]
        parquet = io.BytesIO()
        write_table(parquet, TABLES[table], gathered.rows[table])
        told = pq.read_table(pa.BufferReader(parquet.getvalue())).to_pylist()
        assert f'"{column}"' not in canonical_json(first).decode()
        assert [row["row_sha256"] for row in told] == [r["row_sha256"] for r in gathered.rows[table]]
        assert told[0][column] is None


def test_a_report_and_an_audit_take_them_like_any_other(kept, tmp_path):
    places = TwoPlaces.of(kept.copy(tmp_path / "home"))

    audited = audit(places.settings, everything=True)
    page = report.write_report(places.settings, tmp_path / "report.html")

    assert not audited["damaged"], audited
    assert "item-1" in page.read_text("utf-8")


def test_a_column_dropped_by_an_attacker_is_no_earlier_version(kept, tmp_path):
    archive = kept.copy(tmp_path / "home")
    key = CAPTURES_KEY.replace("0001", "0002")
    table = pq.read_table(pa.BufferReader(archive.store.read(key)))
    drop = narrower(CAPTURES, "final_url")
    content = io.BytesIO()
    rows = [{k: v for k, v in row.items() if k != "final_url"} for row in table.to_pylist()]
    write_table(content, drop, rows)
    archive.overwrite(key, content.getvalue())

    (row,) = read_table(content.getvalue(), CAPTURES)

    assert key in _broken(archive)
    assert row_digest(row) != row["row_sha256"]


def test_a_file_without_a_required_column_is_of_no_version(tmp_path):
    write_table(tmp_path / "m", narrower(CAPTURES, "outcome"), [])

    with pytest.raises(ValueError, match=r"its columns differ: .'outcome'"):
        read_table(tmp_path / "m", CAPTURES)


def test_only_a_row_that_says_what_it_lacks_is_written_without_it(tmp_path):
    row = {column.name: None for column in ITEMS.columns if column.name != "host"}

    with pytest.raises(ValueError, match="host"):
        write_table(tmp_path / "m", ITEMS, [row])
    with pytest.raises(ValueError, match="host"):
        write_table(tmp_path / "m", ITEMS, [EarlierRow(row, frozenset({"engine"}))])


def test_the_single_file_verifier_takes_rows_with_fewer_and_with_more_columns(tmp_path):
    archive = SmallArchive.found(tmp_path / "home")
    sealed_earlier(archive, 1, {"resources": "warc_file", "items": "reason"})
    bag = SmallBag.of(archive, "item-1")
    bag.rewrite("objects", novelty="of a kind that the verifier doesn't know")
    bag.rebuild()
    case = verify.Case(trust_of(archive, tmp_path / "trust"), bag=bag.write(tmp_path / "bag"))

    verify.verify_bag(case)

    assert not [finding for finding in case.findings.values() if finding.severity == "broken"]
    assert case.counts["rows"] > 5


# Later versions.


def test_what_a_later_version_sealed_is_a_gap_that_names_its_file(later):
    assert _newer(later) == ["batches/2026/01/batch-0002/manifest/objects.parquet"]


def test_a_table_that_is_not_known_is_a_gap(tmp_path):
    archive = SmallArchive.found(tmp_path / "home")
    sealed_with_new_table(archive, 1)
    archive.seal_batch(2)

    assert _newer(archive) == ["batches/2026/01/batch-0001/manifest/novelties.parquet"]
    with pytest.raises(ArchiveTooNew, match="novelties"):
        _ask(archive, "SELECT * FROM items")


def test_a_changed_file_of_a_later_version_is_still_found(later, tmp_path):
    archive = later.copy(tmp_path / "home")
    key = "batches/2026/01/batch-0002/manifest/objects.parquet"
    content = bytearray(archive.store.read(key))
    content[-9] ^= 1
    archive.overwrite(key, bytes(content))

    assert key in _broken(archive)


def test_a_query_refuses_the_tables_that_are_newer_and_answers_from_the_others(later):
    with pytest.raises(ArchiveTooNew, match=r"novelty.*newer version"):
        _ask(later, "SELECT count(*) FROM objects")

    assert _ask(later, "SELECT count(*) FROM captures") == [(3,)]


def test_export_and_report_refuse_it(later, tmp_path):
    holdings = Holdings(later.store)

    with pytest.raises(ArchiveTooNew, match="novelty"):
        holdings.gather(holdings.items(["item-2"]))
    with pytest.raises(ArchiveTooNew, match="novelty"):
        report.write_report(later.settings, tmp_path / "report.html")


def test_an_audit_reads_files_of_a_later_version_as_bytes(later, tmp_path):
    places = TwoPlaces.of(later.copy(tmp_path / "home"))

    assert not audit(places.settings, everything=True)["damaged"]


def test_a_file_of_a_higher_schema_version_is_refused_with_the_same_columns(tmp_path):
    write_table(tmp_path / "m", OBJECTS, [])
    content = pq.read_table(tmp_path / "m")
    declared = content.schema.metadata | {b"preservation.schema_version": b"2"}
    pq.write_table(content.replace_schema_metadata(declared), tmp_path / "m")

    with pytest.raises(ArchiveTooNew, match="schema version 2"):
        read_table(tmp_path / "m", OBJECTS)


def test_a_column_more_and_one_less_is_damage_and_no_later_version(tmp_path):
    write_table(tmp_path / "m", wider(narrower(OBJECTS, "target_uri")), [])

    with pytest.raises(ValueError, match="novelty"):
        read_table(tmp_path / "m", OBJECTS)


def test_a_seal_of_a_later_version_is_a_gap_and_refused(tmp_path):
    archive = SmallArchive.found(tmp_path / "home")
    archive.seal_batch(1)
    archive.seal_batch(2, version=2)

    assert _newer(archive) == ["seals/batch-0002.json"]
    with pytest.raises(ArchiveTooNew, match=r"seals/batch-0002\.json"):
        _ask(archive, "SELECT * FROM items")


def test_an_entry_of_a_later_version_is_a_gap_and_nothing_is_appended(tmp_path):
    archive = SmallArchive.found(tmp_path / "home")
    archive.seal_batch(1)
    size = archive.log.size()
    (entry,) = archive.log.entries(size - 1, size)
    line = replace(
        entry, index=size, previous_leaf_hash=entry.leaf_hash.hex(), version=2, event_key="later"
    ).line
    archive.overwrite(segment_key(size), line + b"\n")

    assert _newer(archive) == [segment_key(size)]
    with pytest.raises(ArchiveTooNew, match="entry of version 2"):
        archive.log.append([entry.draft], since=0)


@pytest.fixture
def founded_later(tmp_path) -> SmallArchive:
    archive = SmallArchive.found(tmp_path / "home", schema_version=2)
    archive.seal_batch(1)
    return archive


def test_an_archive_that_a_later_version_founded_is_refused_by_all(founded_later, tmp_path):
    places = TwoPlaces.of(founded_later)
    attempts = (
        lambda: _ask(founded_later, "SELECT 1"),
        lambda: Holdings(founded_later.store),
        lambda: report.write_report(founded_later.settings, tmp_path / "report.html"),
        lambda: audit(places.settings),
        lambda: open_archive(founded_later.settings),
    )

    for attempt in attempts:
        with pytest.raises(ArchiveTooNew, match=r"schema version|newer") as caught:
            attempt()
        assert caught.value.exit_code == 4
        assert "newer version" in caught.value.remedy

    assert [f.severity for f in founded_later.verify().findings] == [Severity.GAP]
