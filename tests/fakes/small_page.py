"""A page without a visit: one lease, one context, one target, and a site of a few lines."""

from __future__ import annotations

import http.server
import ssl
import threading
from typing import Any, Self

from preservation.capture.browser.browser import Browser
from preservation.capture.gateway.gateway import Gateway, GatewayRules
from preservation.settings import Limits, parse_networks

LOOPBACK = parse_networks("127.0.0.0/8,::1/128")


class SmallSite:
    """Answers each path of *pages* with that HTML; what was asked for is in `asked`."""

    def __init__(self, pages: dict[str, str], tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, str]] = []
        """(path, Cookie header) of each request."""
        site = self

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers.get("Cookie", "")))
                body = pages.get(self.path)
                self.send_response(404 if body is None else 200)
                kind = "text/javascript" if self.path.endswith(".js") else "text/html"
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Cache-Control", "max-age=3600")
                self.send_header("Set-Cookie", "visitor=1; Max-Age=3600")
                self.send_header("Content-Length", str(len((body or "").encode())))
                self.end_headers()
                self.wfile.write((body or "").encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Answer)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "http" if tls is None else "https"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}{path}"


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away are nothing to report."""


class SmallPage:
    """One page of *browser* behind a gateway of its own; *proxy* replaces the gateway's address."""

    def __init__(self, browser: Browser, proxy: str | None = None) -> None:
        self.browser = browser
        self.events: list[tuple[str, dict[str, Any], str | None]] = []
        browser.devtools.listen(lambda *event: self.events.append(event))
        rules = GatewayRules.of(Limits(), LOOPBACK, deadline_s=60)
        listener = browser.listener()
        port = listener.getsockname()[1]
        self.gateway = Gateway(rules, listener=listener)
        context = {"disposeOnDetach": True, "proxyServer": proxy or f"socks5://127.0.0.1:{port}"}
        self.context = self.call(
            "Target.createBrowserContext", {**context, "proxyBypassList": "<-loopback>"}
        )["browserContextId"]
        target = {"url": "about:blank", "browserContextId": self.context}
        self.target = self.call("Target.createTarget", target)["targetId"]
        attach = {"targetId": self.target, "flatten": True}
        self.session = self.call("Target.attachToTarget", attach)["sessionId"]
        for domain in ("Page", "Inspector"):
            self.call(f"{domain}.enable", session=self.session)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.close()

    def go(self, url: str) -> str | None:
        """Go to *url* and wait for its load event; Chromium's error, if there was one."""
        self.events.clear()
        answer = self.call("Page.navigate", {"url": url}, session=self.session)
        if "errorText" not in answer:
            self.browser.devtools.pump(self._has_loaded, timeout_s=10)
        return answer.get("errorText")

    def evaluate(self, expression: str, timeout_s: float = 10) -> Any:
        """The value of *expression*; of a promise, what it comes to."""
        parameters = {"expression": expression, "returnByValue": True, "awaitPromise": True}
        answer = self.call("Runtime.evaluate", parameters, self.session, timeout_s)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def call(
        self,
        method: str,
        parameters: dict[str, Any] | None = None,
        session: str | None = None,
        timeout_s: float = 10,
    ) -> dict[str, Any]:
        return self.browser.devtools.call(method, parameters, session=session, timeout_s=timeout_s)

    def has_seen(self, method: str) -> bool:
        return any(seen == method for seen, _, _ in self.events)

    def _has_loaded(self) -> bool:
        return self.has_seen("Page.loadEventFired")
