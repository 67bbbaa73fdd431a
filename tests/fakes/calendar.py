"""An OpenTimestamps calendar on loopback: promises at once, and a Bitcoin block when it is told to."""

from __future__ import annotations

import hashlib
import http.server
import threading
from contextlib import contextmanager

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
from opentimestamps.core.op import OpAppend, OpPrepend, OpSHA256
from opentimestamps.core.serialize import BytesSerializationContext
from opentimestamps.core.timestamp import Timestamp


class Calendar:
    """Puts each digest into a tree of its own; a block's header is made up around the root."""

    def __init__(self):
        self.url = ""
        self.promises_at: str | None = None
        """Address that it promises to answer at, if not its own."""
        self.answer: bytes | None = None
        """Said in place of everything else."""
        self.waiting: dict[str, bytes] = {}
        self.proofs: dict[str, bytes] = {}
        self.headers: dict[int, bytes] = {}
        self.digests: list[bytes] = []
        self.asked: list[str] = []
        """Promises that somebody wanted to see kept."""

    def submit(self, digest: bytes) -> bytes:
        self.digests.append(digest)
        stamp = Timestamp(digest)
        end = stamp.ops.add(OpAppend(b"a nonce")).ops.add(OpSHA256())
        end.attestations.add(PendingAttestation(self.promises_at or self.url))
        self.waiting[end.msg.hex()] = end.msg
        return _written(stamp)

    def reach_block(self, height: int, at: int) -> None:
        """Everything promised so far is in the block *height*, whose header says *at*."""
        for commitment in self.waiting.values():
            stamp = Timestamp(commitment)
            root = stamp.ops.add(OpPrepend(b"neighbour")).ops.add(OpSHA256()).ops.add(OpSHA256())
            root.attestations.add(BitcoinBlockHeaderAttestation(height))
            self.proofs[commitment.hex()] = _written(stamp)
            start = (2).to_bytes(4, "little") + hashlib.sha256(b"the block before").digest()
            self.headers[height] = start + root.msg + at.to_bytes(4, "little") + bytes(8)

    def headers_file(self) -> str:
        lines = [f"{height} {header.hex()}\n" for height, header in self.headers.items()]
        return "# height header\n" + "".join(lines)


def _written(stamp: Timestamp) -> bytes:
    context = BytesSerializationContext()
    stamp.serialize(context)
    return context.getbytes()


@contextmanager
def calendar_server():
    calendar = Calendar()

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            digest = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(200, calendar.submit(digest) if self.path == "/digest" else b"")

        def do_GET(self):
            calendar.asked.append(self.path)
            proof = calendar.proofs.get(self.path.removeprefix("/timestamp/"))
            self._say(404 if proof is None else 200, proof or b"Pending confirmation")

        def _say(self, status, content):
            content = content if calendar.answer is None else calendar.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads, server.block_on_close = True, False
    calendar.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield calendar
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
