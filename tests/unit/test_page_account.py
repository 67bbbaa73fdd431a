"""The join of what a browser says with what a recording holds, and the account that follows."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preservation.capture.outcomes import Failure
from preservation.capture.page.account import (
    Refetched,
    Wanted,
    is_whole,
    line_of,
    outcome_of,
    wanted_by,
)
from preservation.capture.page.join import Doubt, join
from preservation.capture.page.traffic import Traffic
from preservation.model.captures import CapturedObject
from preservation.model.vocabulary import Outcome, Reason, Role
from preservation.recording.model import Message, RecordedExchange

NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
NUMBERS = itertools.count()


def answer(url, status=200, *, method="GET", truncated=None, fields=(), body_bytes=3):
    """A recorded exchange, later than the ones made before."""
    return RecordedExchange(
        connection=0,
        protocol="http/1.1",
        method=method,
        url=url,
        request=Message(head=b"", fields=()),
        response=Message(head=b"", fields=tuple(fields), body=Path("b"), body_bytes=body_bytes),
        status=status,
        began_at=NOON + timedelta(seconds=next(NUMBERS)),
        truncated=truncated,
    )


class Mute:
    """DevTools of a browser that answers nothing."""

    def send(self, method, parameters=None, *, session=None, on_answer=None):
        pass


class Browser:
    """Tells a `Traffic` what a browser would."""

    def __init__(self):
        self.traffic = Traffic(lambda: Path("unused"))
        self.traffic.main_frame = "main"

    def load(self, url, status=200, *, kind="Image", method="GET", error=None, **response):
        name = str(next(NUMBERS))
        request = {"url": url, "method": method, "headers": {}}
        told = {"requestId": name, "request": request, "type": kind, "frameId": "main"}
        self._tell("Network.requestWillBeSent", told)
        if status is not None:
            head = {"status": status, "headers": {}, "mimeType": "image/png", **response}
            self._tell("Network.responseReceived", {"requestId": name, "response": head})
        end = "Network.loadingFailed" if error else "Network.loadingFinished"
        self._tell(end, {"requestId": name, "errorText": error})
        return self.traffic.loads[name]

    def _tell(self, method, event):
        self.traffic.take(Mute(), method, event, None)

    def join(self, *exchanges):
        return join(self.traffic.loads.values(), exchanges)


def held(url):
    return CapturedObject(
        role=Role.RESOURCE, target_uri=url, content_type=None, size_bytes=3, sha256="0" * 64, sha512="0" * 128
    )  # fmt: skip


def test_twins_get_their_answers_in_order():
    browser = Browser()
    loads = [browser.load("http://h/a") for _ in range(3)]
    told = [answer("http://h/a") for _ in range(3)]

    joined = browser.join(*told)

    assert [joined.answer(load) for load in loads] == told
    assert joined.unreported == []


def test_an_answer_that_never_came_is_not_taken_for_the_one_that_did():
    browser = Browser()
    load = browser.load("http://h/a")
    lost = RecordedExchange(
        connection=0, protocol="http/1.1", method="GET", url="http://h/a", began_at=NOON,
        request=Message(head=b"", fields=()),
    )  # fmt: skip
    came = answer("http://h/a")

    joined = browser.join(lost, came)

    assert joined.answer(load) is came
    assert joined.unreported == [lost]


@pytest.mark.parametrize(
    ("said", "recorded", "doubt"),
    [
        ({}, {}, None),
        ({}, None, Doubt.NOT_RECORDED),
        ({"fromDiskCache": True}, None, None),
        ({"fromServiceWorker": True}, None, None),
        ({"status": 404}, {"status": 200}, Doubt.STATUS),
        ({}, {"truncated": "disconnect"}, Doubt.END),
        ({"error": "net::ERR_CONNECTION_RESET"}, {"truncated": "reset"}, None),
        ({}, {"truncated": "length"}, None),
        ({"error": "net::ERR_HTTP2_PROTOCOL_ERROR"}, {}, Doubt.REFUSED),
        ({"error": "net::ERR_RESPONSE_HEADERS_MULTIPLE_LOCATION", "status": None}, {}, Doubt.REFUSED),
        ({"error": "net::ERR_HTTP2_PROTOCOL_ERROR"}, {"truncated": "malformed"}, None),
        ({"error": "net::ERR_ABORTED"}, {}, None),
    ],
)
def test_what_browser_and_recording_disagree_on_is_said(said, recorded, doubt):
    browser = Browser()
    load = browser.load("http://h/a", **said)
    told = [] if recorded is None else [answer("http://h/a", **recorded)]

    joined = browser.join(*told)

    assert joined.doubt(load) == doubt


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("600;url=/next", "http://h/next"),
        ("600, URL = 'there?a=1;b' nothing", "http://h/a/there?a=1;b"),
        ('7.5; "http://other/#part"', "http://other/"),
        ("5 /bare", "http://h/bare"),
        ("600;url=/\u0634", "http://h/%D8%B4"),
        ("600", None),
        ("600;url=", None),
        ("url=/next", None),
        ("600;url=#part", None),
        ("600;url=javascript:alert(1)", None),
        ("600;url=http://[", None),
    ],
)
def test_where_a_page_would_go_on_later_is_listed(value, target):
    browser = Browser()
    browser.load("http://h/a/", kind="Document", headers={"reFRESH": value})
    browser.load("http://h/picture", headers={"Refresh": "1;url=/of-no-page"})

    later = [one for one in wanted_by(browser.traffic, []) if one.load is None]

    assert [(one.url, one.kind, one.counts) for one in later] == (
        [(target, "Refresh", False)] if target else []
    )


def test_credentials_and_fragments_stay_out_of_the_account():
    browser = Browser()
    browser.load("http://me:secret@h/a#part")

    joined = browser.join(answer("http://h/a"))
    (one,) = wanted_by(browser.traffic, [("http://me:secret@h/a#other", "Image")], joined)

    assert (one.url, one.is_held) == ("http://h/a", True)


@pytest.mark.parametrize(("method", "kind"), [("HEAD", "Fetch"), ("OPTIONS", "Preflight")])
def test_what_was_asked_about_a_url_says_nothing_of_its_content(method, kind):
    browser = Browser()
    browser.load("http://h/a", kind=kind, method=method)
    browser.load("http://h/a", 500, kind="Fetch")
    told = [answer("http://h/a", method=method), answer("http://h/a", 500)]

    (one,) = wanted_by(browser.traffic, [], browser.join(*told))

    line = line_of(one, None, None)
    assert (line.resource_type, line.http_status, line.reason) == ("fetch", 500, Reason.SERVER_ERROR)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_what_a_page_refers_to_and_only_asked_about_is_fetched(method):
    browser = Browser()
    browser.load("http://h/a", kind="Fetch", method=method)
    joined = browser.join(answer("http://h/a", method=method))

    (asked,) = wanted_by(browser.traffic, [], joined)
    (referred,) = wanted_by(browser.traffic, [("http://h/a", "Image")], joined)

    assert (asked.is_fetched_again, referred.is_fetched_again) == (False, True)


def test_what_a_script_asked_for_first_and_the_page_then_showed_counts():
    browser = Browser()
    browser.load("http://h/a", 404, kind="Fetch")
    browser.load("http://h/a", 404, kind="Image")
    told = [answer("http://h/a", 404), answer("http://h/a", 404)]

    (one,) = wanted_by(browser.traffic, [], browser.join(*told))

    assert (one.kind, one.counts) == ("Image", True)


def test_a_websocket_is_joined_with_the_request_that_opened_it():
    browser = Browser()
    name = {"requestId": "s"}
    browser._tell("Network.webSocketCreated", {**name, "url": "wss://h/talk"})
    browser._tell("Network.webSocketHandshakeResponseReceived", {**name, "response": {"status": 101}})

    joined = browser.join(opened := answer("https://h/talk", 101))

    assert joined.answer(browser.traffic.loads["s"]) is opened
    assert joined.doubt(browser.traffic.loads["s"]) is None


def test_a_websocket_over_http_2_is_joined_with_the_connect_that_opened_it():
    browser = Browser()
    name = {"requestId": "s"}
    browser._tell("Network.webSocketCreated", {**name, "url": "wss://h/talk"})
    browser._tell("Network.webSocketHandshakeResponseReceived", {**name, "response": {"status": 101}})

    opened = replace(answer("https://h/talk", method="CONNECT"), is_websocket=True)
    joined = browser.join(opened)

    assert joined.answer(browser.traffic.loads["s"]) is opened
    assert joined.doubt(browser.traffic.loads["s"]) is None
    assert joined.unreported == []


def test_a_websocket_that_was_refused_over_http_2_is_joined_with_its_connect():
    browser = Browser()
    name = {"requestId": "s"}
    browser._tell("Network.webSocketCreated", {**name, "url": "wss://h/talk"})
    browser._tell(
        "Network.webSocketFrameError", {**name, "errorMessage": "Unexpected response code: 403"}
    )

    joined = browser.join(refused := answer("https://h/talk", 403, method="CONNECT"))

    assert joined.answer(browser.traffic.loads["s"]) is refused
    assert joined.unreported == []


@pytest.mark.parametrize(
    ("fields", "whole"),
    [
        ([("Content-Range", "bytes 0-2/3")], True),
        ([("content-range", "bytes 0-2/4")], False),
        ([("Content-Range", "bytes 1-2/3")], False),
        ([("Content-Range", "bytes 0-2/*")], False),
        ([], False),
    ],
)
def test_a_range_counts_as_whole_only_if_it_is_all(fields, whole):
    assert is_whole(answer("http://h/film", 206, fields=fields)) is whole


@pytest.mark.parametrize(
    ("load", "recorded", "reason"),
    [
        ({"error": "net::ERR_INVALID_HTTP_RESPONSE", "status": None}, {"status": 101}, Reason.SERVER_ERROR),
        ({"status": 404}, {"status": 404}, Reason.NOT_FOUND),
        ({"status": 304}, {"status": 304}, Reason.SERVER_ERROR),
        ({"error": "net::ERR_TOO_MANY_REDIRECTS", "status": None},
         {"status": 302, "fields": [("Location", "/a")]}, Reason.REDIRECT_LOOP),
        ({"error": "net::ERR_CONNECTION_RESET"}, {"truncated": "reset"}, Reason.TRUNCATED),
        ({"error": "net::ERR_NAME_NOT_RESOLVED", "status": None}, None, Reason.UNREACHABLE),
    ],
)  # fmt: skip
def test_what_is_missing_has_a_reason(load, recorded, reason):
    browser = Browser()
    browser.load("http://h/a", **load)
    told = [] if recorded is None else [answer("http://h/a", **recorded)]

    (one,) = wanted_by(browser.traffic, [], browser.join(*told))

    assert line_of(one, None, None).reason is reason


@given(
    st.lists(st.sampled_from(["Image", "XHR", "MetaImage", "Icon", "Script"]), max_size=8), st.data()
)
def test_a_page_is_captured_if_and_only_if_nothing_that_counts_is_missing(kinds, data):
    urls = [(f"http://h/{number}", kind) for number, kind in enumerate(kinds)]
    wanted = wanted_by(Browser().traffic, urls)
    is_held = [data.draw(st.booleans()) for _ in wanted]
    lines = {
        one.url: line_of(one, None, held(one.url) if has else None)
        for one, has in zip(wanted, is_held, strict=True)
    }

    outcome, failure = outcome_of(None, wanted, lines)

    counted = [has for one, has in zip(wanted, is_held, strict=True) if one.counts]
    assert (outcome is Outcome.CAPTURED) == all(counted)
    assert (failure is None) == all(counted)


@pytest.mark.parametrize("status", [200, 404])
def test_what_we_broke_off_ourselves_is_no_fault_of_the_server_s(status):
    cut = answer("http://h/a", status=status, truncated="disconnect")
    ours = Failure(reason=Reason.TIMEOUT, error_class="gateway: deadline")
    wanted = Wanted(url="http://h/a", kind="Image", is_referenced=True, answer=cut, refusal=ours)

    line = line_of(wanted, None, None)

    assert line.reason is (Reason.TIMEOUT if status == 200 else Reason.NOT_FOUND)


@pytest.mark.parametrize(
    ("truncated", "reason", "status"),
    [("reset", Reason.TRUNCATED, 200), ("malformed", Reason.TRUNCATED, 200), ("disconnect", Reason.TIMEOUT, None)],
)  # fmt: skip
def test_a_spoilt_answer_tells_more_than_silence_the_second_time(truncated, reason, status):
    spoilt = answer("http://h/a", truncated=truncated)
    wanted = Wanted(url="http://h/a", kind="Image", is_referenced=True, answer=spoilt)
    silence = Failure(reason=Reason.TIMEOUT, error_class="ReadTimeout")

    line = line_of(wanted, Refetched(answer=None, failure=silence), None)

    assert (line.is_held, line.reason, line.http_status) == (False, reason, status)
