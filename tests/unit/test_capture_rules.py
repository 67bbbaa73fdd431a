"""The rules of capture that need no network: refused addresses, reasons, log-in walls, formats."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import pytest

from preservation.capture.network_policy import REFUSED_NETWORKS, refusal_of
from preservation.capture.outcomes import net_error_failure, retry_after_s, status_reason
from preservation.capture.page_account import is_login_wall
from preservation.capture.page_traffic import Traffic
from preservation.capture.social_media import chosen_formats
from preservation.capture.wire import request_target
from preservation.model.vocabulary import Reason

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
        (200, None), (206, None), (204, Reason.NOT_FOUND), (304, Reason.SERVER_ERROR), (400, Reason.UNSUPPORTED_SITE),
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
        ([_format("b", 360, sound=True), _format("rtmp", 720, sound=True, protocol="rtmp")], ["b"]),
        ([], []),
    ],
)
def test_the_largest_picture_is_kept_as_the_platform_holds_it(formats, chosen):
    assert [one["format_id"] for one in chosen_formats({"formats": formats})] == chosen


@pytest.mark.parametrize(
    ("headers", "size", "wire_bytes", "is_cut_short"),
    [
        ([("Content-Length", "10")], 10, 200, False),
        ([("Content-Length", "10")], 4, 200, True),
        ([("Content-Length", "10"), ("Content-Encoding", "gzip")], 40, 200, False),
        ([("Transfer-Encoding", "chunked")], 40, 200, False),
        ([("Transfer-Encoding", "chunked")], 40, 0, True),
        ([], 0, 0, False),
    ],
)
def test_a_body_that_chromium_calls_finished_is_measured(
    headers, size, wire_bytes, is_cut_short, tmp_path
):
    body = tmp_path / "body"
    body.write_bytes(bytes(size))
    request = {"url": "http://h/", "method": "GET", "headers": {}}
    traffic = Traffic(lambda: body)
    traffic.take(None, "Network.requestWillBeSent", {"requestId": "1", "request": request}, None)
    load = traffic.loads["1"]
    load.body, load.last.response_headers = body, tuple(headers)

    traffic.take(
        None, "Network.loadingFinished", {"requestId": "1", "encodedDataLength": wire_bytes}, None
    )

    assert load.is_over
    assert load.is_whole is not is_cut_short
