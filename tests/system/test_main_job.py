"""The main job, end to end: a sheet goes in, a sealed and verified manifest comes out."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet
import pytest

from demo import sheet
from preservation.model.digests import sha256_of
from preservation.model.tables import DERIVED_TABLES, MANIFEST_TABLES
from preservation.store.warc import payload_at
from tests.conftest import new_deployment

FAILURES = ("500", "404", "loop", "truncated", "hang", "malformed")


@pytest.fixture(scope="module")
def rows(site):
    return site.sheet_rows()


@pytest.fixture(scope="module")
def done(tmp_path_factory, site, rows):
    """A deployment that has worked through the demo's sheet and a submitted file."""
    home = tmp_path_factory.mktemp("main") / "home"
    deployment = new_deployment(home)
    given = home.parent / "sheet.csv"
    with given.open("w", newline="", encoding="utf-8-sig") as stream:
        writer = csv.DictWriter(stream, sheet.COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    photo = home.parent / "photo from phone.jpg"
    photo.write_bytes(next(body for path, body in site.expected().items() if path.endswith(".jpg")))
    deployment.preserve("submit", given, "--organisation", "relief-watch")
    deployment.preserve("submit", photo, "--organisation", "relief-watch")
    deployment.preserve("run", "--until-idle")
    return deployment


def test_every_row_is_preserved_or_failed_with_a_reason(done, rows):
    items = done.query("SELECT outcome, reason FROM items")

    assert len(items) == len(rows) + 1
    for item in items:
        assert (item["reason"] is None) == (item["outcome"] == "captured")


def test_every_row_comes_to_the_end_that_the_site_was_built_for(done, site):
    items = {r["submitted_url"]: r for r in done.query("SELECT * FROM items")}
    for row in sheet.ROWS:
        url = row.as_cells(site.base_url)["url"]
        assert (items[url]["outcome"], items[url]["reason"]) == (row.outcome, row.reason), url


def test_the_page_with_20_images_and_a_video_is_held_byte_for_byte(done, site):
    held = done.query(
        "SELECT target_uri, sha256, warc_file, warc_offset, blob_key FROM objects"
        " WHERE item_id = (SELECT item_id FROM items WHERE submitted_url LIKE '%/gallery/')"
    )
    by_url = {(row["target_uri"], row["sha256"]): row for row in held}

    for path in site.gallery_resources():
        body = site.expected()[path]
        row = by_url[site.url(path), sha256_of(body)]
        warc = done.home / "archive" / row["warc_file"]
        with warc.open("rb") as stream, payload_at(stream, row["warc_offset"]) as payload:
            assert payload.read() == body, path
    assert len(site.gallery_resources()) == 22


def test_urls_of_the_same_base_name_are_kept_apart(done, site):
    named = [path for path in site.gallery_resources() if path.endswith("/photo.jpg")]
    found = done.query(
        "SELECT DISTINCT target_uri, sha256 FROM objects WHERE target_uri LIKE '%/photo.jpg'"
    )

    assert len(named) >= 4
    assert {(site.url(p), sha256_of(site.expected()[p])) for p in named} <= {
        (row["target_uri"], row["sha256"]) for row in found
    }


def test_a_busy_server_that_then_answers_is_one_item_with_its_failed_attempts(done):
    attempts = done.query(
        "SELECT attempt_number, http_status, captures.reason, retry_after_s FROM captures"
        " JOIN items USING (item_id) WHERE submitted_url LIKE '%/unsteady/' ORDER BY attempt_number"
    )

    assert [a["http_status"] for a in attempts] == [503, 503, 200]
    assert [a["retry_after_s"] for a in attempts] == [2, 2, None]
    assert attempts[-1]["reason"] is None


def test_the_sheet_that_comes_back_says_what_the_manifest_says(done, rows):
    [returned] = (done.home / "returned").glob("*/sheet*.csv")
    with returned.open(newline="", encoding="utf-8-sig") as stream:
        filled = list(csv.DictReader(stream))
    items = {row["submitted_url"]: row for row in done.query("SELECT * FROM items")}

    assert [row["url"] for row in filled] == [row["url"] for row in rows]
    for row in filled:
        assert row["preserve_reason"].split(":")[0] == (items[row["url"]]["reason"] or ""), row
        assert row["preserve_item_id"] == items[row["url"]]["item_id"]


def test_the_archive_is_proven_and_the_test_authority_is_called_one(done):
    verdict = done.json("verify")
    shown = done.preserve("verify").stdout

    assert verdict["verdict"] == "proven"
    assert "TEST" in shown.upper()


def test_every_warc_passes_warcio_check(done):
    warcs = sorted((done.home / "archive").rglob("*.warc.gz"))

    assert warcs
    subprocess.run([Path(sys.executable).with_name("warcio"), "check", *warcs], check=True)


def test_every_token_verifies_with_openssl_alone(done):
    tokens = done.query("SELECT token_key, checkpoint_size, authority FROM timestamps")
    archive, trust = done.home / "archive", done.home / "trust"

    assert tokens
    for token in tokens:
        checkpoint = archive / f"log/checkpoints/{token['checkpoint_size']:012}"
        roots = trust / f"{token['authority']}.pem"
        command = ["openssl", "ts", "-verify", "-data", checkpoint, "-CAfile", roots]
        subprocess.run([*command, "-in", archive / token["token_key"]], check=True, capture_output=True)


@pytest.mark.parametrize("table", [table.name for table in MANIFEST_TABLES])
def test_manifests_open_alike_in_three_readers(done, table):
    for path in (done.home / "archive/batches").rglob(f"{table}.parquet"):
        count = pyarrow.parquet.read_table(path).num_rows
        assert pl.read_parquet(path).height == count
        [(found,)] = duckdb.sql(f"SELECT count(*) FROM read_parquet('{path}')").fetchall()
        assert found == count


def test_near_duplicates_are_one_cluster_and_the_unrelated_photo_is_not_in_it(done, site):
    clusters = done.json("cluster", "list")["clusters"]
    members = [{m["target_uri"] for m in cluster["members"]} for cluster in clusters]
    from demo import contents

    alike = {site.url(p) for p in (contents.ORIGINAL, contents.LOWER_QUALITY, contents.RESIZED)}
    [holder] = [uris for uris in members if alike <= uris]
    assert site.url(contents.UNRELATED) not in holder


def test_working_again_adds_nothing(done, site):
    before = _counts(done)
    requests = len(site.requests.all())

    done.preserve("run", "--until-idle")

    assert _counts(done) == before
    assert len(site.requests.all()) == requests


def test_submitting_the_same_sheet_again_changes_nothing(done):
    before = done.json("status")

    answer = done.json("submit", done.home.parent / "sheet.csv", "--organisation", "relief-watch")

    assert answer["is_repeat"]
    assert done.json("status") == before


def test_flipping_one_byte_of_any_kind_of_file_is_found_and_named(done, tmp_path):
    copy = tmp_path / "home"
    shutil.copytree(done.home, copy)
    for path in _one_of_each_kind(copy / "archive"):
        key = path.relative_to(copy / "archive").as_posix()
        original = path.read_bytes()
        place = len(original) // 2
        path.chmod(0o644)
        path.write_bytes(original[:place] + bytes([original[place] ^ 1]) + original[place + 1 :])

        verdict = done.json("--home", copy, "verify", exit_code=1)

        assert key in [
            f["subject"].split("#")[0] for f in verdict["findings"] if f["severity"] == "broken"
        ]
        path.write_bytes(original)


def _one_of_each_kind(archive: Path) -> list[Path]:
    kinds: dict[tuple[str, str], Path] = {}
    for path in sorted(p for p in archive.rglob("*") if p.is_file()):
        parts = path.relative_to(archive).parts
        kinds[
            parts[0], path.name if path.suffix == ".parquet" and parts[0] != "derived" else path.suffix
        ] = path
    return list(kinds.values())


def _counts(deployment) -> dict[str, int]:
    tables = [table.name for table in (*MANIFEST_TABLES, *DERIVED_TABLES)]
    return {t: deployment.query(f"SELECT count(*) AS n FROM {t}")[0]["n"] for t in tables}
