"""What a capture answers: the very bytes that the page got, and nothing that it did not."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.model.digests import sha256_of
from preservation.replay.answers import Answers, Asked
from preservation.replay.bodies import Bodies, BodyUnreadable, no_blobs
from preservation.replay.cdxj import cdxj_line
from preservation.replay.index import ReplayIndex, body_digest, plain_url
from preservation.replay.records import ByteRun, records_in, split_head
from preservation.settings import Limits
from preservation.store.warc import WarcWriter
from tests.fakes.sealed_page import (
    AT,
    HTML,
    LARGE,
    PAGE,
    PICTURE,
    POSTED,
    SCRIPT,
    SITE,
    STYLE,
    PageWarc,
    chunked,
    write_kept_page,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


@pytest.fixture
def warc(tmp_path):
    return PageWarc(tmp_path / "a.warc.gz")


def answers_of(path, blobs=no_blobs, **options):
    run = ByteRun.of_file(path)
    return Answers(ReplayIndex.of(run), Bodies(run, blobs, Limits()), **options)


def body_of(answers, url, *, method="GET", **asked):
    answer = answers.answer(Asked(method=method, url=url, **asked))
    assert answer is not None, answers.missed
    return b"".join(answer.pieces())


def part_of(answers, url, span):
    answer = answers.answer(Asked(method="GET", url=url, fields=(("Range", span),)))
    assert answer is not None
    return answer.status, dict(answer.fields).get("Content-Range"), b"".join(answer.pieces())


def test_a_page_comes_back_as_its_parts_were_seen(tmp_path):
    path = tmp_path / "kept.warc.gz"
    write_kept_page(path)
    large = tmp_path / "large"
    large.write_bytes(LARGE)
    answers = answers_of(path, {sha256_of(LARGE): ByteRun.of_file(large)}.get)

    assert body_of(answers, PAGE) == HTML
    assert body_of(answers, f"{SITE}/a.png") == PICTURE
    assert body_of(answers, f"{SITE}/b.png") == PICTURE
    assert body_of(answers, f"{SITE}/z.js") == SCRIPT
    assert body_of(answers, f"{SITE}/h2.css") == STYLE
    assert body_of(answers, f"{SITE}/film.mp4") == LARGE
    fields = (("Content-Type", "application/json"),)
    assert (
        body_of(answers, f"{SITE}/api", method="POST", fields=fields, body=POSTED) == b"posted answer"
    )
    assert answers.missed == {}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "/nope", b""), ("HEAD", "/", b""), ("POST", "/api", b"another"), ("GET", "/?a=1", b"")],
)
def test_what_was_not_recorded_is_missed_and_said(tmp_path, method, path, body):
    write_kept_page(tmp_path / "kept.warc.gz")
    answers = answers_of(tmp_path / "kept.warc.gz")

    answer = answers.answer(Asked(method=method, url=f"{SITE}{path}", body=body))

    assert answer is None
    assert [key[:2] for key in answers.missed] == [(method, f"{SITE}{path}")]


def test_headers_about_framing_and_coding_go_with_it_and_all_others_stay_in_order(warc):
    head = (
        b"HTTP/1.1 200 Fine\r\nSet-Cookie: a=1\r\nContent-Encoding: gzip\r\nX-Odd:  v\r\n"
        b"Transfer-Encoding: chunked\r\nset-cookie: b=2\r\n\r\n"
    )
    warc.put(PAGE, head, chunked(gzip.compress(b"text")))

    shown = answers_of(warc.path).answer(Asked(method="GET", url=PAGE))
    served = answers_of(warc.path, is_decoded=False).answer(Asked(method="GET", url=PAGE))

    assert (shown.status, shown.reason) == (200, "Fine")
    assert shown.fields == (("Set-Cookie", "a=1"), ("X-Odd", "v"), ("set-cookie", "b=2"))
    assert ("Content-Encoding", "gzip") in served.fields
    assert gzip.decompress(b"".join(served.pieces())) == b"".join(shown.pieces()) == b"text"


def test_the_same_question_gets_the_recorded_answers_in_turn_and_then_the_last(warc):
    for number in (3, 1, 2):
        warc.put(PAGE, OK, b"answer %d" % number, at=AT + timedelta(seconds=number))
    answers = answers_of(warc.path)

    said = [body_of(answers, PAGE) for _ in range(5)]

    assert said == [b"answer 1", b"answer 2", b"answer 3", b"answer 3", b"answer 3"]


def test_an_answer_that_never_came_is_no_miss(warc):
    request = b"GET /gone HTTP/1.1\r\n\r\n"
    with WarcWriter(warc.path) as writer:
        from io import BytesIO

        from preservation.store.warc import HttpBlock

        writer.request(f"{SITE}/gone", HttpBlock(request, BytesIO()), date=AT)
    answers = answers_of(warc.path)

    answer = answers.answer(Asked(method="GET", url=f"{SITE}/gone"))

    assert answer is None
    assert answers.missed == {}


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ("bytes=0-", (0, 256)),
        ("bytes=10-19", (10, 20)),
        ("bytes=250-999", (250, 256)),
        ("bytes=-6", (250, 256)),
    ],
)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["plain", "chunked"])
def test_a_part_is_cut_from_a_whole_body(warc, span, expected, is_chunked):
    body, (first, end) = bytes(range(256)), expected
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" if is_chunked else OK
    warc.put(PAGE, head, chunked(body) if is_chunked else body)

    status, extent, part = part_of(answers_of(warc.path), PAGE, span)

    assert (status, extent, part) == (206, f"bytes {first}-{end - 1}/256", body[first:end])


def test_a_part_that_begins_beyond_the_end_gets_the_whole(warc):
    warc.put(PAGE, OK, b"short")

    status, extent, body = part_of(answers_of(warc.path), PAGE, "bytes=9-")

    assert (status, extent, body) == (200, None, b"short")


def test_a_part_is_cut_from_a_recorded_part_that_has_it(warc):
    film = bytes(range(200))
    for first, end in ((0, 50), (50, 200)):
        head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{end - 1}/200\r\n\r\n"
        warc.put(PAGE, head.encode(), film[first:end])
    answers = answers_of(warc.path)

    assert part_of(answers, PAGE, "bytes=60-") == (206, "bytes 60-199/200", film[60:])
    assert part_of(answers, PAGE, "bytes=10-") == (206, "bytes 10-49/200", film[10:50])
    assert answers.answer(Asked(method="GET", url=PAGE)) is None


def test_a_large_part_is_cut_short_and_says_so(warc):
    warc.put(PAGE, OK, bytes(100))

    answers = answers_of(warc.path, largest_part_bytes=10)

    assert part_of(answers, PAGE, "bytes=5-")[1] == "bytes 5-14/100"


def test_br_that_was_not_asked_for_is_left_on_as_chromium_leaves_it(warc):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n"
    request = b"GET / HTTP/1.1\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
    warc.put("http://kept.test/", head, b"not decoded", request=request)

    assert body_of(answers_of(warc.path), "http://kept.test/") == b"not decoded"


def test_a_body_that_broke_off_is_shown_as_far_as_it_came_and_garbage_is_not(warc):
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    warc.put(f"{SITE}/cut", head, gzip.compress(bytes(range(256)) * 64, compresslevel=0)[:9000])
    warc.put(f"{SITE}/garbage", head, b"no gzip")
    answers = answers_of(warc.path)

    assert body_of(answers, f"{SITE}/cut").startswith(bytes(range(256)))
    with pytest.raises(BodyUnreadable, match="garbage"):
        body_of(answers, f"{SITE}/garbage")


def test_a_blob_that_is_gone_is_said(tmp_path):
    write_kept_page(tmp_path / "kept.warc.gz")

    with pytest.raises(BodyUnreadable, match=sha256_of(LARGE)):
        body_of(answers_of(tmp_path / "kept.warc.gz"), f"{SITE}/film.mp4")


def test_multipart_bodies_differ_by_more_than_their_boundary(warc):
    def form(boundary, value):
        return f'--{boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n{value}\r\n--{boundary}--'.encode()

    request = b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=live1\r\n\r\n"
    warc.put(PAGE, OK, b"taken", request=request, sent=form("live1", "x"))
    fields = (("Content-Type", "multipart/form-data; boundary=replay2"),)
    answers = answers_of(warc.path)

    assert body_of(answers, PAGE, method="POST", fields=fields, body=form("replay2", "x")) == b"taken"
    other = Asked(method="POST", url=PAGE, fields=fields, body=form("replay2", "y"))
    assert answers.answer(other) is None


def test_what_we_made_of_a_page_is_no_answer_and_a_resource_is_one_where_there_is_no_other(warc):
    from io import BytesIO

    warc.put(PAGE, OK, b"served")
    with WarcWriter(warc.path) as writer:
        for url in (PAGE, f"{SITE}/only"):
            writer.resource(url, content_type="text/css", body=BytesIO(b"made"), date=AT)
        writer.resource(
            "urn:preservation:text:x", content_type="text/plain", body=BytesIO(b"t"), date=AT
        )
    index = ReplayIndex.of(ByteRun.of_file(warc.path))

    assert {(one.url, one.record.kind) for one in index.answers} == {
        (PAGE, "response"),
        (f"{SITE}/only", "resource"),
    }
    assert body_of(answers_of(warc.path), f"{SITE}/only") == b"made"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://A.test", "http://a.test/"),
        ("http://a.test:80/x#y", "http://a.test/x"),
        ("https://u:p@a.test:443/x", "https://a.test/x"),
        ("http://a.test?q", "http://a.test/?q"),
    ],
)
def test_urls_that_browsers_take_for_the_same_are_the_same(one, other):
    assert plain_url(one) == plain_url(other)


def test_urls_that_differ_in_the_path_the_query_or_an_odd_port_differ():
    urls = [
        "http://a.test/x",
        "http://a.test/X",
        "http://a.test/x?",
        "http://a.test:81/x",
        "https://a.test/x",
    ]

    assert len({plain_url(url) for url in urls}) == len(urls)


def test_no_body_has_no_digest():
    assert body_digest(b"", None) == ""


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\nA: b\n c\n\n",
        b"HTTP/1.1 200 OK\r\nA: b c\r\n",
    ],
    ids=["folded", "bare-lines", "cut"],
)
def test_odd_heads_are_read_as_browsers_read_them(head, warc):
    warc.put(PAGE, head, b"" if head.endswith(b"c\r\n") else b"body")

    (one,) = ReplayIndex.of(ByteRun.of_file(warc.path)).answers

    assert (one.status, one.fields) == (200, (("A", "b c"),))
    assert body_of(answers_of(warc.path), PAGE) == (b"" if head.endswith(b"c\r\n") else b"body")


def test_damage_is_said_with_its_place(warc):
    place = warc.put(PAGE, OK, bytes(5000))
    second = place.length
    damaged = bytearray(warc.path.read_bytes())
    damaged[second + 30] ^= 0xFF
    warc.path.write_bytes(damaged)

    with pytest.raises(ValueError, match=f"offset {second}"):
        list(records_in(ByteRun.of_file(warc.path)))


@given(st.integers(1, 400))
def test_a_run_that_is_cut_anywhere_is_never_read_as_whole(cut):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        warc = PageWarc(Path(folder) / "w")
        warc.put(PAGE, OK, b"x" * 50)
        run = ByteRun.of_file(warc.path)
        whole = sum(1 for _ in records_in(run))
        cut_run = ByteRun(read=run.read, length=run.length - min(cut, run.length - 1))

        try:
            found = sum(1 for _ in records_in(cut_run))
        except ValueError:
            return
        assert found < whole


def test_a_head_is_split_without_loss():
    assert split_head(b"HTTP/1.1 200 \xe9\r\nA:b\r\n\r\n") == ("HTTP/1.1 200 é", (("A", "b"),))


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (b"[" * 100_000, "__wb_post_data=W1tbW1tb"),
        # Each leaf of many, told through all levels above it, would take minutes.
        (b'{"a":' + b"[" * 200 + b"1," * 1_000_000 + b"1" + b"]" * 200 + b"}", "a=1&a.2_=1&a.3_=1"),
    ],
    ids=["deep", "deep-and-long"],
)
def test_a_posted_body_of_any_depth_has_its_line_in_the_index(warc, body, query):
    request = b"POST / HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
    warc.put(PAGE, OK, b"x", request=request, sent=body)
    run = ByteRun.of_file(warc.path)
    (answer,) = ReplayIndex.of(run).answers

    line = cdxj_line(answer, run, filename="data.warc.gz", offset=0)

    assert line is not None
    assert json.loads(line.split(" ", 2)[2])["requestBody"].startswith(f"__wb_method=POST&{query}")


def test_folded_lines_are_joined_and_empty_ones_count_for_nothing():
    head = b"HTTP/1.1 200 OK\r\nA:\r\n b: c\r\n \r\n\td\r\nB: e\r\n\r\n"

    assert split_head(head)[1] == (("A", "b: c d"), ("B", "e"))
