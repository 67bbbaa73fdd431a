"""The report: what it says, and that it can't hurt."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demo import contents as sample
from demo import pictures
from preservation import settings as settings_module
from preservation.errors import StoreUnavailable
from preservation.manifest import write_table
from preservation.model.canonical import canonical_json, instant
from preservation.model.digests import fixity_of, sha256_of
from preservation.model.tables import CLUSTERS, MANIFEST_TABLES, TABLES, Row
from preservation.report import write_report
from preservation.report.page import in_bytes, render
from preservation.report.pictures import Thumbnails, harmless
from preservation.report.reading import newest_seals, read_contents
from preservation.store.disk import DiskStore
from preservation.store.memory import MemoryStore
from preservation.store.port import ObjectStore
from preservation.store.warc import HttpBlock, WarcWriter, http_head

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)
BATCH = "0198f0aa-0000-7000-8000-00000000000b"
SUBMISSION = "0198f0aa-0000-7000-8000-0000000000ee"
SHOUT = "<script>alert('x')</script>"


def item_id(number: int) -> str:
    return f"0198f0aa-0000-7000-8000-{number:012}"


class SealedArchive:
    """A small sealed archive, laid out as the real one."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store = store
        self.folder = folder
        self.rows: dict[str, list[Row]] = {table.name: [] for table in MANIFEST_TABLES}
        self.warc = WarcWriter(folder / "000.warc.gz")

    def add_item(self, number: int, url: str, **values: Any) -> None:
        defaults: dict[str, Any] = {
            "item_id": item_id(number),
            "submission_id": SUBMISSION,
            "row_number": number,
            "submitter_ref": "pseudonym",
            "submitted_url": url,
            "engine": "page",
            "outcome": "captured",
            "attempt_count": 1,
            "object_count": 0,
            "submitted_at": NOON,
            "finished_at": NOON,
        }
        self.add("items", defaults | values)

    def add_attempt(self, number: int, **values: Any) -> None:
        defaults: dict[str, Any] = {
            "capture_id": f"c{number}",
            "item_id": item_id(number),
            "attempt_number": 1,
            "engine": "page",
            "started_at": NOON,
            "ended_at": NOON + timedelta(seconds=1.25),
            "outcome": "captured",
            "egress": "direct",
            "bytes_received": 1,
            "tools_json": "{}",
            "resources_in_doubt": 0,
        }
        self.add("captures", defaults | values)

    def add_object(self, number: int, role: str, url: str, body: bytes, kind: str) -> str:
        placed = self.warc.response(
            url,
            HttpBlock(http_head("HTTP/1.1 200 OK", [("Content-Type", kind)]), BytesIO(body)),
            date=NOON,
        )
        fixity = fixity_of([body])
        self.add(
            "objects",
            {
                "item_id": item_id(number),
                "capture_id": f"c{number}",
                "role": role,
                "target_uri": url,
                "content_type": kind,
                "size_bytes": fixity.size_bytes,
                "sha256": fixity.sha256,
                "sha512": fixity.sha512,
                "transfer_form": "as-sent",
                "warc_file": f"batches/2026/03/{BATCH}/warc/000.warc.gz",
                "warc_offset": placed.offset,
                "warc_length": placed.length,
                "warc_record_id": placed.record_id,
            },
        )
        return fixity.sha256

    def add(self, table: str, values: dict[str, Any]) -> None:
        self.rows[table].append(TABLES[table].row(values))

    def seal(self, clusters: list[Row] | None = None) -> None:
        self.warc.close()
        self.store.put("archive.json", canonical_json({"archive_id": "test-archive"}))
        base = f"batches/2026/03/{BATCH}"
        self.store.put(f"{base}/warc/000.warc.gz", self.warc.path.read_bytes())
        keys = []
        for table in MANIFEST_TABLES:
            path = self.folder / f"{table.name}.parquet"
            write_table(path, table, self.rows[table.name])
            keys.append(f"{base}/manifest/{table.name}.parquet")
            self.store.put(keys[-1], path.read_bytes())
        self.store.put(f"seals/{BATCH}.json", canonical_json(seal_naming(keys)))
        if clusters is not None:
            path = self.folder / "clusters.parquet"
            write_table(path, CLUSTERS, clusters)
            content = path.read_bytes()
            self.store.put(f"derived/clusters/{7:012}-{sha256_of(content)}.parquet", content)


