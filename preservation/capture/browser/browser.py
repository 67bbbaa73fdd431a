"""One Chromium: a fresh profile, one way out, and nothing left behind.

It is driven over a pipe (``--remote-debugging-pipe``), not a port, so that no other program can
reach it and that it ends when our process does, even by ``kill -9``; on Linux the kernel is asked
to kill it as well. `browser.cage` says what it is kept in, `browser.pool` when it is replaced.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Self

from preservation.capture.browser import cage as cages
from preservation.capture.browser import flags
from preservation.capture.browser.cage import LADDER, Cage, Caged, Isolation, LauncherSilent, NotCaged
from preservation.capture.browser.devtools import BrowserGone, DevTools, EventSink, ignored
from preservation.capture.browser.profile import Profile
from preservation.capture.browser.trust import install_roots
from preservation.capture.browser.watch import Keeper, prefer_when_memory_runs_out
from preservation.errors import ProgramMissing
from preservation.settings import Settings

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_FIRST_ANSWER_S = 30
_SPARE_SOCKETS = 8
_NOT_FURNISHED = "The network namespace can't be used:"
_WAITING_CONNECTIONS = 256


@cache
def browser_program() -> str:
    """The path of the browser on this machine.

    Raises:
        ProgramMissing: None is installed.
    """
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        msg = f"None of {', '.join(PROGRAMS)} is installed; pages can't be captured without one."
        raise ProgramMissing(msg, remedy="Install it: apt-get install --yes chromium")
    return found


class Browser:
    """A running Chromium; a context manager at whose end no process and no profile is left.

    It is kept in the first cage of *ladder* that this machine doesn't refuse.

    Raises:
        ProgramMissing: It can't start on this machine: no site is to blame.
        BrowserGone: It was ended before it said a word, by memory or by hand.
        DevToolsFault: It was silent.
    """

    def __init__(self, settings: Settings, *, ladder: Sequence[Cage] = LADDER) -> None:
        self._settings = settings
        self._ladder = ladder
        self._is_closed = False
        self._profile = Profile()
        try:
            if settings.capture_roots is not None:
                install_roots(settings.capture_roots, self._profile.folder)
            version = self._started()
        except BaseException:
            self._profile.remove()
            raise
        self.product = str(version["product"])
        self.user_agent = str(version["userAgent"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process identifier and process group of the browser."""
        return self._caged.pid

    @property
    def isolation(self) -> Isolation:
        """What keeps it apart from this machine."""
        caged = self._caged.isolation
        return replace(caged, refusals=(*caged.refusals, *_REFUSED.reasons.values()))

    @property
    def profile_folder(self) -> Path:
        """The one folder that it may write to."""
        return self._profile.folder

    @property
    def key_log(self) -> Path:
        """Where it writes the secrets of its TLS connections (SSLKEYLOGFILE format)."""
        return self._profile.key_log

    def key_log_text(self) -> bytes:
        """The whole lines that were written to the key log since `begin`, at any time."""
        return self._profile.keys_since_mark()

    @property
    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""
        return self._profile.last_words

    @property
    def has_ended(self) -> bool:
        """Whether its main process is gone."""
        return self._keeper.has_ended

    @property
    def sockets_left(self) -> int | None:
        """How often `listener` can still be called; None: without end."""
        return len(self._caged.sockets) if self._is_in_namespace else None

    def begin(self, event_sink: EventSink) -> None:
        """Begin a lease: its keys and its events are those from now on."""
        self._profile.mark_keys()
        self.listen(event_sink)

    def listen(self, event_sink: EventSink) -> None:
        """Hand events to *event_sink* from now on; answers that are still due are forgotten."""
        self.devtools.listen(event_sink)

    def listener(self) -> socket.socket:
        """A listening TCP socket on 127.0.0.1 that this browser can reach, and others may not.

        Raises:
            BrowserGone: All that belong to its namespace have been given out.
        """
        if not self._is_in_namespace:
            return socket.create_server(("127.0.0.1", 0), backlog=_WAITING_CONNECTIONS)
        if not self._caged.sockets:
            raise BrowserGone("the browser has no listener left")
        listener = self._caged.sockets.pop()
        listener.bind(("127.0.0.1", 0))
        listener.listen(_WAITING_CONNECTIONS)
        return listener

    def close(self) -> None:
        """Kill the browser and all its children, and remove its profile; once is enough."""
        if not self._is_closed:
            self._is_closed = True
            self._stop()
            self._profile.remove()

    @property
    def _is_in_namespace(self) -> bool:
        return self.isolation.network == "namespace"

    def _started(self) -> dict[str, Any]:
        """Its answer to the first question, in the tightest cage that this machine allows."""
        words = ""
        for cage in self._ladder:
            if _REFUSED.forbids(cage):
                continue
            try:
                return self._start(cage)
            except _CannotStart as fault:
                words = fault.words
                if not _REFUSED.learn(words):
                    break
        raise ProgramMissing(
            f"{browser_program()} can't start: {words}.",
            remedy="Where its sandbox is missing: apt-get install --yes chromium-sandbox",
        )

    def _start(self, cage: Cage) -> dict[str, Any]:
        self._keeper = Keeper(
            lambda: self._launched(cage), memory_mb=self._settings.limits.browser_memory_mb
        )
        try:
            self._caged = self._keeper.caged()
        except LauncherSilent as fault:
            self._keeper.end()
            raise BrowserGone(str(fault)) from fault
        except NotCaged:
            self._keeper.end()
            raise _CannotStart(f"{_NOT_FURNISHED} {self._profile.last_words}") from None
        self.devtools = DevTools(
            self._caged.answers,
            self._caged.commands,
            ignored,
            verdict=lambda: self._keeper.verdict,
        )
        try:
            version = self.devtools.call("Browser.getVersion", timeout_s=_FIRST_ANSWER_S)
        except BrowserGone:
            self._stop()
            if self._keeper.verdict:
                raise
            raise _CannotStart(self._profile.last_words) from None
        except BaseException:
            self._stop()
            raise
        prefer_when_memory_runs_out(self.pid)
        return version

    def _launched(self, cage: Cage) -> Caged:
        profile = self._profile
        return cages.start(
            cage,
            flags.command_line(
                browser_program(),
                profile=profile.folder,
                key_log=profile.key_log,
                sandbox=cage.sandbox,
            ),
            profile=profile,
            sockets=self._settings.limits.browser_pages + _SPARE_SOCKETS,
            environment=flags.environment(profile.folder),
        )

    def _stop(self) -> None:
        self._keeper.end()
        self.devtools.close()
        self._caged.close_descriptors()


class _CannotStart(Exception):
    """It ended before its first answer, with these words."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class _Refused:
    """What this machine has been found to refuse; it isn't tried again in this process."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        """By what was refused, in the words of who refused it."""

    def forbids(self, cage: Cage) -> bool:
        return (cage.namespace and "namespace" in self.reasons) or (
            cage.sandbox and "sandbox" in self.reasons
        )

    def learn(self, words: str) -> bool:
        """Note what *words* blame; False if that is nothing which a looser cage would mend."""
        # Chromium begins a line with "[time and place] ".
        last = words.rpartition("\n")[2].rpartition("] ")[2]
        if words.startswith(_NOT_FURNISHED):
            refused, reason = "namespace", f"network namespace: {last}"
        elif "sandbox" in words.casefold() or "namespace" in words.casefold():
            refused, reason = "sandbox", f"sandbox: {last}"
        else:
            return False
        is_new = refused not in self.reasons
        self.reasons.setdefault(refused, reason)
        return is_new


_REFUSED = _Refused()
