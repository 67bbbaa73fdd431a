"""The sample site does what it says: other tests rely on it."""

from __future__ import annotations

import csv
import socket
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from itertools import combinations
from pathlib import Path

import numpy as np
import pdqhash
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demo import contents, pages, pictures, sheet, site
from demo.ranges import Unsatisfiable, requested_range
from demo.site import SampleSite
from preservation.model.vocabulary import Outcome


@pytest.fixture(scope="module")
def served() -> Iterator[SampleSite]:
    with SampleSite() as running:
        yield running


def test_every_expected_body_is_served_exactly(served: SampleSite) -> None:
    for path, body in served.expected().items():
        assert requests.get(served.url(path), timeout=5).content == body, path


def test_the_gallery_refers_to_22_different_bodies(served: SampleSite) -> None:
    page = served.expected()["/gallery/"].decode()

    resources = served.gallery_resources()

    assert len({served.expected()[path] for path in resources}) == 22
    assert all(f'"{path}"' in page for path in resources)
    assert sum(path.endswith("/photo.jpg") for path in resources) == 4
    assert page.count('loading="lazy"') == 12


def test_a_range_gives_that_part_alone(served: SampleSite) -> None:
    answer = requests.get(
        served.url(pages.GALLERY_VIDEO), headers={"Range": "bytes=100-199"}, timeout=5
    )

    whole = served.expected()[pages.GALLERY_VIDEO]
    assert answer.status_code == 206
    assert answer.content == whole[100:200]
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(whole)}"


def test_a_range_behind_the_end_is_refused(served: SampleSite) -> None:
    answer = requests.get(
        served.url(pages.GALLERY_VIDEO), headers={"Range": "bytes=99999999-"}, timeout=5
    )

    assert answer.status_code == 416


@given(size=st.integers(1, 500), first=st.integers(0, 600), last=st.integers(0, 600))
def test_a_range_never_leaves_the_body(size: int, first: int, last: int) -> None:
    try:
        part = requested_range(f"bytes={first}-{last}", size)
    except Unsatisfiable:
        assert first >= size
        return

    if part is None:
        assert last < first
    else:
        assert (part.start, part.end) == (first, min(last + 1, size))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=40-", (40, 100)),
        ("bytes=-", None),
        ("lines=1-2", None),
        ("bytes=0-1,5-6", None),
    ],
)
def test_forms_of_range(header: str | None, expected: tuple[int, int] | None) -> None:
    part = requested_range(header, 100)

    assert expected == (part and (part.start, part.end))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gone/", 410),
        ("/broken/", 500),
        ("/no-such-page/", 404),
        ("/members/401/", 401),
        ("/members/200/", 200),
        (contents.PARTLY_MISSING_PHOTO, 404),
    ],
)
def test_refusals(served: SampleSite, path: str, status: int) -> None:
    assert requests.get(served.url(path), timeout=5).status_code == status


def test_a_redirect_leads_to_its_page(served: SampleSite) -> None:
    answer = requests.get(served.url("/moved/"), timeout=5)

    assert [hop.status_code for hop in answer.history] == [302]
    assert answer.url == served.url("/reports/after-the-move/")


def test_the_loop_never_ends(served: SampleSite) -> None:
    with pytest.raises(requests.TooManyRedirects):
        requests.get(served.url("/loop/"), timeout=5)


def test_the_busy_page_answers_at_the_third_visit() -> None:
    with SampleSite() as fresh:
        answers = [requests.get(fresh.url(site.UNSTEADY), timeout=5) for _ in range(3)]

        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert answers[0].headers["Retry-After"] == "2"


def test_the_truncated_document_ends_early(served: SampleSite) -> None:
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match=r"60000 more expected"):
        requests.get(served.url(site.TRUNCATED), timeout=5)


