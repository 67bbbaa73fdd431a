"""The rules of capture that need no network: refused addresses, reasons, log-in walls, formats."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.capture.evidence import Exchange
from preservation.capture.fetch.html_text import HtmlText, html_text, words_of
from preservation.capture.fetch.wire_request import headers_on_the_way, request_target
from preservation.capture.flags import is_login_wall
from preservation.capture.gateway.network_policy import REFUSED_NETWORKS, refusal_of
from preservation.capture.outcomes import Failure, net_error_failure, retry_after_s, status_reason
from preservation.capture.page.account import Refetched, Wanted, line_of
from preservation.capture.post.formats import chosen_formats
from preservation.capture.tap import prepend
from preservation.model.captures import CapturedObject
from preservation.model.vocabulary import Reason, Role

NOON = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.31.0.1",
        "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1",
        "::ffff:8.8.8.8", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "fc00::1", "fe80::1",
        "fd00:ec2::254", "ff02::1", "2001:db8::1", "::127.0.0.1",
    ],
)  # fmt: skip
def test_no_capture_reaches_a_special_address(address):
    assert refusal_of(ipaddress.ip_address(address), ()) in REFUSED_NETWORKS.values()


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2a00:1450::1", "2606:4700::1"]
)
def test_public_addresses_are_reached(address):
    assert refusal_of(ipaddress.ip_address(address), ()) is None


def test_a_permitted_network_opens_itself_and_nothing_else():
    allowed = (ipaddress.ip_network("127.0.0.0/8"),)

    assert refusal_of(ipaddress.ip_address("127.0.0.1"), allowed) is None
    assert refusal_of(ipaddress.ip_address("::ffff:127.0.0.1"), allowed)
    assert refusal_of(ipaddress.ip_address("10.0.0.1"), allowed)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (101, Reason.SERVER_ERROR), (200, None), (206, None), (204, Reason.NOT_FOUND), (304, Reason.SERVER_ERROR), (400, Reason.UNSUPPORTED_SITE),
        (401, Reason.LOGIN_WALL), (403, Reason.LOGIN_WALL), (404, Reason.NOT_FOUND), (407, Reason.LOGIN_WALL),
        (410, Reason.REMOVED), (418, Reason.UNSUPPORTED_SITE), (429, Reason.RATE_LIMITED), (451, Reason.GEO_BLOCKED),
        (500, Reason.SERVER_ERROR), (503, Reason.SERVER_ERROR), (599, Reason.SERVER_ERROR), (999, Reason.SERVER_ERROR),
    ],
)  # fmt: skip
def test_every_status_has_one_meaning(status, reason):
    assert status_reason(status) is reason


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120), (" 0 ", 0), ("Thu, 12 Mar 2026 12:01:00 GMT", 60), ("Thu, 12 Mar 2026 11:00:00 GMT", 0),
        ("soon", None), ("-5", None), ("", None), (None, None), ("99999999999999", 1 << 31), ("1.5", None),
        ("9" * 6000, 1 << 31), ("0" * 6000 + "7", 7),
        ("Fri, 31 Dec 9999 23:59:59 -1200", 1 << 31), ("Thu, 12 Mar 2026 12:01:00 +99999999999999999", None),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(value, seconds):
    assert retry_after_s(value, at=NOON) == seconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("net::ERR_TOO_MANY_REDIRECTS", Reason.REDIRECT_LOOP),
        ("net::ERR_CERT_DATE_INVALID", Reason.CERTIFICATE_FAULT),
        ("net::ERR_CONNECTION_REFUSED", Reason.UNREACHABLE),
        ("net::ERR_CONNECTION_RESET", Reason.TRUNCATED),
        ("net::ERR_SOCKET_NOT_CONNECTED", Reason.TRUNCATED),
        ("net::ERR_BAD_SSL_CLIENT_AUTH_CERT", Reason.LOGIN_WALL),
        ("net::ERR_SOMETHING_NEW", Reason.TOOL_ERROR),
    ],
)
def test_chromiums_errors_have_reasons(text, reason):
    assert net_error_failure(text).reason is reason


@pytest.mark.parametrize(
    ("submitted", "final", "has_password", "text_length", "is_wall"),
    [
        ("/story", "/story", False, 5000, False),
        ("/story", "/login?next=/story", False, 5000, True),
        ("/story", "/accounts/signin", False, 0, True),
        ("/story", "/blog/in", False, 0, False),
        ("/story", "/authors/jane", False, 9000, False),
        ("/story", "/story", True, 80, True),
        ("/story", "/story", True, 5000, False),
        ("/login", "/login", True, 80, False),
    ],
)
def test_a_login_wall_is_told_from_content(submitted, final, has_password, text_length, is_wall):
    site = "https://example.org"

    found = is_login_wall(
        site + submitted, site + final, has_password_field=has_password, text_length=text_length
    )

    assert found is is_wall


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://h", "/"), ("http://h?q=1", "/?q=1"), ("http://h/a/../b//c", "/a/../b//c"), ("http://h//x", "//x"),
        ("http://h/%c3%A9/%zz", "/%c3%A9/%zz"), ("http://h/a#b", "/a"), ("http://h/é?ü", "/%C3%A9?%C3%BC"),
        ('http://h/[]|^`{}"<>\\', '/[]|^`{}"<>\\'), ("http://u:p@h/x@y", "/x@y"),
    ],
)  # fmt: skip
def test_a_request_target_is_what_was_written(url, target):
    assert request_target(url) == target


def _format(name: str, picture: int | None, *, sound: bool, protocol: str = "https") -> dict:
    return {
        "format_id": name, "height": picture, "vcodec": "h264" if picture else "none",
        "acodec": "aac" if sound else "none", "protocol": protocol,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ([_format("both", 720, sound=True)], ["both"]),
        ([{"format_id": "unknown", "protocol": "http"}], ["unknown"]),
        ([_format("sound", None, sound=True)], ["sound"]),
        (
            [
                _format("v", 1080, sound=False),
                _format("a", None, sound=True),
                _format("b", 360, sound=True),
            ],
            ["v", "a"],
        ),
        (
            [
                _format("v", 720, sound=False),
                _format("a", None, sound=True),
                _format("b", 720, sound=True),
            ],
            ["b"],
        ),
        (
            [
                _format("v", 720, sound=False),
                {
                    **_format("translated", None, sound=True),
                    "language": "fr",
                    "language_preference": -1,
                },
                {**_format("worse", None, sound=True), "language": "ar"},
                {**_format("arabic", None, sound=True), "language": "ar"},
                {**_format("english", None, sound=True), "language": "en"},
            ],
            ["v", "english", "arabic"],
        ),
        (
            [
                {**_format("arabic", None, sound=True), "language": "ar"},
                _format("sound", None, sound=True),
                {**_format("b", 720, sound=True), "language": "en"},
            ],
            ["b", "arabic"],
        ),
        ([_format("b", 360, sound=True), _format("rtmp", 720, sound=True, protocol="rtmp")], ["b"]),
        ([], []),
    ],
)
def test_the_largest_picture_is_kept_as_the_platform_holds_it(formats, chosen):
    assert [one["format_id"] for one in chosen_formats({"formats": formats})] == chosen


def test_what_a_server_without_proof_gave_is_held_and_says_so():
    wanted = Wanted(url="https://third.example/a.png", kind="Image", is_referenced=True)
    fault = Failure(reason=Reason.CERTIFICATE_FAULT, error_class="certificate-expired")
    held = CapturedObject(
        role=Role.RESOURCE, target_uri=wanted.url, content_type="image/png", size_bytes=1, sha256="a", sha512="b"
    )  # fmt: skip

    unproven = line_of(wanted, Refetched(answer=None, failure=None, certificate_fault=fault), held)
    proven = line_of(wanted, Refetched(answer=None, failure=None), held)

    assert (unproven.is_held, unproven.reason) == (True, Reason.CERTIFICATE_FAULT)
    assert unproven.error_class == "certificate-expired"
    assert (proven.is_held, proven.reason, proven.error_class) == (True, None, None)


@pytest.mark.parametrize("head", [b"", b"head", b"h" * 3_000_000], ids=["none", "short", "long"])
@pytest.mark.parametrize("size", [0, 1, 3, 1 << 20, (1 << 20) + 1, 2_500_000])
def test_what_is_put_before_a_file_moves_no_byte_of_it(head, size, tmp_path):
    content = bytes(range(251)) * (size // 251) + bytes(size % 251)
    path = tmp_path / "file"
    path.write_bytes(content)

    prepend(head, path)

    assert path.read_bytes() == head + content


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("<title>A &amp; B</title><p>One<b>two</b>", HtmlText("A & B", "One\ntwo")),
        (
            "<style>p{}</style><script>if (a<b) x</script >Shown<!-- not > this -->",
            HtmlText("", "Shown"),
        ),
        ("<TITLE\n lang=ar>صفحة</TITLE><svg><title>No</title></svg>", HtmlText("صفحة", "")),
        ("plain words", HtmlText("", "plain words")),
        ("<p>Seen<script>never closed", HtmlText("", "Seen")),
        ("<title>Half", HtmlText("Half", "")),
        ("<title>&#" + "9" * 5000 + ";</title>&#" + "0" * 5000 + "65;", HtmlText("\ufffd", "A")),
    ],
    ids=["title", "unseen", "svg", "plain", "unclosed", "half", "numbers-of-thousands-of-digits"],
)
def test_the_words_of_html_are_read_without_a_browser(source, words):
    assert words_of(source) == words


def test_a_charset_without_an_end_is_looked_for_once(tmp_path):
    body = tmp_path / "body"
    body.write_bytes(b"<title>Seen</title>")
    fields = (("Content-Type", "text/html; charset=" + " " * (1 << 22) + ";"),)
    answer = Exchange(
        url="https://example.org/",
        request_line="GET / HTTP/1.1",
        request_headers=(),
        status=200,
        status_line="HTTP/1.1 200 OK",
        response_headers=fields,
        answered_at=NOON,
        body=body,
    )

    assert html_text(answer, largest_ratio=1000) == HtmlText("Seen", "")


@given(st.text("<>!-/ascript&;#'\" =\n", max_size=400))
def test_no_markup_makes_reading_it_raise(source):
    found = words_of(source)

    assert "\n" not in found.title
    assert not found.text.startswith("\n")


@pytest.mark.parametrize(
    ("first", "url", "told"),
    [
        ("https://a/x", "https://a/y", {"Cookie": "k=v", "Referer": "https://a/page?token"}),
        ("https://a/x", "https://a:8443/y", {"Cookie": "k=v", "Referer": "https://a/"}),
        ("https://a/x", "https://b/y", {"Referer": "https://a/"}),
        ("https://a/x", "https://sub.a/y", {"Referer": "https://a/"}),
        ("https://a/x", "http://a/y", {}),
        ("http://a/x", "https://a/y", {"Cookie": "k=v", "Referer": "https://a/page?token"}),
        ("http://a/x", "http://a/y", {"Cookie": "k=v"}),
    ],
)
def test_cookies_stay_at_home_and_others_learn_only_where_a_page_lies(first, url, told):
    headers = (("Cookie", "k=v"), ("Referer", "https://a/page?token"))

    assert dict(headers_on_the_way(url, headers, first=first)) == told


PAGE = "https://a/page?token"


@pytest.mark.parametrize(
    ("policy", "url", "referer"),
    [
        ("no-referrer", "https://a/x", None),
        ("same-origin", "https://a/x", PAGE),
        ("same-origin", "https://b/x", None),
        ("same-origin", "https://a:8443/x", None),
        ("same-origin", "http://a/x", None),
        ("origin", "https://a/x", "https://a/"),
        ("origin", "http://b/x", "https://a/"),
        ("strict-origin", "https://b/x", "https://a/"),
        ("strict-origin", "http://b/x", None),
        ("strict-origin-when-cross-origin", "https://a/x", PAGE),
        ("strict-origin-when-cross-origin", "https://b/x", "https://a/"),
        ("strict-origin-when-cross-origin", "http://a/x", None),
        ("no-referrer-when-downgrade", "https://b/x", "https://a/"),
        ("unsafe-url", "https://b/x", "https://a/"),
        ("unsafe-url", "http://b/x", None),
    ],
)
def test_who_a_redirect_leads_to_learns_no_more_than_the_policy_of_a_page_allows(policy, url, referer):
    told = headers_on_the_way(url, (("Referer", PAGE),), first="https://a/picture", policy=policy)

    assert dict(told).get("Referer") == referer