def seal_naming(keys: list[str], **values: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "batch_id": BATCH,
        "sealed_at": instant(NOON),
        "log": {"origin": "test.example/log", "start": 0, "end": 7},
        "checkpoint": {"size": 7, "root_sha256": "ab" * 32},
        "files": {key: {"sha256": "00" * 32, "size_bytes": 1} for key in keys},
        "timestamps": [
            {
                "authority": "local",
                "is_test_authority": True,
                "status": "accepted",
                "detail": None,
                "token_key": "log/tokens/7",
            }
        ],
        "status": "sealed",
    } | values


def fill(archive: SealedArchive) -> None:
    """Four items: whole, in part, missing, and one that shouts; two look alike."""
    photo = pictures.scene(1)
    members = []
    archive.add(
        "submissions",
        {
            "submission_id": SUBMISSION,
            "submitter_ref": "pseudonym",
            "agreement_version": 1,
            "submitted_at": NOON,
            "source_kind": "sheet",
            "source_sha256": "11" * 32,
            "row_count": 5,
            "accepted_count": 4,
            "refused_count": 1,
            "receipt_sha256": "22" * 32,
        },
    )
    archive.add_item(
        1, "http://site.example/a.jpg", claimed_title="شهادة من بلدة الميناء", engine="file"
    )
    archive.add_item(2, "http://site.example/b/", outcome="partly-captured", reason="resources-missing")
    archive.add_item(3, "http://site.example/c/", outcome="not-captured", reason="not-found")
    archive.add_item(4, f"http://site.example/{SHOUT}\u202egpj", claimed_title=SHOUT)
    for number in range(1, 5):
        archive.add_attempt(number)
    for number, quality in ((1, 90), (2, 30)):
        url = f"http://site.example/{number}.jpg"
        body = pictures.jpeg(photo, quality=quality)
        digest = archive.add_object(number, "file", url, body, "image/jpeg")
        members.append((number, digest, url))
    archive.add(
        "resources",
        {
            "item_id": item_id(2),
            "capture_id": "c2",
            "sequence": 1,
            "url": "http://site.example/lost.jpg",
            "is_held": False,
            "reason": "not-found",
        },
    )
    archive.seal(
        [
            CLUSTERS.row(
                {
                    "family_id": "fa-1",
                    "cluster_id": "cl-1",
                    "anchor_sha256": members[0][1],
                    "item_id": item_id(number),
                    "sha256": digest,
                    "submitter_ref": "org-a",
                    "target_uri": url,
                    "captured_at": NOON,
                    "signal": "anchor" if number == 1 else "picture",
                    "distance_bits": number * 2 - 2,
                    "is_earliest": number == 1,
                    "is_representative": number == 1,
                    "is_cross_organisation": False,
                    "is_family_cross_organisation": False,
                }
            )
            for number, digest, url in members
        ]
    )


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    memory = MemoryStore()
    fill(SealedArchive(memory, tmp_path))
    return memory


def test_every_row_is_accounted_for_in_one_sentence(store: MemoryStore) -> None:
    text = render(store)

    assert "5 rows = 2 preserved whole\n+ 1 in part + 1 not captured" in text
    assert "+ 1 refused at submission" in text


def test_each_item_shows_status_reason_and_what_they_mean(store: MemoryStore) -> None:
    text = render(store)

    assert "The site says that there is nothing at this address." in text
    assert "The content could not be captured; the record of each attempt is preserved." in text
    assert "http://site.example/lost.jpg" in text
    assert sha256_of(pictures.jpeg(pictures.scene(1), quality=90)) in text


