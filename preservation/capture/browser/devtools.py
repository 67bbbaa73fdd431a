"""The Chrome DevTools Protocol over the browser's pipe: one thread reads, one thread thinks.

Messages are JSON objects that end in a NUL byte. Events and answers are handed out while the
caller waits in `pump` or `call`, always on the caller's own thread, so that nothing needs a lock.
A message too large for us costs that message: of an event its name is handed out.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import orjson

from preservation import clock

Answer = Callable[[dict[str, Any]], None]
EventSink = Callable[[str, dict[str, Any], str | None], None]
_Raw = bytes | bytearray

UNREAD_EVENT = "preservation.unread"
"""Stands for an event that was too large to read; its parameters are its *method* and *bytes*."""

_PIECE_BYTES = 1 << 20
_LARGEST_EVENT = 16 << 20
"""Bytes. Pages decide how large some events are: whatever a script logs is in them."""
_LARGEST_ANSWER = 256 << 20
"""Bytes. The rendered DOM is one answer, and a picture of 16,384 rows."""
_BEGINNING_BYTES = 1024
_END_BYTES = 256
"""Enough for what a message is, which comes first, and for its session, which comes last."""
_NAME = re.compile(rb'\{ ?(?:"id": ?(\d+)|"method": ?"([\w.]+)")')
_SESSION = re.compile(rb'"sessionId": ?"(\w+)" ?\}\Z')
_WAITING_BYTES = 16 << 20
"""The reader rests while so much waits: the pipe then holds the browser back."""


def ignored(_method: str, _event: dict[str, Any], _session: str | None) -> None:
    """Takes an event that nobody waits for."""


class DevToolsFault(Exception):
    """The browser refused a command, or did not answer in time."""


class BrowserGone(DevToolsFault):
    """The browser ended or its pipe broke."""


class DevTools:
    """A protocol session with one browser; *event_sink* gets (method, parameters, session).

    *verdict* says why the browser was ended, if somebody ended it.
    """

    def __init__(
        self,
        read_from: int,
        write_to: int,
        event_sink: EventSink,
        *,
        verdict: Callable[[], str] = str,
    ) -> None:
        self._write_to = write_to
        self._verdict = verdict
        self._event_sink = event_sink
        self._answers: dict[int, Answer] = {}
        self._last_id = 0
        self._inbox = _Inbox()
        self._reader = threading.Thread(target=self._read, args=(read_from,), daemon=True)
        self._reader.start()

    def listen(self, event_sink: EventSink) -> None:
        """Hand events to *event_sink* from now on; answers that are still due are forgotten."""
        self._event_sink = event_sink
        self._answers.clear()

    def send(
        self,
        method: str,
        parameters: dict[str, Any] | None = None,
        *,
        session: str | None = None,
        on_answer: Answer | None = None,
    ) -> None:
        """Send a command; *on_answer* gets the whole answer, with ``result`` or ``error``.

        Raises:
            BrowserGone: There is no browser to send it to.
        """
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": parameters or {}}
        if session is not None:
            message["sessionId"] = session
        if on_answer is not None:
            self._answers[self._last_id] = on_answer
        try:
            _write_all(self._write_to, json.dumps(message).encode() + b"\0")
        except OSError as error:
            raise BrowserGone(self._verdict() or f"{method}: {error.strerror}") from error

    def call(
        self,
        method: str,
        parameters: dict[str, Any] | None = None,
        *,
        session: str | None = None,
        timeout_s: float,
    ) -> dict[str, Any]:
        """Send a command and return its result; events are handed out meanwhile.

        Raises:
            BrowserGone: The browser ended.
            DevToolsFault: It refused the command, or was silent for *timeout_s*.
        """
        answers: list[dict[str, Any]] = []
        self.send(method, parameters, session=session, on_answer=answers.append)
        if not self.pump(lambda: bool(answers), timeout_s=timeout_s):
            raise DevToolsFault(f"{method}: no answer in {timeout_s:.0f} s")
        if "error" in answers[0]:
            raise DevToolsFault(f"{method}: {answers[0]['error'].get('message')}")
        return dict(answers[0]["result"])

    def pump(self, is_done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Hand out what arrives until *is_done*; False if that took longer than *timeout_s*.

        Raises:
            BrowserGone: The browser ended first.
        """
        deadline = clock.monotonic_s() + timeout_s
        while not is_done():
            wait = deadline - clock.monotonic_s()
            if wait <= 0:
                return False
            if not self._inbox.wait(wait):
                return is_done()
            message = self._inbox.take()
            if message is None:
                raise BrowserGone(self._verdict() or "the browser ended")
            self._hand_out(_read_message(message))
        return True

    def close(self) -> None:
        """Stop reading; the browser's end of the pipe must be closed by then, or soon."""
        self._inbox.close()
        self._reader.join(timeout=5)

    def _hand_out(self, message: dict[str, Any]) -> None:
        if "method" in message:
            self._event_sink(message["method"], message.get("params", {}), message.get("sessionId"))
            return
        on_answer = self._answers.pop(message.get("id", 0), None)
        if on_answer is not None:
            on_answer(message)

    def _read(self, read_from: int) -> None:
        message = _Message()
        while piece := _read_piece(read_from):
            first, *others = piece.split(b"\0")
            message.add(first)
            for other in others:
                self._inbox.put(message.whole())
                message = _Message()
                message.add(other)
        self._inbox.end()


