"""Collection plans: versions, the way out that they prescribe, and that nothing takes another."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from preservation.capture.gateway.gateway import Gateway, GatewayRules
from preservation.capture.gateway.politeness import Politeness
from preservation.errors import BadInput
from preservation.pipeline.planning import held_back, waiting_count
from preservation.settings import EgressSettings
from preservation.state import schema
from preservation.submission import PlanDraft, add_plan, plans_of, status_of
from tests.fakes.own_home import WHO, OwnHome
from tests.fakes.page_visits import LIMITS, LOOPBACK, Site


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        running.put("/a.txt", b"words", "text/plain")
        running.put("/b.txt", b"more words", "text/plain")
        running.put("/slow.txt", b"", "text/plain", status=429, headers={"Retry-After": "3600"})
        yield running


@pytest.fixture
def relay():
    """A way out: a gateway is a SOCKS proxy, too."""
    with Gateway(GatewayRules.of(LIMITS, LOOPBACK, deadline_s=120)) as running:
        yield running


def socks(relay: Gateway) -> str:
    return f"socks5://127.0.0.1:{relay.port}"


def home_with(tmp_path, **egresses: str) -> OwnHome:
    ways = tuple(EgressSettings(name=name, url=url) for name, url in egresses.items())
    return OwnHome(tmp_path / "home", egresses=ways)


def test_a_plan_has_versions_and_the_same_words_change_nothing(tmp_path):
    home = home_with(tmp_path)
    words = PlanDraft(name="floods", domains=("example.org",), cadence="daily")

    versions = [
        add_plan(home.database, home.settings, words),
        add_plan(home.database, home.settings, words),
        add_plan(home.database, home.settings, PlanDraft(name="floods", notes="weekly now")),
    ]

    assert versions == [1, 1, 2]
    newest, first = plans_of(home.database, "floods")
    assert (newest["notes"], first["domains"], first["egress"]) == (
        "weekly now",
        ["example.org"],
        "direct",
    )


def test_a_plan_names_a_way_out_that_there_is(tmp_path):
    home = home_with(tmp_path, institute="socks5://127.0.0.1:9")

    with pytest.raises(BadInput, match="There is no way out 'institut'"):
        add_plan(home.database, home.settings, PlanDraft(name="floods", egress="institut"))


def test_what_is_under_a_plan_leaves_by_its_way_out_and_all_else_does_not(tmp_path, site, relay):
    home = home_with(tmp_path, institute=socks(relay))
    add_plan(home.database, home.settings, PlanDraft(name="floods", egress="institute"))
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"url,Collection plan\n{site.url('/a.txt')},floods\n{site.url('/b.txt')},\n")
    home.submit(str(sheet))

    rows = home.run()

    ways = {row["requested_url"]: row["egress"] for row in rows["captures"]}
    assert ways == {site.url("/a.txt"): "institute", site.url("/b.txt"): "direct"}
    plans = {row["submitted_url"]: row["collection_plan"] for row in rows["items"]}
    assert plans == {site.url("/a.txt"): "floods@1", site.url("/b.txt"): None}
    assert len(relay.connections) == 1
    (assigned,) = [row for row in rows["events"] if row["event_type"] == "policy assignment"]
    assert '"floods@1"' in assigned["detail_json"]


def test_an_item_whose_way_out_is_gone_waits_and_goes_no_other_way(tmp_path, site, relay):
    before = home_with(tmp_path, institute=socks(relay))
    add_plan(before.database, before.settings, PlanDraft(name="floods", egress="institute"))
    before.submit(site.url("/a.txt"), plan="floods")
    asked = len(site.asked)
    without = home_with(tmp_path)

    assert without.capture() == []

    assert (len(site.asked), relay.connections) == (asked, [])
    assert held_back(without.database) == {"institute": 1}
    assert waiting_count(without.database) == (0, None)
    ((item,),) = [one["items"] for one in status_of(without.database, organisation_id=WHO)]
    assert "Its plan's way out 'institute' isn't set up here" in item["sentence"]
    again = home_with(tmp_path, institute=socks(relay))
    assert [row["egress"] for row in again.run()["captures"]] == ["institute"]


def test_a_row_that_names_an_unknown_plan_is_refused_and_so_is_an_unknown_default(tmp_path, site):
    home = home_with(tmp_path)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"url,collection plan\n{site.url('/a.txt')},flods\n")

    answer = home.submit(str(sheet))

    assert [refusal.column for row in answer.rows for refusal in row.refusals] == ["collection_plan"]
    with pytest.raises(BadInput, match="no collection plan 'flods'"):
        home.submit(site.url("/b.txt"), plan="flods")


def test_what_one_item_was_told_all_items_of_the_host_obey(tmp_path, site):
    home = OwnHome(tmp_path / "home")
    home.submit(site.url("/slow.txt"))
    home.capture()
    home.submit(site.url("/a.txt"))
    asked = len(site.asked)

    home.capture()

    assert len(site.asked) == asked
    politeness = Politeness(home.settings.work / "politeness", interval_ms=1)
    assert politeness.pause_left_s("127.0.0.1") > 3000
    with home.database.connect() as connection:
        items = connection.execute(select(schema.item).order_by(schema.item.c.submitted_at)).all()
    assert [(item.attempt_count, item.waiting_for) for item in items] == [(1, None), (0, "host-pause")]
    assert (items[1].next_attempt_at - items[1].updated_at).total_seconds() > 3000
