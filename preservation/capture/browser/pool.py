"""Browsers that are used again: a process each time the same, what a page sees each time new.

A page lives in a browser context of its own (Target.createBrowserContext): cookies, storage,
caches, service workers, connections and TLS sessions belong to the context and go with it. Before
a browser is lent again nothing of the last lease may be left; one that can't show that is replaced.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Self

from preservation import clock
from preservation.capture.browser.browser import Browser
from preservation.capture.browser.devtools import DevToolsFault, EventSink, ignored
from preservation.capture.browser.watch import memory_held_bytes
from preservation.settings import Settings

_CLEANING_S = 10.0
_LOOK_AGAIN_S = 0.02
_IDLE_MEMORY_SHARE = 0.5
"""A browser that holds more than this share of its limit with nothing open is replaced."""
_BROWSER_WIDE = (
    ("Target.setAutoAttach", {"autoAttach": False, "waitForDebuggerOnStart": False, "flatten": True}),
    ("Target.setDiscoverTargets", {"discover": False}),
)
"""What a lease may have switched on for the browser as a whole."""


class BrowserPool:
    """The browsers of one recorder; any thread may lease one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: list[_Lent] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def browser(self, event_sink: EventSink | None = None) -> Iterator[Browser]:
        """A browser for this caller alone, for one page; its events go to *event_sink*.

        Raises:
            ProgramMissing: None can start on this machine.
            BrowserGone: It ended while it started.
        """
        lent = self._taken() or _Lent(self._settings)
        is_fit = False
        try:
            lent.begin(event_sink or ignored)
            yield lent.browser
            is_fit = lent.is_clean()
        finally:
            self._take_back(lent, is_fit=is_fit)

    def close(self) -> None:
        """End the browsers that nobody has; those that are lent end with their lease."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for lent in idle:
            lent.browser.close()

    def _taken(self) -> _Lent | None:
        while True:
            with self._lock:
                lent = self._idle.pop() if self._idle else None
            if lent is None or not lent.browser.has_ended:
                return lent
            lent.browser.close()

    def _take_back(self, lent: _Lent, *, is_fit: bool) -> None:
        with self._lock:
            is_kept = is_fit and not self._is_closed
            if is_kept:
                self._idle.append(lent)
        if not is_kept:
            lent.browser.close()


class _Lent:
    """One browser and how often it has been used."""

    def __init__(self, settings: Settings) -> None:
        self._limits = settings.limits
        self._pages = 0
        self.browser = Browser(settings)

    def begin(self, event_sink: EventSink) -> None:
        self._pages += 1
        self.browser.begin(event_sink)

    def is_clean(self) -> bool:
        """Whether the browser may be lent again: nothing of this lease is left in it."""
        if self._pages >= self._limits.browser_pages or self.browser.has_ended:
            return False
        try:
            return self._is_empty() and self._is_light() and self.browser.sockets_left != 0
        except DevToolsFault:
            return False

    def _is_empty(self) -> bool:
        """Close what is left and wait until it is gone; False if it stays.

        The pipe keeps the order: after an answer that names no target, no event of one can come.
        """
        self.browser.listen(ignored)
        give_up_at = clock.monotonic_s() + _CLEANING_S
        for method, parameters in _BROWSER_WIDE:
            self._call(method, parameters)
        for context in self._call("Target.getBrowserContexts")["browserContextIds"]:
            self._call("Target.disposeBrowserContext", {"browserContextId": context})
        while targets := self._call("Target.getTargets")["targetInfos"]:
            if clock.monotonic_s() > give_up_at:
                return False
            for target in targets:
                with contextlib.suppress(DevToolsFault):
                    self._call("Target.closeTarget", {"targetId": target["targetId"]})
            clock.sleep(_LOOK_AGAIN_S)
        return True

    def _is_light(self) -> bool:
        allowed = int(self._limits.browser_memory_mb * _IDLE_MEMORY_SHARE) << 20
        return memory_held_bytes(self.browser.pid, above=allowed) <= allowed

    def _call(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        return self.browser.devtools.call(method, parameters, timeout_s=_CLEANING_S)
