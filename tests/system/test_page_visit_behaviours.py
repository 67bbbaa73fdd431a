"""Looking around in a page: what a reader would make it load is loaded, within bounds."""

from __future__ import annotations

import pytest

from tests.fakes.fault_site import film, png
from tests.fakes.page_visits import Site, Visitor

FEED = """<!doctype html><title>Feed</title><div id="feed" style="height:900px"></div><script>
let page = 0;
addEventListener("scroll", async () => {
  if (innerHeight + scrollY < document.body.scrollHeight - 50 || page >= %s || window.busy) return;
  window.busy = true;
  await fetch("/feed/" + ++page);
  const more = document.createElement("div");
  more.style.height = "%spx";
  more.innerHTML = `<img src="/feed/${page}.png">`;
  feed.after(more);
  window.busy = false;
});
</script><div style="height:300px"></div>"""

SIGHTS = """<!doctype html><title>Sights</title>
<div class="carousel"><img id="slide" src="/slide/0.png" width="50" height="50">
<button aria-label="Next slide" onclick="show(+1)">&gt;</button></div>
<div class="swiper"><img id="other" src="/other/0.png" width="50" height="50"><div role="button" onclick="turn()">التالي</div></div>
<div class="slider"><a href="/left-by-link" id="link">Next</a></div>
<form action="/sent" class="carousel"><button>Next</button></form>
<div class="carousel"><button onclick="location = '/left-by-script'">Suivant</button></div>
<div id="more"></div><button id="m" onclick="grow()">Load more</button>
<details><summary>Folded</summary><img loading="lazy" src="/folded.png" width="9" height="9"></details>
<div style="overflow:auto;height:200px;width:300px" id="box"><div style="height:3000px"></div><img loading="lazy" src="/box.png" width="9" height="9"></div>
<video src="/film.mp4" preload="none"></video>
<div id="CybotCookiebotDialog" style="position:fixed;bottom:0">We use cookies. <button onclick="fetch('/consented')">Accept all</button></div>
<script>
let at = 0, turned = 0, grown = 0;
const show = by => { at = Math.min(at + by, 4); slide.src = `/slide/${at}.png`; };
const turn = () => { turned = (turned + 1) % 3; other.src = `/other/${turned}.png`; };
const grow = () => { grown++; const i = new Image(); i.src = `/more/${grown}.png`; more.append(i); if (grown == 3) m.remove(); };
</script>"""

