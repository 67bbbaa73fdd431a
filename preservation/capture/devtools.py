"""The Chrome DevTools Protocol over the browser's pipe: one thread reads, one thread thinks.

Messages are JSON objects that end in a NUL byte. Events and answers are handed out while the
caller waits in `pump` or `call`, always on the caller's own thread, so that nothing needs a lock.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

from preservation import clock

Answer = Callable[[dict[str, Any]], None]
EventSink = Callable[[str, dict[str, Any], str | None], None]

_PIECE_BYTES = 1 << 20
_WAITING_MESSAGES = 256
"""The reader rests while so many messages wait: the pipe then holds the browser back."""


class DevToolsFault(Exception):
    """The browser refused a command, or did not answer in time."""


class BrowserGone(DevToolsFault):
    """The browser ended or its pipe broke."""


class DevTools:
    """A protocol session with one browser; *event_sink* gets (method, parameters, session)."""

    def __init__(self, read_from: int, write_to: int, event_sink: EventSink) -> None:
        self._write_to = write_to
        self._event_sink = event_sink
        self._answers: dict[int, Answer] = {}
        self._last_id = 0
        self._inbox: queue.Queue[bytes | None] = queue.Queue(maxsize=_WAITING_MESSAGES)
        self._is_closed = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(read_from,), daemon=True)
        self._reader.start()

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
            raise BrowserGone(f"{method}: {error.strerror}") from error

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
            try:
                message = self._inbox.get(timeout=wait)
            except queue.Empty:
                return is_done()
            if message is None:
                raise BrowserGone("the browser ended")
            self._hand_out(json.loads(message))
        return True

    def close(self) -> None:
        """Stop reading; the browser's end of the pipe must be closed by then, or soon."""
        self._is_closed.set()
        self._reader.join(timeout=5)

    def _hand_out(self, message: dict[str, Any]) -> None:
        if "method" in message:
            self._event_sink(message["method"], message.get("params", {}), message.get("sessionId"))
            return
        on_answer = self._answers.pop(message.get("id", 0), None)
        if on_answer is not None:
            on_answer(message)

    def _read(self, read_from: int) -> None:
        pieces: list[bytes] = []
        while piece := _read_piece(read_from):
            first, *others = piece.split(b"\0")
            pieces.append(first)
            for other in others:
                self._put(b"".join(pieces))
                pieces = [other]
        self._put(None)

    def _put(self, message: bytes | None) -> None:
        while not self._is_closed.is_set():
            try:
                self._inbox.put(message, timeout=0.2)
            except queue.Full:
                continue
            return


def _read_piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _PIECE_BYTES)
    except OSError:
        return b""


def _write_all(descriptor: int, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]
