"""A platform that both yt-dlp and gallery-dl know by its name, on loopback: mastodon.social."""

from __future__ import annotations

import json
import re
import socket
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

from preservation.settings import EgressSettings, Settings
from tests.fakes.raw_server import RawServer
from tests.fakes.tls_authority import TestAuthority

HOST = "mastodon.social"
PROFILE = f"https://{HOST}/@witness"
POST = f"{PROFILE}/1"


def served(body: bytes, kind: str, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Platform(RawServer):
    """Whoever leaves through it ends at it, whatever host they ask for.

    *files* are what stands at each path; *attached* are the paths that the post's API lists, in order,
    *shown* the films that its page tells of, and *preview* their picture. *api* takes the place of the
    API's answer.
    """

    def __init__(self, home: Path) -> None:
        self._authority = TestAuthority(home / "authority", (HOST,))
        self.files: dict[str, bytes] = {}
        self.attached: list[str] = []
        self.shown: list[str] = []
        self.preview: str | None = None
        self.api: bytes | None = None
        super().__init__(self._answer_to, context=_Entrance(self._authority.server_context()))

    def reached_by(self, settings: Settings) -> Settings:
        """*settings* that lead here."""
        way = EgressSettings(name="here", url=f"tor://127.0.0.1:{self.port}")
        root = self._authority.root_pem
        return replace(settings, egress="here", egresses=(way,), capture_roots=root)

    def asked_for(self, path: str) -> int:
        """How often *path* was asked for."""
        return sum(head.split(b" ", 2)[1] == path.encode() for head in self.asked)

    def _answer_to(self, head: bytes) -> bytes:
        path = head.split(b" ", 2)[1].decode()
        if path in self.files:
            body = self.files[path]
            return body if body.startswith(b"HTTP/1.1 ") else served(body, _kind(path))
        if path == "/api/v1/statuses/1":
            return self.api or served(json.dumps(self._status()).encode(), "application/json")
        if path.startswith("/api/v1/accounts/lookup"):
            return served(b'{"id": "7", "acct": "witness"}', "application/json")
        if path.startswith("/api/v1/accounts/7/statuses"):
            return served(json.dumps([self._status()]).encode(), "application/json")
        films = "".join(f'<meta property="og:video" content="{url(one)}">' for one in self.shown)
        films += f'<meta property="og:image" content="{url(self.preview)}">' if self.preview else ""
        return served(f"<html><title>A post</title>{films}<p>Words.".encode(), "text/html")

    def _status(self) -> dict[str, Any]:
        return {
            "id": "1",
            "created_at": "2026-03-12T12:00:00.000Z",
            "in_reply_to_id": None,
            "reblog": None,
            "account": {"acct": "witness", "id": "7", "moved": None},
            "tags": [],
            "media_attachments": [
                {"id": str(number), "url": url(path)} for number, path in enumerate(self.attached)
            ],
        }


class _Entrance:
    """In the place of a server's TLS context: a proxy's handshake (RFC 1928, RFC 1929), then that of TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context

    def wrap_socket(self, client: socket.socket, *, server_side: bool) -> ssl.SSLSocket:
        client.recv(4096)
        client.sendall(b"\x05\x02")
        client.recv(4096)
        client.sendall(b"\x01\x00")
        client.recv(4096)
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return self._context.wrap_socket(client, server_side=server_side)


def url(path: str) -> str:
    return path if re.match("https?:", path) else f"https://{HOST}{path}"


def _kind(path: str) -> str:
    return "video/mp4" if path.endswith(".mp4") else "image/png"
