"""Our index keys against those of the package that other tools use."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import surt as reference
from hypothesis import given
from hypothesis import strategies as st

from preservation.replay.surts import surt

_URLS = [
    "http://www.Example.com/",
    "https://example.com:443/A/B/../c/?b=2&a=1&A",
    "http://example.com:8080//x//y/",
    "http://user:p@www2.example.com/%7Efoo%20bar?q=%41%2520",
    "https://مثال.إختبار/شهادة?س=1",
    "http://example.com",
    "http://example.com/?",
    "http://example.com/?a&a=",
    f"http://example.com/p?phpsessid={'a' * 32}&x=1",
    f"http://e.com/?sid={'b' * 32}",
    "http://example.com/..",
    "http://example.com/a/..",
    "http://e.com/a%2Fb?x=a%26b",
    "http://127.0.0.1:8000/x",
    "http://[::1]:80/x",
    "http://e..com/x",
    "http://wwww.e.com/",
    "http://e.com/?=&=",
    "http://e.com/%zz%",
    "http://e.com/?q=a+b%2Bc",
    "http://e.com/a;b=1/c#d",
]


@pytest.mark.parametrize("url", _URLS)
def test_keys_are_those_of_the_package_surt(url):
    assert surt(url) == reference.surt(url)


_WORD = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x6FF, exclude_characters="#?/\\[]\xad"),
    min_size=1,
    max_size=8,
)
_HOST = st.from_regex(r"(www\d?\.)?[a-zA-Z][a-z0-9]{0,8}(\.[a-z]{2,5}){1,2}", fullmatch=True)


@given(
    st.sampled_from(["http", "https"]),
    _HOST,
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.lists(_WORD, max_size=4),
    st.none() | st.lists(st.tuples(_WORD, st.none() | _WORD), max_size=4),
)
def test_any_url_that_a_browser_asks_for_has_the_package_s_key(scheme, host, port, path, query):
    url = f"{scheme}://{host}{port}/" + "/".join(quote(part, safe="!$&'()*+,;=:@") for part in path)
    if query is not None:
        pairs = [
            quote(name) if value is None else f"{quote(name)}={quote(value)}" for name, value in query
        ]
        url += "?" + "&".join(pairs)

    assert surt(url) == reference.surt(url)


@pytest.mark.parametrize("url", ["ftp://a.test/", "urn:x", "", "http"])
def test_what_is_no_http_url_has_no_key(url):
    with pytest.raises(ValueError, match="isn't an http"):
        surt(url)
