"""The DevTools protocol over a pipe: nothing is lost, mixed up or heaped up."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preservation.capture.browser import devtools
from preservation.capture.browser.devtools import (
    UNREAD_EVENT,
    BrowserGone,
    DevTools,
    DevToolsFault,
)

Event = tuple[str, dict[str, Any], str | None]


class Peer:
    """The browser's end of a pipe, in the hands of a test."""

    def __init__(self) -> None:
        self._commands, self._to_browser = os.pipe()
        self._from_browser, self._answers = os.pipe()
        self.events: list[Event] = []
        self.devtools = DevTools(
            self._from_browser,
            self._to_browser,
            lambda *event: self.events.append(event),
            verdict=lambda: self.verdict,
        )
        self.verdict = ""
        self._has_ended = False

    def write(self, raw: bytes) -> None:
        view = memoryview(raw)
        while view:
            view = view[os.write(self._answers, view) :]

    def say(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message).encode() + b"\0")

    def hear(self) -> dict[str, Any]:
        return json.loads(os.read(self._commands, 1 << 16).rstrip(b"\0"))

    def end(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            os.close(self._answers)

    def drop(self) -> None:
        self.end()
        self.devtools.close()
        for descriptor in (self._commands, self._to_browser, self._from_browser):
            os.close(descriptor)


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer()
    yield running
    running.drop()


@pytest.mark.parametrize("text", ["\ud83d", "\ude00 alone", "\U0001f600", "\x00 \u2028", "2" * 400])
def test_whatever_a_script_puts_into_a_string_is_handed_out(peer, text):
    peer.say({"method": "Told", "params": {"text": text, "number": 10**30}})

    peer.devtools.pump(lambda: bool(peer.events), timeout_s=10)

    assert peer.events[0][1]["text"] == text


@settings(max_examples=30)
@given(
    texts=st.lists(st.text(max_size=40), max_size=8),
    cuts=st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=8),
)
def test_events_arrive_whole_and_in_order_however_the_pipe_cuts_them(texts, cuts):
    peer = Peer()
    raw = b"".join(
        json.dumps({"method": "m", "params": {"text": text}, "sessionId": "s"}).encode() + b"\0"
        for text in texts
    )
    position = 0
    while position < len(raw):
        step = cuts[position % len(cuts)]
        peer.write(raw[position : position + step])
        position += step

    peer.devtools.pump(lambda: len(peer.events) == len(texts), timeout_s=10)

    assert peer.events == [("m", {"text": text}, "s") for text in texts]
    peer.drop()


def test_an_answer_goes_to_its_own_command_and_events_on_the_way_are_handed_out(peer):
    peer.say({"method": "before"})
    peer.say({"id": 2, "result": {"of": "second"}})
    peer.say({"id": 1, "result": {"of": "first"}})
    first: list[dict[str, Any]] = []

    peer.devtools.send("one", on_answer=first.append)
    second = peer.devtools.call("two", timeout_s=10)

    assert second == {"of": "second"}
    peer.devtools.pump(lambda: bool(first), timeout_s=10)
    assert first[0]["result"] == {"of": "first"}
    assert peer.events == [("before", {}, None)]


def test_a_refused_command_says_what_the_browser_said(peer):
    peer.say({"id": 1, "error": {"code": -32000, "message": "No such target"}})

    with pytest.raises(DevToolsFault, match=r"Target\.closeTarget: No such target"):
        peer.devtools.call("Target.closeTarget", timeout_s=10)


def test_silence_is_a_fault_after_its_time(peer):
    with pytest.raises(DevToolsFault, match=r"Page\.enable: no answer"):
        peer.devtools.call("Page.enable", timeout_s=0.05)


def test_the_end_of_the_browser_is_told_after_its_last_message(peer):
    peer.say({"method": "last"})
    peer.end()

    with pytest.raises(BrowserGone, match="the browser ended"):
        peer.devtools.pump(lambda: False, timeout_s=10)

    assert peer.events == [("last", {}, None)]


def test_whoever_ended_the_browser_has_the_last_word(peer):
    peer.verdict = "the browser held 9 MB, more than 1 MB"
    peer.end()

    with pytest.raises(BrowserGone, match="more than 1 MB"):
        peer.devtools.call("Browser.getVersion", timeout_s=10)


def test_answers_to_an_earlier_listener_reach_nobody(peer):
    stale: list[dict[str, Any]] = []
    peer.devtools.send("slow", on_answer=stale.append)
    events: list[Event] = []

    peer.devtools.listen(lambda *event: events.append(event))
    peer.say({"id": 1, "result": {}})
    peer.say({"method": "fresh"})
    peer.devtools.pump(lambda: bool(events), timeout_s=10)

    assert stale == []
    assert events == [("fresh", {}, None)]
    assert peer.events == []


def test_a_flood_is_held_back_until_somebody_takes_it(peer):
    message = json.dumps({"method": "flood", "params": {"text": "x" * (1 << 20)}}).encode() + b"\0"
    written: list[int] = []

    def flood() -> None:
        for number in range(64):
            peer.write(message)
            written.append(number)

    flooding = threading.Thread(target=flood)
    flooding.start()
    flooding.join(timeout=1)

    assert len(written) < 24
    peer.devtools.pump(lambda: len(peer.events) == 64, timeout_s=30)
    flooding.join(timeout=10)
    assert len(written) == 64


def test_a_single_message_may_be_larger_than_what_may_wait(peer):
    text = "x" * (24 << 20)
    writing = threading.Thread(target=peer.say, args=({"id": 1, "result": {"data": text}},))
    writing.start()

    answer = peer.devtools.call("Page.captureScreenshot", timeout_s=30)

    assert answer == {"data": text}
    writing.join()


@pytest.fixture
def small_bounds(monkeypatch):
    monkeypatch.setattr(devtools, "_LARGEST_EVENT", 5000)
    monkeypatch.setattr(devtools, "_LARGEST_ANSWER", 20_000)


@pytest.mark.parametrize("text", ["x" * 6000, '"sessionId":"ABC"}' * 400, "\\" * 6000])
@pytest.mark.parametrize("cut", [1, 7, 1 << 16])
def test_of_an_event_too_large_its_name_and_session_are_handed_out(peer, small_bounds, text, cut):
    large = {"method": "Runtime.consoleAPICalled", "params": {"text": text}, "sessionId": "5E"}
    raw = json.dumps(large, separators=(",", ":")).encode()
    for position in range(0, len(raw), cut):
        peer.write(raw[position : position + cut])
    peer.write(b"\0")
    peer.say({"method": "after"})

    peer.devtools.pump(lambda: len(peer.events) == 2, timeout_s=10)

    unread = {"method": "Runtime.consoleAPICalled", "bytes": len(raw)}
    assert peer.events == [(UNREAD_EVENT, unread, "5E"), ("after", {}, None)]


def test_an_answer_too_large_is_a_fault_at_once_that_gives_its_size(peer, small_bounds):
    raw = json.dumps({"id": 1, "result": {"outerHTML": "x" * 30_000}}, separators=(",", ":")).encode()
    peer.write(raw + b"\0")

    with pytest.raises(DevToolsFault, match=f"OuterHTML: the answer has {len(raw)} bytes"):
        peer.devtools.call("DOM.getOuterHTML", timeout_s=10)


def test_an_answer_may_be_larger_than_an_event(peer, small_bounds):
    peer.write(b'{"id":1,"result":{"data":"' + b"x" * 6000 + b'"}}\0')

    assert peer.devtools.call("Page.captureScreenshot", timeout_s=10) == {"data": "x" * 6000}