def test_a_title_that_is_markup_stays_text(store: MemoryStore) -> None:
    text = render(store)

    assert SHOUT not in text
    assert "&lt;script&gt;" in text


def test_an_address_that_turns_the_line_is_shown_as_it_is(store: MemoryStore) -> None:
    text = render(store)

    assert "[U+202E]gpj" in text
    assert "\u202e" not in text


def test_the_page_asks_nobody_for_anything(store: MemoryStore) -> None:
    text = render(store)

    assert "default-src 'none'; img-src data:" in text
    assert "<script" not in text
    assert re.findall(r'(?:src|href|action|data|poster)="(?!data:|#)[^"]*"', text) == []
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_names_the_digest_of_the_style_that_stands_there(store: MemoryStore) -> None:
    text = render(store)

    style = text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(bytes.fromhex(sha256_of(style.encode()))).decode()
    assert f"style-src 'sha256-{digest}'" in text


def test_the_test_authority_is_named_wherever_time_shows(store: MemoryStore) -> None:
    text = render(store, verdict={"verdict": "proven", "findings": []})

    assert text.count("TEST AUTHORITY") == 3


def test_a_text_without_verdict_says_that_nobody_checked(store: MemoryStore) -> None:
    assert "Not checked for this report" in render(store)


def test_findings_of_the_verdict_are_listed(store: MemoryStore) -> None:
    finding = {
        "rule": "blob-digest",
        "subject": "blobs/sha256/aa",
        "expected": "aa",
        "observed": "bb",
        "severity": "broken",
    }

    text = render(store, verdict={"verdict": "broken", "findings": [finding]})

    assert 'class="verdict broken"' in text
    assert "blobs/sha256/aa" in text


def test_it_says_what_nothing_proves(store: MemoryStore) -> None:
    assert "Nothing can prove that what they show is true" in render(store)


def test_look_alikes_stand_side_by_side_with_their_distance(store: MemoryStore) -> None:
    text = render(store)

    cluster = text.partition('<article class="cluster">')[2].partition("</article>")[0]
    assert "2 look-alikes" in cluster
    assert "2 bits apart" in cluster
    assert cluster.count("data:image/jpeg;base64,") == 2


def test_only_the_newest_clusters_count(tmp_path: Path) -> None:
    memory = MemoryStore()
    fill(SealedArchive(memory, tmp_path))
    path = tmp_path / "later.parquet"
    write_table(path, CLUSTERS, [])
    content = path.read_bytes()
    memory.put(f"derived/clusters/{12:012}-{sha256_of(content)}.parquet", content)

    assert read_contents(memory).clusters == []


def test_a_later_seal_of_a_batch_replaces_the_earlier_one(store: MemoryStore) -> None:
    for number in (2, 10, 9):
        later = seal_naming([], status=f"n{number}")
        store.put(f"seals/{BATCH}.{number}.json", canonical_json(later))

    assert [seal["status"] for seal in newest_seals(store)] == ["n10"]


def test_an_archive_without_seals_gives_an_honest_empty_page() -> None:
    memory = MemoryStore()
    memory.put("archive.json", canonical_json({"archive_id": "new"}))

    assert "Nothing is sealed yet." in render(memory)


