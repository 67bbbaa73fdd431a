"""Flags of whole captures: a soft 404 and a request for a password, in Chromium."""

from __future__ import annotations

import pytest

from preservation.capture import recorder_for
from preservation.model.captures import CaptureRequest
from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.tls_authority import TestAuthority
from tests.fakes.wire_site import WireSite, build, capture_cases, matrix_settings
from tests.fakes.wire_site.answers import html

CASES = ("soft-404", "asks-for-a-password")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("flags")
    authority = TestAuthority(home / "authority")
    with WireSite(authority) as site:
        cases = [build(name, site.at) for name in CASES]
        for case in cases:
            site.add(case.routes)
        settings = matrix_settings(home, authority.root_pem)
        yield capture_cases(cases, home / "spools", settings)


def flags(kept) -> dict[str, str]:
    return {one.flag: one.evidence for one in kept.result.content_flags}


def test_a_page_that_says_that_it_is_not_there_is_captured_in_full_and_flagged(made):
    kept = made["soft-404"]

    assert (kept.result.outcome, kept.result.content_verdict) == (Outcome.CAPTURED, "content")
    assert flags(kept) == {"soft-404": "title: Page not found"}


def test_a_page_that_asks_for_a_password_is_flagged_with_what_it_showed(made):
    kept = made["asks-for-a-password"]

    assert set(flags(kept)) == {"login-wall"}
    assert flags(kept)["login-wall"].startswith("a password field, and ")
    assert {"html-as-served", "screenshot"} <= {one.role for one in kept.result.objects}


def test_whatever_else_falls_short_behind_a_bad_certificate_the_certificate_comes_first(tmp_path):
    authority = TestAuthority(tmp_path / "authority")
    recorder = recorder_for(Engine.PAGE, matrix_settings(tmp_path, authority.root_pem))
    with WireSite(authority) as site:
        origin = site.at["expired"]
        site.add({"/behind": html("<p>Words.<img src=/none.png>")})
        made = [
            recorder.capture(request(tmp_path / name, f"{origin}/{name}"))
            for name in ("behind", "none")
        ]
    recorder.close()

    page, nothing = made
    told = [(one.outcome, one.reason, one.error_class) for one in made]
    fault = (Reason.CERTIFICATE_FAULT, "net::ERR_CERT_DATE_INVALID")
    assert told == [(Outcome.PARTLY_CAPTURED, *fault), (Outcome.NOT_CAPTURED, *fault)]
    assert "resources-missing" in page.error_detail
    assert "not-found" in nothing.error_detail
    assert Role.HTML_AS_SERVED in {kept.role for kept in page.objects}


def request(spool, url):
    spool.mkdir()
    return CaptureRequest(
        item_id="item", capture_id="capture", attempt_number=1, engine=Engine.PAGE, spool=spool, url=url
    )
