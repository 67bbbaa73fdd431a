"""Print and single file of a page: made from the capture in replay, listed as derivatives, made once."""

from __future__ import annotations

import email
import email.policy

import pytest
from sqlalchemy import update

from preservation.capture.browser.pool import BrowserPool
from preservation.model.vocabulary import Engine, Role
from preservation.pipeline.replaying import replayed
from preservation.pipeline.verifying import verify
from preservation.state import schema
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import png
from tests.fakes.own_home import OwnHome
from tests.fakes.page_visits import Site


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        running.put("/a.png", png(1), "image/png")
        running.page("/page", "<title>Kept</title><h1>Words</h1><img src=/a.png>")
        yield running


def test_a_sealed_page_has_its_prints_once_labelled_as_made_from_its_capture(tmp_path, site):
    home = OwnHome(tmp_path / "home")
    home.submit(site.url("/page"))
    batches = home.capture()
    home.characterise(batches)
    # As if the worker had died between the description and the note of it.
    with home.database.begin() as connection:
        connection.execute(update(schema.item).values(is_characterised=False))
        connection.execute(update(schema.capture_batch).values(state="captured"))
    home.characterise(batches)

    rows = home.seal()

    made = {row["role"]: row for row in rows["objects"] if row["transfer_form"] == "derived"}
    made_from = {row["derived_sha256"]: row for row in rows["derivations"]}
    (page,) = [row for row in rows["objects"] if row["role"] == "html-as-served"]
    (capture,) = rows["captures"]
    assert sum(row["role"] in {"pdf", "single-file"} for row in rows["objects"]) == 2
    assert sorted(made) == ["pdf", "single-file"]
    assert {made_from[row["sha256"]]["source_sha256"] for row in made.values()} == {page["sha256"]}
    printed = made_from[made["pdf"]["sha256"]]
    assert (printed["tool"], "Chrome" in printed["tool_version"]) == ("chromium", True)
    assert printed["arguments"].startswith("Page.printToPDF {")
    assert capture["capture_id"] in printed["arguments"]
    assert (capture["prints_absence"], capture["replay_text"]) == (None, "1.0000")
    rendered = [event for event in rows["events"] if event["event_type"] == "rendering"]
    assert [event["outcome"] for event in rendered] == ["success"]
    assert home.content(made["pdf"]).startswith(b"%PDF-")
    assert _parts(home.content(made["single-file"]))[site.url("/a.png")] == png(1)
    assert verify(home.settings).broken == ()


def test_a_page_that_was_not_captured_has_no_prints_and_says_why(site, tmp_path):
    attempt = Attempts(tmp_path)
    gone = attempt(Engine.PAGE, site.url("/gone"))

    with BrowserPool(attempt.settings) as pool:
        replay = replayed(attempt.settings, pool, gone.spool, gone.result)

    assert (replay.figures, replay.made.objects) == (None, ())
    assert replay.made.absence == "pdf: no-replay, single-file: no-replay"


def test_a_page_whose_replay_fails_has_no_prints_and_leaves_nothing(site, tmp_path):
    attempt = Attempts(tmp_path)
    made = attempt(Engine.PAGE, site.url("/page"))
    files = {entry.role: entry for entry in made.result.objects}
    warc = made.spool / "capture.warc.gz"
    # The view's records stand behind those of the site, which are cut out.
    start = files[Role.PAGE_TEXT].warc_offset
    warc.write_bytes(bytes(start) + warc.read_bytes()[start:])

    with BrowserPool(attempt.settings) as pool:
        replay = replayed(attempt.settings, pool, made.spool, made.result)

    assert replay.figures.fault
    assert replay.made.absence == "pdf: no-replay, single-file: no-replay"
    assert [path.name for path in made.spool.iterdir()] == ["capture.warc.gz"]


def _parts(mhtml: bytes) -> dict[str, bytes]:
    message = email.message_from_bytes(mhtml, policy=email.policy.default)
    return {
        part["Content-Location"]: part.get_content()
        for part in message.walk()
        if not part.is_multipart()
    }
