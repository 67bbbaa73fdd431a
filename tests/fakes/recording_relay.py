"""A relay that records what passes on a tape, as the gateway does."""

from __future__ import annotations

import contextlib
import itertools
import select
import socket
import threading
from typing import Self

from preservation.recording.model import End, Side
from preservation.recording.tape import Tape


class RecordingRelay:
    """Listens on loopback and carries each connection to *target*, pieces no larger than *piece_bytes*."""

    def __init__(self, tape: Tape, target: tuple[str, int], *, piece_bytes: int = 1 << 16) -> None:
        self._tape = tape
        self._target = target
        self._piece_bytes = piece_bytes
        self._numbers = itertools.count()
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        self._listener = socket.create_server((target[0], 0), family=family)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def close(self) -> None:
        """Take no more connections, and wait until those that stand are over."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(
                    target=self._serve, args=(next(self._numbers), client), daemon=True
                )
                self._threads.append(thread)
                thread.start()

    def _serve(self, number: int, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            self._tape.begin(number, address=self._target[0], port=self._target[1])
            ends = {client: (Side.CLIENT, server), server: (Side.SERVER, client)}
            while ends:
                for source in select.select(list(ends), [], [])[0]:
                    side, sink = ends[source]
                    if not self._carried(number, side, source, sink):
                        del ends[source]

    def _carried(self, number: int, side: Side, source: socket.socket, sink: socket.socket) -> bool:
        try:
            piece = source.recv(self._piece_bytes)
        except OSError:
            self._tape.end(number, side, End.RESET)
            return False
        if not piece:
            self._tape.end(number, side, End.CLOSED)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
            return False
        self._tape.carry(number, side, piece)
        with contextlib.suppress(OSError):
            sink.sendall(piece)
        return True