def test_a_thumbnail_is_grey_small_and_blurred() -> None:
    letters = Image.fromarray((np.indices((320, 480)) // 8).sum(axis=0).astype(np.uint8) % 2 * 255)

    url = harmless(pictures.jpeg(letters.convert("RGB")))

    assert url is not None
    shown = Image.open(BytesIO(base64.b64decode(url.partition(",")[2])))
    assert shown.mode == "L"
    assert max(shown.size) <= 120
    assert np.asarray(shown)[10:-10, 10:-10].std() < 5, "what is as fine as letters is gone"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>not a picture</html>",
        pictures.jpeg(pictures.scene(2))[:900],
        b"\x89PNG\r\n\x1a\n" + b"\0" * 64,
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_what_is_no_picture_gets_no_thumbnail(content: bytes) -> None:
    assert harmless(content) is None


def test_a_picture_of_absurd_size_is_not_decoded() -> None:
    buffer = BytesIO()
    Image.new("1", (12_000, 12_000)).save(buffer, "PNG")

    assert harmless(buffer.getvalue()) is None


def test_a_video_shows_one_blurred_frame(tmp_path: Path) -> None:
    archive = SealedArchive(MemoryStore(), tmp_path)
    clip = pictures.clip("testsrc2=size=160x90:rate=6", tone_hz=440)
    archive.add_item(1, "http://site.example/clip.mp4")
    digest = archive.add_object(1, "media", "http://site.example/clip.mp4", clip, "video/mp4")
    archive.seal()

    text = render(archive.store)

    assert digest in text
    assert text.count("data:image/jpeg;base64,") == 1
    assert "<video" not in text


def test_bytes_that_are_not_the_recorded_ones_are_not_shown(tmp_path: Path) -> None:
    archive = SealedArchive(MemoryStore(), tmp_path)
    archive.add_item(1, "http://site.example/a.jpg")
    photo = pictures.jpeg(pictures.scene(3))
    archive.add_object(1, "file", "http://site.example/a.jpg", photo, "image/jpeg")
    archive.rows["objects"][0]["sha256"] = "ab" * 32
    archive.seal()

    assert "data:image/jpeg" not in render(archive.store)


def test_thumbnails_stop_at_their_bound(store: MemoryStore) -> None:
    thumbnails = Thumbnails(store, bound=1)
    entries = [entry for item in read_contents(store).items for entry in item.objects]

    thumbnails.render(entries)

    assert [thumbnails.of(entry.sha256) is not None for entry in entries] == [True, False]


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (999_999, "1.0 MB"), (5 * 10**12, "5.0 TB")],
)
def test_sizes_are_written_for_people(size_bytes: int, words: str) -> None:
    assert in_bytes(size_bytes) == words


def _settings(home: Path) -> settings_module.Settings:
    return settings_module.Settings(home=home, database_url="sqlite://", log_origin="test.example/log")


def test_writing_again_replaces_the_older_report(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home")
    fill(SealedArchive(DiskStore(settings.archive, settings.work / "aside"), tmp_path))
    target = tmp_path / "out" / "report.html"

    first = write_report(settings, target).read_text("utf-8")
    second = write_report(settings, target, verdict={"verdict": "proven"}).read_text("utf-8")

    assert first != second
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    settings = _settings(tmp_path / "home")
    fill(SealedArchive(DiskStore(settings.archive, settings.work / "aside"), tmp_path))
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StoreUnavailable, match=r"report\.html"):
        write_report(settings, tmp_path / "file" / "report.html")


def test_the_sample_sites_photos_make_thumbnails() -> None:
    assert harmless(sample.submitted_photo()) is not None


def test_only_the_last_attempt_says_what_a_page_misses(tmp_path: Path) -> None:
    archive = SealedArchive(MemoryStore(), tmp_path)
    archive.add_item(1, "http://site.example/busy/", attempt_count=2)
    archive.add_item(2, "http://site.example/lost/", outcome="not-captured", reason="not-found")
    lost = {"sequence": 1, "is_held": False, "reason": "server-error"}
    for item, attempt, capture in ((1, 1, "first"), (1, 2, "second"), (2, 1, "other")):
        archive.add_attempt(item, capture_id=capture, attempt_number=attempt)
        url = f"http://site.example/{capture}.css"
        archive.add("resources", {"item_id": item_id(item), "capture_id": capture, "url": url, **lost})
    archive.seal()

    contents = read_contents(archive.store)

    assert contents.tally.resources_missing == 1
    assert [entry.url for item in contents.items for entry in item.missing] == [
        "http://site.example/second.css"
    ]
