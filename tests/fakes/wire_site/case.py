"""What a case is: things at addresses, and what a capture of the first address must come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from preservation.model.vocabulary import Engine, Outcome, Reason
from tests.fakes.wire_site import answers
from tests.fakes.wire_site.answers import Answer, Route
from tests.fakes.wire_site.site import Origin


@dataclass(frozen=True, slots=True)
class Expected:
    """Something that must be held: its record has these bytes, and the account says so."""

    url: str
    answer: Answer
    in_account: bool = True
    """False for hops and the like, which are on record but aren't things that a page consists of."""
    has_head: bool = True
    """False: any head will do, for the client may ask for it in ways that are answered otherwise."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that must be listed as missing, for this reason; what came of it is held as a part."""

    url: str
    reason: Reason
    partial: Answer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One capture, and all that it must come to."""

    name: str
    engine: Engine
    url: str
    routes: Mapping[str, Route]
    expected: tuple[Expected, ...]
    missing: tuple[Missing, ...]
    outcomes: frozenset[Outcome]
    reason: Reason | None
    error_class: str | None
    final_url: str | None
    limits: Mapping[str, int]
    dom_holds: tuple[str, ...]
    """Words that must stand in the rendered DOM."""
    may_be_doubted: bool
    """Whether the browser may give up what the recording holds whole."""
    is_broken_off: bool
    """Whether the end of the visit finds answers under way."""
    notes: str


@dataclass(slots=True)
class Stage:
    """Where a case is set up; *at* gives the addresses of the origins."""

    name: str
    at: Mapping[str, str]
    engine: Engine = Engine.PAGE
    start: str | None = None
    outcomes: tuple[Outcome, ...] = (Outcome.CAPTURED,)
    reason: Reason | None = None
    error_class: str | None = None
    final_url: str | None = None
    limits: dict[str, int] = field(default_factory=dict)
    dom_holds: tuple[str, ...] = ()
    may_be_doubted: bool = False
    is_broken_off: bool = False
    routes: dict[str, Route] = field(default_factory=dict)
    expected: list[Expected] = field(default_factory=list)
    absent: list[Missing] = field(default_factory=list)

    def url(self, path: str = "", origin: str = Origin.HTTP) -> str:
        return f"{self.at[origin]}/{self.name}/{path}"

    def serve(self, path: str, route: Route, origin: str = Origin.HTTP) -> str:
        """Put *route* at *path* without expecting anything."""
        self.routes[f"/{self.name}/{path.partition('?')[0]}"] = route
        return self.url(path, origin)

    def put(
        self,
        path: str,
        answer: Answer,
        origin: str = Origin.HTTP,
        *,
        route: Route | None = None,
        in_account: bool = True,
    ) -> str:
        """Put *answer* at *path*, and expect it to be held; *route* decides when it is given, if set."""
        url = self.serve(path, route or answer, origin)
        self.expected.append(Expected(url, answer, in_account))
        return url

    def page(self, body: str, origin: str = Origin.HTTP, head: str = "") -> str:
        """The page itself, at the case's own address."""
        self.start = self.put(
            "", answers.plain("text/html; charset=utf-8", answers.document(body, head)), origin
        )
        return self.start

    def picture(self, path: str, origin: str = Origin.HTTP) -> str:
        return self.put(path, answers.picture(path), origin)

    def missing(
        self,
        path: str,
        answer: Route,
        reason: Reason,
        origin: str = Origin.HTTP,
        *,
        is_partial: bool = False,
    ) -> str:
        """Put *answer* at *path*; it must be listed as missing for *reason*."""
        url = self.serve(path, answer, origin)
        kept = answer if is_partial and isinstance(answer, Answer) else None
        self.absent.append(Missing(url, reason, kept))
        return url

    def file(self, answer: Answer, *, path: str = "file.bin", origin: str = Origin.HTTP) -> None:
        """The case is one file, which must be held."""
        self.engine, self.start = Engine.FILE, self.put(path, answer, origin)

    def failing_file(
        self, answer: Route, reason: Reason, *, origin: str = Origin.HTTP, is_partial: bool = False
    ) -> None:
        """The case is one file, which can't be had whole."""
        self.engine = Engine.FILE
        self.start = self.missing("file.bin", answer, reason, origin, is_partial=is_partial)
        self.fails(reason)

    def fails(self, reason: Reason) -> None:
        self.outcomes, self.reason = (Outcome.NOT_CAPTURED,), reason

    def is_partly_held(self) -> None:
        self.outcomes, self.reason = (Outcome.PARTLY_CAPTURED,), Reason.RESOURCES_MISSING


Setting = Callable[[Stage], None]

SETTINGS: dict[str, Setting] = {}
"""Every case by its name."""


def case(name: str) -> Callable[[Setting], Setting]:
    """Register how a case is set up; its docstring says what it is about."""

    def register(setting: Setting) -> Setting:
        SETTINGS[name] = setting
        return setting

    return register


def family(name: str, *members: object) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register one case for each of *members*, which is the second argument of its setting."""

    def register(setting: Callable[..., None]) -> Callable[..., None]:
        for member in members:
            SETTINGS[f"{name}-{member}"] = partial(setting, member=member)
        return setting

    return register


def build(name: str, at: Mapping[str, str]) -> Case:
    """The case *name*, with origins at the addresses in *at*."""
    setting, stage = SETTINGS[name], Stage(name, at)
    setting(stage)
    described = setting.func if isinstance(setting, partial) else setting
    return Case(
        name=name,
        engine=stage.engine,
        url=stage.start or stage.url(),
        routes=stage.routes,
        expected=tuple(stage.expected),
        missing=tuple(stage.absent),
        outcomes=frozenset(stage.outcomes),
        reason=stage.reason,
        error_class=stage.error_class,
        final_url=stage.final_url,
        limits=stage.limits,
        dom_holds=stage.dom_holds,
        may_be_doubted=stage.may_be_doubted,
        is_broken_off=stage.is_broken_off,
        notes=(described.__doc__ or "").strip(),
    )
