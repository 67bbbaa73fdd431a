"""Which engine takes an item, and which URLs can be requested at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.model.routes import KIND_WORDS, engine_for, is_absolute_http, url_fault
from preservation.model.vocabulary import Engine


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("https://example.org/", Engine.PAGE),
        ("https://example.org/story.html", Engine.PAGE),
        ("https://example.org/a.b/c", Engine.PAGE),
        ("https://example.org/.pdf", Engine.PAGE),
        ("https://example.org/report.PDF?x=1#p", Engine.FILE),
        ("https://example.org/photo.jpeg", Engine.FILE),
        ("https://example.org/film%2Emp4", Engine.FILE),
        ("https://example.org/live/master.m3u8", Engine.POST),
        ("https://www.youtube.com/watch?v=1", Engine.POST),
        ("https://youtu.be/1", Engine.POST),
        ("https://X.com/a/status/1", Engine.POST),
        ("https://mobile.twitter.com/a/status/1", Engine.POST),
        ("https://t.me/channel/12", Engine.POST),
        ("https://m.facebook.com/a/videos/1", Engine.POST),
        ("https://www.reddit.com/r/syria/comments/1/x/", Engine.POST),
        ("https://www.reddit.com/r/syria/", Engine.PAGE),
        ("https://notyoutube.com/watch", Engine.PAGE),
        ("https://vimeo.com.example.org/1", Engine.PAGE),
        (None, Engine.SUBMITTED),
        ("not a url", Engine.PAGE),
    ],
)
def test_the_table_chooses_the_engine(url, engine):
    assert engine_for(url) is engine


@pytest.mark.parametrize(("word", "engine"), KIND_WORDS.items())
def test_what_the_submitter_says_wins(word, engine):
    assert engine_for("https://youtu.be/photo.jpg", claimed_kind=f" {word.upper()} ") is engine


def test_a_word_that_nobody_knows_leaves_the_choice_to_the_table():
    assert engine_for("https://example.org/a.pdf", claimed_kind="whatever") is Engine.FILE


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "//example.org/", "ftp://example.org/", "http:/example.org", "http://", "http:///a",
        "http://?x", "http://a b/", "http://example.org/a b", "http://example.org/\n", " http://example.org/",
        "http://example.org:0/", "http://example.org:65536/", "http://example.org:-1/", "http://example.org:８０/",
        "http://example.org:x/", "http://[::1/", "http://[1.2.3.4]/", "http://[::1]x/", "http://exa%6dple.org/",
        "http://a..b/", "http://.a/", "http://a<b/", "http://\\evil/", "http://\ud800/", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_a_malformed_url_is_told_from_one_that_can_be_requested(url):
    assert not is_absolute_http(url)
    assert url_fault(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org", "HTTPS://EXAMPLE.ORG/", "http://example.org:8080/a", "http://example.org:/",
        "http://[::1]:80/", "http://127.1/", "http://me:pa:ss@example.org/", "http://example.org./", "http://a_b/",
        "http://مثال.إختبار/مسار?س=ع#ق", 'http://example.org/%zz/../[]|^`{}"<>\\', "http://example.org?x",
    ],
)  # fmt: skip
def test_odd_urls_that_can_be_requested_are_let_through(url):
    assert url_fault(url) is None


@given(st.text() | st.text().map("http://".__add__))
def test_any_text_gets_an_engine_and_a_verdict(text):
    assert engine_for(text) in Engine
    assert is_absolute_http(text) is (url_fault(text) is None)