class _Message:
    """A message as it comes in; of one too large only its beginning and its end are kept."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0

    def add(self, piece: bytes) -> None:
        self._kept += piece
        self._size += len(piece)
        if self._is_too_large:
            del self._kept[_BEGINNING_BYTES:-_END_BYTES]

    def whole(self) -> _Raw:
        """The message, or what stands for it: an error as the answer, or an `UNREAD_EVENT`."""
        if not self._is_too_large:
            return self._kept
        session = _SESSION.search(self._kept)
        addressee = {"sessionId": session[1].decode()} if session else {}
        number, method = self._name
        if number is not None:
            text = f"the answer has {self._size} bytes, more than {_LARGEST_ANSWER}"
            return orjson.dumps({"id": int(number), "error": {"message": text}, **addressee})
        unread = {"method": (method or b"").decode(), "bytes": self._size}
        return orjson.dumps({"method": UNREAD_EVENT, "params": unread, **addressee})

    @property
    def _is_too_large(self) -> bool:
        if self._size <= _LARGEST_EVENT:
            return False
        number, _method = self._name
        return number is None or self._size > _LARGEST_ANSWER

    @property
    def _name(self) -> tuple[bytes | None, bytes | None]:
        """The number of an answer, or the method of an event: each begins with it."""
        name = _NAME.match(self._kept)
        return (name[1], name[2]) if name else (None, None)


class _Inbox:
    """Messages between the two threads, bounded by their bytes; a single one may be larger."""

    def __init__(self) -> None:
        self._messages: deque[_Raw] = deque()
        self._waiting_bytes = 0
        self._has_ended = False
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, message: _Raw) -> None:
        """Append *message* as soon as there is room; drop it if nobody reads any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting_bytes < _WAITING_BYTES or self._is_closed)
            if not self._is_closed:
                self._messages.append(message)
                self._waiting_bytes += len(message)
                self._changed.notify_all()

    def end(self) -> None:
        """No more messages come."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Whether a message, or the end, came within *timeout_s*."""
        with self._changed:
            return self._changed.wait_for(self._has_something, timeout_s)

    def take(self) -> _Raw | None:
        """The next message; null at the end."""
        with self._changed:
            if not self._messages:
                return None
            message = self._messages.popleft()
            self._waiting_bytes -= len(message)
            self._changed.notify_all()
            return message

    def _has_something(self) -> bool:
        return bool(self._messages) or self._has_ended


def _read_message(message: _Raw) -> dict[str, Any]:
    try:
        read: dict[str, Any] = orjson.loads(message)
    except orjson.JSONDecodeError:
        # Half a surrogate pair, which scripts may put into any string.
        read = json.loads(message)
    return read


def _read_piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PIECE_BYTES)
    except OSError:
        return b""


def _write_all(descriptor: int, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]
