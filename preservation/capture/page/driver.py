"""Commands to one page and to the frames and workers below it, each within the page's time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from preservation import clock
from preservation.capture.browser.devtools import BrowserGone, DevTools, DevToolsFault
from preservation.capture.page.script import ABSENT, Script, call_of, first_call_of

COMMAND_S = 10.0
_WORLD = "preservation"
_PATIENCE_S = 4.0
"""A page that leaves a short command waiting for longer has its scripts ended, once."""
_LEAST_WAIT_S = 0.1


class PageSilent(DevToolsFault):
    """A command got no answer in its time: the page is busy with itself."""


class Refused(DevToolsFault):
    """The browser refused a command."""


class WorldGone(DevToolsFault):
    """What ran in a frame went with its document."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One document of the page, and the session that it is reached through."""

    session: str
    frame_id: str
    url: str


@dataclass(slots=True)
class Budget:
    """The seconds that a page's visit may take in all, from its beginning."""

    began_at_s: float
    total_s: float

    def left(self, share: float) -> float:
        """Seconds left of that *share* of the whole."""
        return self.began_at_s + share * self.total_s - clock.monotonic_s()


class Driver:
    """Speaks to one page; *share* is the part of *budget* after which no command waits any more."""

    def __init__(self, devtools: DevTools, budget: Budget, *, share: float) -> None:
        self.devtools = devtools
        self.budget = budget
        self.session: str | None = None
        """The page's own session."""
        self.crash: str | None = None
        self.ended_scripts: list[str] = []
        """Sessions in which scripts were ended because they never came to rest."""
        self._share = share
        self._worlds: dict[tuple[str, str], int] = {}
        """Where scripts run, by session and frame."""

    def call(
        self,
        method: str,
        parameters: dict[str, Any] | None = None,
        *,
        session: str | None = None,
        timeout_s: float = COMMAND_S,
    ) -> dict[str, Any]:
        """The result of a command to *session*, or to the page.

        Scripts that spin are ended meanwhile (Runtime.terminateExecution) and kept from starting
        again; not while a view is made, which takes its time.

        Raises:
            BrowserGone: The browser ended, or the page crashed.
            PageSilent: There was no answer in time.
            DevToolsFault: The browser refused.
        """
        return self._answer(method, parameters, session=session or self.session, timeout_s=timeout_s)

    def call_browser(self, method: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of a command to the browser itself; raises as `call` does."""
        return self._answer(method, parameters, session=None, timeout_s=COMMAND_S)

    def call_all(self, commands: list[tuple[str, dict[str, Any]]]) -> None:
        """Send *commands* to the page in one go and wait until all are answered.

        Raises:
            DevToolsFault: One of them was refused, or not answered.
        """
        answers: list[tuple[str, dict[str, Any]]] = []
        for method, parameters in commands:
            self.devtools.send(
                method,
                parameters,
                session=self.session,
                on_answer=lambda answer, method=method: answers.append((method, answer)),  # type: ignore[misc]
            )
        if not self.pump_until(lambda: len(answers) == len(commands), timeout_s=COMMAND_S):
            raise PageSilent(f"{commands[len(answers)][0]}: no answer")
        for method, answer in answers:
            _result_of(method, answer)

    def post(
        self, method: str, parameters: dict[str, Any] | None = None, *, session: str | None = None
    ) -> None:
        """Send a command whose answer doesn't matter."""
        self.devtools.send(method, parameters, session=session or self.session)

    def run(
        self,
        script: Script,
        function: str,
        argument: int | None = None,
        *,
        frame: Frame,
        timeout_s: float = COMMAND_S,
    ) -> Any:
        """What *function* of *script* gives, or promises, in a world of its own of *frame*, where the
        frame's scripts can't meddle.

        Raises:
            PageSilent: There was no answer in time.
            DevToolsFault: The frame is gone, or the function threw.
        """
        place = (frame.session, frame.frame_id)
        if place in self._worlds:
            try:
                found = self._evaluate(call_of(script, function, argument), place, timeout_s)
            except WorldGone:
                found = ABSENT
            if found != ABSENT:
                return found
        # The number of a world that is gone may be another's by now: nothing is sent to a known one.
        world = {"frameId": frame.frame_id, "worldName": _WORLD}
        answer = self.call("Page.createIsolatedWorld", world, session=frame.session)
        self._worlds[place] = answer["executionContextId"]
        return self._evaluate(first_call_of(script, function, argument), place, timeout_s)

    def end_scripts(self, session: str | None = None) -> None:
        """End the scripts that run in *session*, and let no other begin."""
        session = session or self.session or ""
        if session in self.ended_scripts:
            return
        self.ended_scripts.append(session)
        for method, parameters in (
            ("Runtime.terminateExecution", {}),
            ("Emulation.setScriptExecutionDisabled", {"value": True}),
            ("Runtime.terminateExecution", {}),
        ):
            self.post(method, parameters, session=session)

    def pump_until(self, is_done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Hand out events until *is_done*; False if that took longer than *timeout_s*.

        Raises:
            BrowserGone: The browser ended, or the page crashed.
        """
        done = self.devtools.pump(
            lambda: is_done() or self.crash is not None, timeout_s=max(timeout_s, 0)
        )
        self._check()
        return done

    def rest(self, seconds: float) -> None:
        """Only hand out events, for so long."""
        self.pump_until(lambda: False, timeout_s=seconds)

    def _evaluate(self, expression: str, place: tuple[str, str], timeout_s: float) -> Any:
        asked = {
            "expression": expression,
            "contextId": self._worlds[place],
            "returnByValue": True,
            "awaitPromise": True,
            "silent": True,
        }
        try:
            result = self.call("Runtime.evaluate", asked, session=place[0], timeout_s=timeout_s)
        except Refused as refusal:
            raise WorldGone(str(refusal)) from refusal
        if "exceptionDetails" in result:
            raise DevToolsFault(_thrown(result["exceptionDetails"]))
        return result["result"].get("value")

    def _answer(
        self,
        method: str,
        parameters: dict[str, Any] | None,
        *,
        session: str | None,
        timeout_s: float,
    ) -> dict[str, Any]:
        self._check()
        answers: list[dict[str, Any]] = []
        self.devtools.send(method, parameters, session=session, on_answer=answers.append)
        left = max(min(timeout_s, self.budget.left(self._share)), _LEAST_WAIT_S)
        is_short = session is not None and timeout_s <= COMMAND_S
        waits = [_PATIENCE_S, left - _PATIENCE_S] if is_short and left > _PATIENCE_S else [left]
        for number, wait_s in enumerate(waits, start=1):
            if self.pump_until(lambda: bool(answers), timeout_s=wait_s):
                return _result_of(method, answers[0])
            if number < len(waits):
                self.end_scripts(session)
        raise PageSilent(f"{method}: no answer in {left:.1f} s")

    def _check(self) -> None:
        if self.crash is not None:
            raise BrowserGone(self.crash)


def _result_of(method: str, answer: dict[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        raise Refused(f"{method}: {answer['error'].get('message')}")
    return dict(answer["result"])


def _thrown(details: dict[str, Any]) -> str:
    exception = details.get("exception", {})
    return str(exception.get("description") or details.get("text") or "the script failed")[:500]
