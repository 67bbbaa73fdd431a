"""A file of two gigabytes through the file engine: what it takes of the disk and of memory.

Seen for 2 GiB on two cores: 9 s, a disk peak of 2112 MiB (the file and 64 MiB of recording), and 4 MiB
of memory beside the 46 MiB that the program takes anyway.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import resource
import socket
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from preservation.capture import recorder_for
from preservation.model.captures import CaptureRequest
from preservation.model.vocabulary import Engine
from preservation.settings import Limits, Settings

_BLOCK = os.urandom(1 << 20)


def serve(listener: socket.socket, size_bytes: int) -> None:
    """Answer one request with *size_bytes* of noise."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(1 << 16)
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size_bytes}\r\n\r\n".encode())
        for start in range(0, size_bytes, len(_BLOCK)):
            connection.sendall(_BLOCK[: size_bytes - start])


def disk_bytes(folder: Path) -> int:
    """What the files below *folder* take, each once however many names it has."""
    taken: dict[int, int] = {}
    for path in folder.rglob("*"):
        try:
            facts = path.lstat()
        except FileNotFoundError:
            continue
        taken[facts.st_ino] = facts.st_blocks * 512
    return sum(taken.values())


class DiskWatch(threading.Thread):
    """Looks at a folder a hundred times a second."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._folder = folder
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(0.01):
            self.peak_bytes = max(self.peak_bytes, disk_bytes(self._folder))

    def end(self) -> int:
        """The most that was seen."""
        self._over.set()
        self.join()
        return self.peak_bytes


def main() -> None:
    """Print the peaks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=2048)
    size_bytes = parser.parse_args().size_mib << 20
    with (
        tempfile.TemporaryDirectory() as home,
        closing(socket.create_server(("127.0.0.1", 0))) as listener,
    ):
        spool = Path(home) / "spool"
        spool.mkdir()
        settings = Settings(
            home=Path(home),
            database_url="",
            log_origin="benchmark",
            allow_networks=(ipaddress.ip_network("127.0.0.0/8"),),
            limits=Limits(),
        )
        request = CaptureRequest(
            item_id="item",
            capture_id="capture",
            attempt_number=1,
            engine=Engine.FILE,
            spool=spool,
            url=f"http://127.0.0.1:{listener.getsockname()[1]}/large.bin",
        )
        threading.Thread(target=serve, args=(listener, size_bytes), daemon=True).start()
        recorder = recorder_for(Engine.FILE, settings)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        watch, began = DiskWatch(spool), time.perf_counter()
        watch.start()
        result = recorder.capture(request)
        seconds, peak_bytes = time.perf_counter() - began, watch.end()
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
        print(f"{result.outcome}: {result.bytes_received / 2**20:.0f} MiB in {seconds:.0f} s")
        print(f"disk: peak {peak_bytes / 2**20:.0f} MiB, {peak_bytes / size_bytes:.3f} of the file")
        print(f"left: {disk_bytes(spool) / 2**20:.0f} MiB")
        print(f"memory: {before_kib / 1024:.0f} MiB, and {grown_kib / 1024:.0f} MiB more at most")


if __name__ == "__main__":
    main()
