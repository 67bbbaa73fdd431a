"""The normal form of a URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.model.urls import host_of, normalised


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("http://example.org/a/./b/../c", "http://example.org/a/c"),
        ("http://example.org/../../a", "http://example.org/a"),
        ("http://example.org/%7euser/%c3%a9", "http://example.org/~user/%C3%A9"),
        ("http://example.org/é?q=ü#ñ", "http://example.org/%C3%A9?q=%C3%BC#%C3%B1"),
        ("http://example.org/a?b=1&a=2#Frag", "http://example.org/a?b=1&a=2#Frag"),
        ("http://example.org/a%2Fb", "http://example.org/a%2Fb"),
        ("https://مثال.إختبار/", "https://xn--mgbh0fb.xn--kgbechtv/"),
        ("https://faß.de/", "https://xn--fa-hia.de/"),
        ("http://[::0001]:80/", "http://[::1]/"),
        ("http://me:secret@example.org/", "http://me:secret@example.org/"),
        ("  https://example.org/ ", "https://example.org/"),
    ],
)
def test_urls_that_mean_the_same_have_one_normal_form(url, normal):
    assert normalised(url) == normal


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "example.org", "ftp://example.org/", "//example.org/", "http://", "http:///a", "http:/a",
     "http://a b/", "http://example.org:99999/", "http://example.org:x/", "http://[::1/", "http://[x]/",
     "http://exa\nmple.org/", "http://example.org/\x00", "http://-/", "http://a..b/", "http://\ud800.org/"],
)  # fmt: skip
def test_what_is_no_absolute_web_address_has_no_normal_form(url):
    assert normalised(url) is None
    assert host_of(url) is None


@given(st.sampled_from(["http://h", "https://h/", "HTTP://H:80/a?", "http://h/#"]), st.text())
def test_normalising_twice_is_normalising_once_and_the_result_is_ascii(start, rest):
    once = normalised(start + rest)

    if once is not None:
        assert once.isascii()
        assert normalised(once) == once


@given(st.text())
def test_a_url_has_a_host_exactly_if_it_has_a_normal_form(text):
    assert (host_of(f"http://{text}") is None) == (normalised(f"http://{text}") is None)