MORE = {
    "uk": ("Показати ще", "Завантажити більше", "Читати далі", "Переглянути всі коментарі"),
    "ru": ("Показать ещё", "Показать больше", "Читать далее", "Показать полностью"),
    "ar": ("عرض المزيد", "تحميل أكثر", "عرض الكل"),
    "fa": ("نمایش بیشتر", "مشاهده بیشتر", "بارگذاری بیشتر"),
    "fr": ("Voir plus", "Afficher davantage", "Voir tous les commentaires"),
    "es": ("Ver más", "Cargar más", "Mostrar todos"),
    "en": ("Load more", "See all", "View previous comments", "Load older posts"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with Site() as running:
        for number in range(200):
            for name in ("feed", "slide", "other", "more"):
                running.put(f"/{name}/{number}.png", png(number), "image/png")
            running.put(f"/feed/{number}", b"{}", "application/json")
        for path in ("/folded.png", "/box.png", "/far-down.png"):
            running.put(path, png(7), "image/png")
        running.put("/film.mp4", film(tmp_path_factory.mktemp("film")), "video/mp4")
        yield running


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    with Visitor(tmp_path_factory.mktemp("visits")) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def sights(site, visit):
    return visit(site.page("/sights", SIGHTS))


def test_lazy_pictures_far_down_come_and_the_page_is_left_at_its_top(site, visit):
    html = '<title>L</title><div style="height:9000px"></div><img loading="lazy" src="/far-down.png">'

    seen = visit(
        site.page("/lazy", html + "<script>onscroll = () => document.title = scrollY</script>")
    )

    assert "/far-down.png" in site.asked
    assert seen.record["behaviours"]["scrolled_px"] > 8000
    assert seen.snapshot.title == "0"


def test_a_feed_that_ends_is_followed_to_its_end(site, visit):
    seen = visit(site.page("/short-feed", FEED % (5, 1500)))

    assert [path for path in site.asked if path.startswith("/feed/") and path.endswith("5.png")]
    assert "scroll" not in seen.record["behaviours"]["bounds_reached"]


def test_a_feed_without_end_is_cut_and_the_record_says_so(site, visit):
    seen = visit(site.page("/endless-feed", FEED % (100_000, 4000)))

    assert seen.record["behaviours"]["bounds_reached"] == ["scroll"]
    assert seen.record["behaviours"]["scroll_steps"] > 20
    assert {view.name for view in seen.snapshot.views} >= {"rendered-dom", "screenshot", "text"}


def test_carousels_are_paged_through(sights, site):
    asked = set(site.asked)

    assert {f"/slide/{number}.png" for number in range(5)} <= asked
    assert {f"/other/{number}.png" for number in range(3)} <= asked
    assert sights.record["behaviours"]["next_rounds"] >= 4


def test_buttons_that_bring_more_are_pressed(sights, site):
    assert {f"/more/{number}.png" for number in (1, 2, 3)} <= set(site.asked)
    assert sights.record["behaviours"]["more_clicks"] == 3


@pytest.mark.parametrize("language", MORE)
def test_buttons_that_bring_more_are_known_in_each_language(site, visit, language):
    buttons = "".join(
        f"<button onclick='fetch(`more-{number}`); this.remove()'>{label}</button>"
        for number, label in enumerate(MORE[language])
    )

    visit(site.page(f"/{language}/", f"<meta charset=utf-8>{buttons}"))

    wanted = {f"/{language}/more-{number}" for number in range(len(MORE[language]))}
    assert wanted <= set(site.asked)


def test_buttons_in_frames_are_pressed_only_where_the_page_may_read_them(site, visit):
    for name in ("own", "other"):
        press = f"fetch('/pressed-in-{name}'); this.remove()"
        site.page(f"/{name}-frame", f'<button onclick="{press}">Load more</button>')
    other = site.url("/other-frame", host="localhost")

    seen = visit(
        site.page("/frames", f'<iframe src="/own-frame"></iframe><iframe src="{other}"></iframe>')
    )

    assert {"/own-frame", "/other-frame", "/pressed-in-own"} <= set(site.asked)
    assert "/pressed-in-other" not in site.asked
    assert seen.record["behaviours"]["more_clicks"] == 1


def test_no_press_leads_elsewhere_or_sends_anything(sights, site):
    assert not {"/left-by-link", "/sent", "/sent?", "/left-by-script"} & set(site.asked)
    assert sights.record["behaviours"]["navigations_prevented"] > 0
    assert sights.record["navigations"]["count"] == 1


def test_folded_parts_inner_scrollers_and_films_are_opened(sights, site):
    done = sights.record["behaviours"]

    assert {"/folded.png", "/box.png", "/film.mp4"} <= set(site.asked)
    assert (done["details_opened"], done["boxes"], done["media_started"]) == (1, 1, 1)


def test_a_link_to_more_of_the_same_page_is_pressed_and_not_followed(site, visit):
    page = site.page(
        "/list",
        """<a id=more href="?page=2" onclick="event.preventDefault(); fetch('/list-part'); this.remove()">Load more</a>
        <p><a href="?page=3">Show more</a><p><a href="?page=4" ping="/list-ping">View more</a>
        <p><a href="?page=5" target=_blank>See more</a><p><a href="/list-other">Read more</a>""",
    )

    seen = visit(page)

    asked = set(site.asked)
    assert "/list-part" in asked
    assert not {"/list-ping", "/list-other", *(f"/list?page={n}" for n in range(2, 6))} & asked
    assert seen.record["behaviours"]["more_clicks"] == 2
    assert seen.record["behaviours"]["navigations_prevented"] == 1
    assert seen.record["popups"]["count"] == 0


def test_a_consent_banner_is_recorded_and_left_alone(sights, site):
    (banner,) = sights.record["behaviours"]["banners"]

    assert banner["selector"] == "#CybotCookiebotDialog"
    assert banner["text"].startswith("We use cookies.")
    assert "/consented" not in site.asked
    assert "We use cookies" in sights.snapshot.text


def test_a_page_that_goes_elsewhere_by_itself_is_looked_at_where_it_arrives(site, visit):
    site.page("/arrived", "<title>Arrived</title><p>Here.")
    url = site.page(
        "/leaves", "<title>Leaves</title><script>setTimeout(() => location = '/arrived', 100)</script>"
    )

    seen = visit(url)

    assert seen.snapshot.title == "Arrived"
    assert [line["url"] for line in seen.lines("navigations")] == [url, site.url("/arrived")]


def test_an_answer_that_a_page_never_reads_keeps_nobody_waiting(site, visit):
    site.put("/unread", b"{}", "application/json", headers={"Cache-Control": "no-store"})
    url = site.page("/reads-nothing", "<p>Words.<script>fetch('/unread')</script>")

    seen = visit(url)

    assert [load.is_over for load in seen.traffic.loads.values() if load.resource_type == "Fetch"] == [
        False
    ]
    assert seen.record["behaviours"]["bounds_reached"] == []


def test_a_page_that_is_made_of_xml_keeps_nobody_waiting(site, visit):
    sheet = b"""<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template
      match="/"><html><body><p>Made of <xsl:value-of select="a"/></p></body></html></xsl:template></xsl:stylesheet>"""
    site.put("/sheet.xsl", sheet, "text/xsl")
    page = b'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="/sheet.xsl"?><a>words</a>'

    seen = visit(site.put("/of-xml", page, "text/xml"))

    assert seen.snapshot.text == "Made of words"
    assert "browser" not in seen.views["rendered-dom"].read_text("utf-8")
    assert seen.record["behaviours"]["bounds_reached"] == []


def test_a_page_of_thousands_of_parts_that_are_drawn_only_near_the_view_is_looked_at(site, visit):
    style = "<style>section {content-visibility: auto; contain-intrinsic-size: 100px}</style>"
    parts = "".join(f"<section><p>part {number}</p></section>" for number in range(5000))

    seen = visit(site.page("/parts", f"{style}{parts}"))

    done = seen.record["behaviours"]
    assert (done["unskipped"], done["bounds_reached"], done["faults"]) == (5000, ["scroll"], [])
    assert not seen.record["scripts_ended"]
    assert seen.snapshot.text.endswith("part 4999")