def test_the_hanging_page_says_nothing_and_does_not_delay_the_end() -> None:
    with SampleSite() as fresh:
        host, _, port = fresh.base_url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=0.3) as visitor:
            visitor.sendall(f"GET {site.HANGING} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

            with pytest.raises(TimeoutError):
                visitor.recv(1)


def test_requests_are_counted_by_path() -> None:
    with SampleSite() as fresh:
        for _ in range(2):
            requests.get(fresh.url("/uk/?again"), timeout=5)
        requests.head(fresh.url("/ar/"), timeout=5)

        assert fresh.requests.counts() == {"/uk/": 2, "/ar/": 1}
        assert [request.method for request in fresh.requests.all()] == ["GET", "GET", "HEAD"]


def test_two_sites_have_the_same_contents_but_for_their_address() -> None:
    with SampleSite() as one, SampleSite() as other:
        address = one.base_url.encode(), other.base_url.encode()

        assert one.base_url != other.base_url
        assert {
            path: body.replace(*address) for path, body in one.expected().items()
        } == other.expected()


def test_the_arabic_page_in_cp1256_is_not_utf8(served: SampleSite) -> None:
    answer = requests.get(served.url("/ar/cp1256/"), timeout=5)

    assert "windows-1256" in answer.headers["Content-Type"]
    assert "الجسر" in answer.content.decode("cp1256")
    with pytest.raises(UnicodeDecodeError):
        answer.content.decode("utf-8")


def _pdq(content: bytes) -> tuple[np.ndarray, int]:
    bits, quality = pdqhash.compute(np.asarray(Image.open(BytesIO(content)).convert("RGB")))
    return bits, int(quality)


def _bits_apart(one: bytes, other: bytes) -> int:
    return int((_pdq(one)[0] != _pdq(other)[0]).sum())


def test_every_picture_is_good_enough_to_be_compared(served: SampleSite) -> None:
    photos = {
        path: body
        for path, body in served.expected().items()
        if path.endswith((".jpg", ".png", ".webp"))
    }

    assert len(photos) == 29
    assert {path: _pdq(body)[1] for path, body in photos.items() if _pdq(body)[1] < 50} == {}


def test_near_duplicates_are_near_and_nothing_else_is(served: SampleSite) -> None:
    bodies = served.expected()
    near = [*(bodies[path] for path in contents.NEAR_DUPLICATES), contents.submitted_photo()]
    others = [bodies[path] for path in (*pages.GALLERY_PHOTOS, contents.UNRELATED)]

    assert max(_bits_apart(one, other) for one, other in combinations(near, 2)) <= 31
    assert min(_bits_apart(one, other) for one, other in combinations([near[0], *others], 2)) > 31


def test_near_duplicates_have_different_bytes() -> None:
    photos = [*(contents._media()[path] for path in contents.NEAR_DUPLICATES)]

    assert len({*photos, contents.submitted_photo()}) == 5


def test_the_clip_has_pictures_and_sound(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(contents._media()[pages.POST_VIDEO])
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name:format=duration"]

    said = subprocess.run([*command, "-of", "csv=p=0", str(clip)], capture_output=True, text=True)

    assert said.stdout.split()[:2] == ["h264", "aac"]
    assert float(said.stdout.split()[2]) == pytest.approx(6, abs=0.2)


def test_the_pdf_is_read_by_exiftool(tmp_path: Path) -> None:
    document = tmp_path / "notice.pdf"
    document.write_bytes(pictures.pdf("Notice of 12 March"))

    said = subprocess.run(
        ["exiftool", "-s3", "-Title", "-PageCount", "-Warning", str(document)],
        capture_output=True,
        text=True,
    )

    assert said.stdout.split("\n") == ["Notice of 12 March", "1", ""]


def test_the_sheet_holds_every_row_with_its_address(served: SampleSite, tmp_path: Path) -> None:
    target = tmp_path / "sheet.csv"

    sheet.write_sheet(served.sheet_rows(), target)

    assert target.read_bytes().startswith(b"\xef\xbb\xbf")
    with target.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == served.sheet_rows()
    assert rows[0]["url"] == served.url("/gallery/")
    assert len({row["url"] for row in rows}) == len(rows) == 24


def test_the_failing_rows_fail_for_different_reasons() -> None:
    reasons = [row.reason for row in sheet.ROWS if row.outcome is Outcome.NOT_CAPTURED]

    assert len(set(reasons)) == 9
    assert None not in reasons


def test_it_can_be_served_by_itself() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "demo.site"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(site.__file__).parents[1],
    ) as alone:
        assert alone.stdout is not None
        address = alone.stdout.readline().split()[0]

        answer = requests.get(f"{address}uk/", timeout=5)

        alone.terminate()
    assert answer.status_code == 200
