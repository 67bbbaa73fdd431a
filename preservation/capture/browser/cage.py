"""What a browser is kept in: starting one caged as tightly as this machine allows.

What a machine refuses is found out by trying, once a process: namespaces may be off, and inside
many containers Chromium's own sandbox can't be set up. What holds is part of each capture's record.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preservation.capture.browser.profile import Profile

_LAUNCHER = Path(__file__).with_name("launcher.py")
_REPORT_S = 20
_END_S = 10
ACCOUNT = 65131
"""The account that root's browsers run under: Debian policy 9.2.2 reserves 65000 to 65533, so it
owns nothing. Files of a browser belong to it, and no password file need name it."""


@dataclass(frozen=True, slots=True)
class Cage:
    """How a browser is to be started."""

    namespace: bool = True
    sandbox: bool = True


LADDER = (Cage(), Cage(sandbox=False), Cage(namespace=False), Cage(namespace=False, sandbox=False))
"""From tight to loose; the first that this machine doesn't refuse is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What holds for one running browser."""

    network: str
    """``namespace``: the kernel lets it reach nothing but the listeners that it was given.
    ``proxy-only``: its own configuration sends everything to them."""
    sandbox: str
    """``chromium``: its renderers are in Chromium's sandbox. ``off``: they aren't."""
    user: str
    """The account that it runs under: its number, with ``root`` or ``ours`` where that is so."""
    refusals: tuple[str, ...] = ()
    """What the kernel refused, step by step."""

    def __str__(self) -> str:
        refused = f"; refused: {', '.join(self.refusals)}" if self.refusals else ""
        return f"network {self.network}, sandbox {self.sandbox}, user {self.user}{refused}"


@dataclass(slots=True, kw_only=True)
class Caged:
    """A program that has been started, our ends of its pipe, and its sockets."""

    launcher: subprocess.Popen[bytes]
    """Ends when the program and all that it started have ended."""
    pid: int
    """Process and process group of the program itself."""
    commands: int
    answers: int
    isolation: Isolation
    sockets: list[socket.socket] = field(default_factory=list)

    def end(self) -> None:
        """Kill the program with all that it started, and wait until that is gone."""
        self.launcher.terminate()
        try:
            self.launcher.wait(_END_S)
        except subprocess.TimeoutExpired:
            # The kernel kills the program with it.
            self.launcher.kill()
            self.launcher.wait()

    def close_descriptors(self) -> None:
        """Close our ends of the pipe and the sockets that nobody took."""
        for descriptor in (self.commands, self.answers):
            os.close(descriptor)
        for one in self.sockets:
            one.close()


class NotCaged(Exception):
    """The launcher ended before it started the program: the namespace couldn't be furnished."""


class LauncherSilent(Exception):
    """The launcher neither started the program nor ended."""

    def __init__(self) -> None:
        super().__init__(f"the browser's launcher was silent for {_REPORT_S} s")


def start(
    cage: Cage,
    program: Sequence[str],
    *,
    profile: Profile,
    sockets: int,
    environment: Mapping[str, str],
) -> Caged:
    """Start *program* in *cage*; the calling thread must outlive it (PR_SET_PDEATHSIG).

    Raises:
        NotCaged: The launcher failed; its words are in the error file.
        LauncherSilent: It hangs; this machine is too busy.
    """
    commands_out, commands = os.pipe()
    answers, answers_in = os.pipe()
    ours, theirs = socket.socketpair()
    orders = {
        "parent": os.getpid(),
        "commands": commands_out,
        "answers": answers_in,
        "reports": theirs.fileno(),
        "profile": str(profile.folder),
        "account": ACCOUNT,
        "sockets": sockets if cage.namespace else 0,
        "program": [*program],
    }
    with profile.errors.open("ab") as errors, ours:
        try:
            launcher = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_LAUNCHER), json.dumps(orders)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(commands_out, answers_in, theirs.fileno()),
                start_new_session=True,
                env=dict(environment),
            )
        except OSError:
            os.close(commands)
            os.close(answers)
            raise
        finally:
            for descriptor in (commands_out, answers_in):
                os.close(descriptor)
            theirs.close()
        handed, report = _received(ours)
    caged = Caged(
        launcher=launcher,
        pid=report.get("browser", 0),
        commands=commands,
        answers=answers,
        isolation=_isolation(cage, report),
        sockets=handed,
    )
    if not report:
        is_silent = launcher.poll() is None
        caged.end()
        caged.close_descriptors()
        raise LauncherSilent if is_silent else NotCaged
    return caged


def _received(channel: socket.socket) -> tuple[list[socket.socket], dict[str, Any]]:
    """The sockets and the report that the launcher sends; an empty report if it failed."""
    channel.settimeout(_REPORT_S)
    sockets: list[socket.socket] = []
    text = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        while True:
            piece, descriptors, _, _ = socket.recv_fds(channel, 1 << 16, 256)
            sockets.extend(socket.socket(fileno=number) for number in descriptors)
            if not piece:
                break
            text += piece
    return sockets, json.loads(text) if text.strip() else {}


def _isolation(cage: Cage, report: Mapping[str, Any]) -> Isolation:
    number = report.get("user", os.geteuid())
    kind = " (root)" if number == 0 else " (ours)" if number == os.geteuid() else ""
    return Isolation(
        network=report.get("network", "proxy-only"),
        sandbox="chromium" if cage.sandbox else "off",
        user=f"{number}{kind}",
        refusals=tuple(report.get("refusals", ())),
    )
