"""TLS key logs: the secrets of sessions, one a line (NSS key log format, RFC 9850)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_LINE = re.compile(rb"^([A-Z][A-Z0-9_]*) ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2})+)\s*$")


@dataclass(frozen=True, slots=True)
class KeyLog:
    """Secrets by label and client random; what isn't a line of this format is passed over.

    A client random is 64 hexadecimal digits, in lower case as in `TlsFacts.client_random`.
    """

    secrets: Mapping[tuple[str, str], bytes]

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """The key log *content*; a line that a killed client left half-written is passed over."""
        lines = (_LINE.match(line) for line in content.splitlines())
        return cls(
            {
                (label.decode(), random.decode().lower()): bytes.fromhex(secret.decode())
                for label, random, secret in (line.groups() for line in lines if line)
            }
        )

    @classmethod
    def of_files(cls, *paths: Path) -> Self:
        """The key logs at *paths*; one that was never written counts as empty."""
        return cls.parse(b"\n".join(path.read_bytes() for path in paths if path.exists()))

    def lines_for(self, client_randoms: Iterable[str]) -> bytes:
        """The lines of these sessions, sorted, for a recording to carry."""
        wanted = {random.lower() for random in client_randoms}
        lines = [
            f"{label} {random} {secret.hex()}\n"
            for (label, random), secret in self.secrets.items()
            if random in wanted
        ]
        return "".join(sorted(lines)).encode()

    def secret(self, label: str, client_random: str) -> bytes | None:
        """The secret of this label, like ``CLIENT_RANDOM``; None if the log has none."""
        return self.secrets.get((label, client_random.lower()))
