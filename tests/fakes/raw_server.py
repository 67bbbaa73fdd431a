"""A server that sends given bytes, whatever they are: one answer a connection, in order."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self

Answer = bytes | Callable[[bytes], bytes]
"""What is sent, or a function of the request's head."""


class RawServer:
    """Serves *answers* on loopback, the last one for ever; *asked* holds the head of each request."""

    def __init__(self, *answers: Answer, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self._answers = list(answers)
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{'https' if self._context else 'http'}://{host}:{self.port}{path}"

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), client:
                client.settimeout(10)
                if self._context is None:
                    self._answer(client)
                else:
                    with self._context.wrap_socket(client, server_side=True) as secure:
                        self._answer(secure)

    def _answer(self, client: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(1 << 16)
            if not piece:
                return
            head += piece
        self.asked.append(head)
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        client.sendall(answer(head) if callable(answer) else answer)
