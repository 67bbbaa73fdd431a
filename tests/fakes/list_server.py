"""A server on loopback for whatever is fetched with GET: revocation lists, and answers in their place."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager


@contextmanager
def list_server():
    """Gives the server: `url`, `answers` (path to content, or to status and headers), `asked`."""

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append((self.path, self.headers["Host"]))
            answer = server.answers.get(self.path, (404, {}))
            status, headers = (200, {}) if isinstance(answer, bytes) else answer
            body = answer if isinstance(answer, bytes) else b""
            self.send_response(status)
            for header in headers.items():
                self.send_header(*header)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads, server.block_on_close = True, False
    server.answers, server.asked = {}, []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
