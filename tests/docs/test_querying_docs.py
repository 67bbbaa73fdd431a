from __future__ import annotations

import re
from pathlib import Path

import pytest

from preservation.model.tables import CAPTURES, CLUSTERS, EDGES, ITEMS, MANIFEST_TABLES, OBJECTS, TABLES
from preservation.query import run
from tests.fakes.manifest_rows import row_of
from tests.fakes.sealed_manifests import SealedManifests, on_disk

PAGE = (Path(__file__).parents[2] / "docs" / "querying.md").read_text("utf-8")
EXAMPLES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL) + re.findall(
    r'preserve query "(.*?)"', PAGE
)
POSITION = '[{"Composite:GPSPosition": "36.2 37.1", "ExifIFD:DateTimeOriginal": "2016:01:02 03:04:05"}]'


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    sealed = SealedManifests(tmp_path_factory.mktemp("archive"))
    rows = {table.name: [row_of(table)] for table in MANIFEST_TABLES}
    rows["items"] = [row_of(ITEMS, host="example.org")]
    rows["captures"] = [row_of(CAPTURES, outcome="not-captured")]
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    rows["objects"] = [row_of(OBJECTS, sha256=empty, embedded_metadata_json=POSITION)]
    sealed.batch("b1", rows)
    sealed.edges(["b1"], [row_of(EDGES, tier="review")])
    sealed.clusters(1, [row_of(CLUSTERS, item_id=item) for item in ("i1", "i2")])
    return sealed.root


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_has_an_answer(archive, example):
    assert run(on_disk(archive), example).rows


def test_the_page_names_every_view():
    assert len(EXAMPLES) >= 9
    assert all(f"`{name}`" in PAGE for name in TABLES)
