"""Every case of the wire site, captured once: nothing that was sent is lost, all else is accounted for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import (
    NAMES,
    Case,
    Judged,
    Kept,
    WireSite,
    build,
    capture_cases,
    judge,
    matrix_settings,
)


@dataclass(frozen=True)
class Matrix:
    """The site, and what was captured of each case."""

    site: WireSite
    cases: dict[str, Case]
    made: dict[str, Kept]


@pytest.fixture(scope="module")
def captured(tmp_path_factory):
    home = tmp_path_factory.mktemp("matrix")
    authority = TestAuthority(home / "authority")
    with WireSite(authority) as site:
        cases = {name: build(name, site.at) for name in NAMES}
        for case in cases.values():
            site.add(case.routes)
        settings = matrix_settings(home, authority.root_pem)
        yield Matrix(site, cases, capture_cases(cases.values(), home / "spools", settings))


@pytest.fixture(scope="module")
def matrix(captured) -> dict[str, Judged]:
    """Each case's capture, judged."""
    return {
        name: judge(case, captured.made[name], captured.site) for name, case in captured.cases.items()
    }


def faults(judged: Judged, *kinds: str) -> list[str]:
    """The faults of *kinds*, in words."""
    found = [fault for kind in kinds for fault in judged.of_kind(kind)]
    return [f"{fault.kind}: {fault.subject}: {fault.seen}" for fault in found[:10]]


@pytest.mark.parametrize("name", NAMES)
def test_every_expected_thing_is_held_with_its_very_head_and_bytes(name, matrix):
    judged = matrix[name]

    assert faults(judged, "head", "record", "object", "account", "content") == []
    assert (judged.held, judged.heads_exact) == (judged.expected, judged.heads)


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_the_site_sent_whole_is_on_record(name, matrix):
    judged = matrix[name]

    assert faults(judged, "sent", "interim", "trailers", "messages") == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_missing_is_listed_with_its_reason_and_its_part_is_kept(name, matrix):
    judged = matrix[name]

    assert faults(judged, "missing", "part") == []
    assert judged.missing_right == judged.missing


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_says_what_came_of_it(name, matrix):
    assert faults(matrix[name], "outcome", "dom") == []


@pytest.mark.parametrize("name", NAMES)
def test_warcio_and_fastwarc_accept_the_warc_and_read_the_same(name, matrix):
    assert faults(matrix[name], "warc") == []


@pytest.mark.parametrize("name", NAMES)
def test_browser_and_recording_agree_wherever_all_is_held(name, matrix):
    # Chromium asks for a page's icon late, and doesn't report it once the page has led on.
    late = "/favicon.ico: not-reported-by-browser" if name.startswith("leads-on") else "none"
    found = faults(matrix[name], "doubt")

    assert [fault for fault in found if not fault.endswith(late)] == []


@pytest.mark.parametrize("part", ["head", "payload"])
def test_one_byte_that_differs_is_noticed(part, captured):
    case = captured.cases["file-head-twins"]
    (one,) = case.expected
    sent = one.answer.but(
        head=one.answer.head.replace(b"p=1", b"p=2") if part == "head" else one.answer.head,
        sent=one.answer.sent[:-1] + b"?" if part == "payload" else one.answer.sent,
        payload=one.answer.payload[:-1] + b"?" if part == "payload" else one.answer.payload,
    )

    other = replace(case, expected=(replace(one, answer=sent),))
    judged = judge(other, captured.made[case.name], captured.site)

    assert judged.held == 0
    assert {fault.kind for fault in judged.faults} >= {"head" if part == "head" else "object", "record"}
