"""Views of a page: each is a file, each can fail alone, and nothing of a tall page is lost."""

from __future__ import annotations

import io
import itertools
import json
import time

import pytest
from PIL import Image

from tests.fakes.fault_site import ARABIC, png
from tests.fakes.page_visits import Site, Visitor
from tests.fakes.raw_server import RawServer

PLAIN = f"""<!doctype html><html lang="ar" dir="rtl"><head><meta charset="utf-8"><title>{ARABIC}</title></head>
<body><p>{ARABIC}</p><p>שלום \N{WAVING HAND SIGN}</p><img src="/a.png"><p hidden>unseen</p><div id="open"></div><div id="shut"></div>
<script>open_.attachShadow</script></body></html>""".replace("<script>open_.attachShadow</script>", """<script>
document.getElementById("open").attachShadow({mode: "open"}).innerHTML = "<b>in the open</b>";
document.getElementById("shut").attachShadow({mode: "closed"}).innerHTML = "<b>behind a door</b>";
console.warn("careful", {a: 1}, 7);
setTimeout(() => { throw new Error("thrown on purpose") });
</script>""")  # fmt: skip

STRIPES_PX = 1000


@pytest.fixture(scope="module")
def site():
    with Site() as running:
        running.put("/a.png", png(1), "image/png")
        yield running


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    with Visitor(tmp_path_factory.mktemp("visits")) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def plain(site, visit):
    return visit(site.page("/plain", PLAIN))


def test_every_view_is_a_file_of_its_kind(plain):
    beginnings = {name: path.read_bytes()[:5] for name, path in plain.views.items()}

    assert list(plain.views) == ["text", "rendered-dom", "screenshot"]
    assert beginnings["screenshot"][1:4] == b"PNG"
    assert beginnings["rendered-dom"] == b"<!DOC"
    assert plain.snapshot.faults == ()


def test_the_visible_text_is_utf_8_in_reading_order(plain):
    text = plain.views["text"].read_bytes().decode()

    assert text.split("\n\n")[:2] == [ARABIC, "שלום 👋"]
    assert "unseen" not in text
    assert plain.snapshot.text == text
    assert (plain.snapshot.title, plain.snapshot.language, plain.snapshot.direction) == (
        ARABIC,
        "ar",
        "rtl",
    )


def test_the_text_goes_on_in_shadow_trees_slots_and_frames_where_a_reader_reads_it(site, visit):
    site.page("/inner", "<p>in a frame<p style='display:none'>unseen")
    page = """<!doctype html><p>Before</p><my-card><b slot="t">title</b>Words <i>of
      it</i><u slot="none">unslotted</u></my-card> and <my-tag>so</my-tag> on.<div style="display:none"><my-tag>
      hidden</my-tag></div><table><tr><td>a<td><my-tag>b</my-tag><td>c</table><pre>x
  <my-tag>y</my-tag></pre><iframe src="/inner"></iframe><iframe hidden srcdoc="hidden"></iframe><p>After<script>
      const made = (name, html) => customElements.define(name, class extends HTMLElement {
        connectedCallback() { this.attachShadow({mode: 'open'}).innerHTML = html; } });
      made('my-card', '<style>h2 {color: red}</style><h2><slot name=t></slot></h2><div>Lead: <slot></slot></div>');
      made('my-tag', '<a>[<slot></slot>]</a>'); </script>"""

    seen = visit(site.page("/trees", page))

    assert seen.snapshot.text == (
        "Before\n\ntitle\nLead: Words of it\nand [so] on.\na\t[b]\tc\nx\n  [y]\nin a frame\n\nAfter"
    )


def test_the_text_of_a_frameset_is_that_of_its_frames(site, visit):
    site.page("/left", "<p>on the left")
    site.page("/right", "<p>on the right")

    seen = visit(site.page("/set", "<frameset cols='50%,*'><frame src=/left><frame src=/right>"))

    assert seen.snapshot.text == "on the left\non the right"


def test_the_rendered_dom_holds_shadow_trees_open_and_closed(plain):
    dom = plain.views["rendered-dom"].read_text("utf-8")

    assert '<template shadowrootmode="open"><b>in the open</b></template>' in dom
    assert '<template shadowrootmode="closed"><b>behind a door</b></template>' in dom


def test_the_log_has_console_exceptions_timing_and_layout(plain, site):
    record = json.loads(json.dumps(plain.snapshot.record))

    (line,) = [line for line in plain.lines("console") if line["source"] == "console"]
    assert (line["level"], line["url"], line["text"]) == (
        "warning",
        site.url("/plain"),
        "careful Object 7",
    )
    assert "thrown on purpose" in plain.lines("exceptions")[0]["text"]
    assert record["document"]["timing"]["responseStatus"] == 200
    assert record["layout"]["cssContentSize"]["width"] == 1280
    assert record["is_loaded"]


@pytest.fixture(scope="module")
def tall(site, visit):
    colours = (f"rgb({n % 256},{n * 7 % 256},200)" for n in itertools.count())
    stripes = "".join(
        f'<div style="height:{STRIPES_PX}px;background:{colour}"></div>'
        for colour in itertools.islice(colours, 40)
    )
    with visit.visit() as one:
        one.go(site.page("/tall", f"<!doctype html><body style='margin:0'>{stripes}"))
        return one.snapshot()


def test_a_tall_page_is_kept_in_tiles_that_follow_each_other(tall):
    pictures = [view for view in tall.views if view.content_type == "image/png"]

    assert [(view.name, view.y_px, view.size_px) for view in pictures] == [
        ("screenshot", 0, (1280, 16384)),
        ("screenshot-16384", 16384, (1280, 16384)),
        ("screenshot-32768", 32768, (1280, 40000 - 32768)),
    ]
    for view in pictures:
        with Image.open(view.path) as opened:
            picture = opened.convert("RGB")
        for y_px in range(view.y_px, view.y_px + view.size_px[1], 700):
            stripe = y_px // STRIPES_PX
            assert picture.getpixel((600, y_px - view.y_px)) == (stripe % 256, stripe * 7 % 256, 200)


def test_what_is_drawn_only_near_the_view_is_read_and_drawn_and_the_document_left_as_it_was(
    site, visit
):
    parts = "".join(
        f"<div class=part><p>part {number}</p><div style='height:900px;background:#123'></div></div>"
        for number in range(12)
    )
    style = (
        "body {margin: 0} .part {content-visibility: auto; contain-intrinsic-size: 900px}"
        " .never {content-visibility: hidden; height: 10px}"
    )
    url = site.page(
        "/skipped", f"<!doctype html><style>{style}</style>{parts}<div class=never>unseen</div>"
    )

    seen = visit(url)

    assert seen.snapshot.text.split("\n\n") == [f"part {number}" for number in range(12)]
    with Image.open(seen.views["screenshot"]) as picture:
        dark = [
            y_px for y_px in range(picture.height) if picture.getpixel((600, y_px))[:3] == (17, 34, 51)
        ]
    assert len(dark) == 12 * 900
    assert '<div class="part"><p>' in seen.views["rendered-dom"].read_text("utf-8")


@pytest.mark.parametrize("style", ["direction: rtl", "writing-mode: vertical-rl"])
def test_the_picture_of_a_wide_page_begins_where_its_reader_begins(style, site, visit):
    aside = "<p style='position:absolute;left:-9999px'>aside</p>"
    here = "<div style='width:60px;height:60px;background:#123'></div>"
    url = site.page(
        f"/wide-{len(style)}",
        f"<!doctype html><html style='{style}'><body style='margin:0'>{here}{aside}",
    )

    seen = visit(url)

    with Image.open(seen.views["screenshot"]) as picture:
        assert picture.width == 4 * 1280
        assert picture.getpixel((picture.width - 30, 30))[:3] == (17, 34, 51)


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
@pytest.mark.parametrize("height_px", [20, 1024, 1025])
def test_what_stands_at_the_edges_of_a_page_stands_in_its_picture(direction, height_px, site, visit):
    mark = "position: absolute; width: 20px; height: 20px; background: "
    page = (
        f"<!doctype html><html dir={direction}>"
        f"<body style='margin: 0; height: {height_px}px; position: relative'>"
        f"<p style='{mark} #f00; margin: 0; top: 0; left: 0'><p style='{mark} #00f; margin: 0; bottom: 0; right: 0'>"
    )

    seen = visit(site.page(f"/edges-{direction}-{height_px}", page))

    with Image.open(seen.views["screenshot"]) as picture:
        drawn = picture.convert("RGB")
    assert drawn.size == (1280, max(1024, height_px))
    assert [drawn.getpixel(at) for at in ((5, 5), (1275, height_px - 5))] == [(255, 0, 0), (0, 0, 255)]


@pytest.mark.parametrize("height_px", [100, 20_000])
def test_a_picture_of_one_colour_of_a_page_with_text_is_a_fault(height_px, site, visit):
    over_it = "<div style='position:absolute;inset:0;height:{}px;background:#123'>"
    page = f"<!doctype html><body style='margin:0;background:#123'><p>under it</p>{over_it.format(height_px)}"

    blank = visit(site.page(f"/covered-{height_px}", page))
    shown = visit(site.page(f"/covered-{height_px}-not-all", f"{page}<p style='color:#456'>."))

    assert [str(fault) for fault in blank.snapshot.faults] == [
        "screenshot: it is of one colour, though the page has text"
    ]
    assert shown.snapshot.faults == ()


def test_a_page_without_text_may_be_of_one_colour(site, visit):
    seen = visit(site.page("/empty", "<!doctype html><body style='background:#123'>"))

    assert seen.snapshot.faults == ()


@pytest.mark.parametrize("begun", ["", "<", "<!doctype html><html><head><title>Ti"])
def test_of_a_document_that_breaks_off_before_its_body_no_picture_is_waited_for(begun, visit):
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5000\r\n\r\n"

    with RawServer(f"{head}{begun}".encode()) as server:
        began_at_s = time.monotonic()
        seen = visit(server.url())
        took_s = time.monotonic() - began_at_s

    assert [str(fault) for fault in seen.snapshot.faults] == [
        "screenshot: the document broke off before its body: there is nothing to draw"
    ]
    assert took_s < 12


@pytest.mark.parametrize(
    ("kind", "begun"),
    [
        ("text/html", "<!doctype html><body style='margin:0;background:#123'>"),
        (
            "text/xml",
            "<svg xmlns='http://www.w3.org/2000/svg'><rect width='99' height='99' fill='#123'/>",
        ),
    ],
)
def test_of_a_document_that_breaks_off_later_a_picture_is_taken(kind, begun, visit):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: 5000\r\n\r\n"

    with RawServer(f"{head}{begun}".encode()) as server:
        seen = visit(server.url())

    with Image.open(seen.views["screenshot"]) as picture:
        assert picture.getpixel((30, 30))[:3] == (17, 34, 51)


def test_what_lies_too_far_down_to_be_drawn_is_said(site, visit):
    url = site.page(
        "/endless", '<body style="margin:0"><div style="height:100500px;background:#123"></div>'
    )

    with visit.visit() as one:
        one.go(url)
        taken = one.snapshot()

    pictures = [view for view in taken.views if view.content_type == "image/png"]
    assert sum(view.size_px[1] for view in pictures) == 100_000
    assert [str(fault) for fault in taken.faults] == [
        "screenshot: the page is 100500 px tall; drawn are the first 100000"
    ]


def test_a_page_that_has_not_loaded_is_taken_as_it_is(visit):
    with visit.visit() as one:
        taken = one.snapshot()

    assert taken.faults == ()
    assert [view.name for view in taken.views] == ["text", "rendered-dom", "screenshot"]


def test_a_page_that_grows_while_it_is_drawn_is_drawn_as_far_as_its_text_was_read(site, visit):
    grows = """<body style="margin:0"><div style="height:3000px">first</div><i id="end">end</i><script>
      new IntersectionObserver(seen => seen.some(one => one.isIntersecting) &&
        end.insertAdjacentHTML("beforebegin", '<div style="height:3000px">more</div>')).observe(end)
    </script>"""

    with visit.visit() as one:
        one.go(site.page("/grows", grows))
        taken = one.snapshot()

    (picture,) = [view for view in taken.views if view.name == "screenshot"]
    assert "more" not in taken.text
    assert 3000 <= picture.size_px[1] < 3100
    assert taken.record["layout"]["cssContentSize"]["height"] == picture.size_px[1]


def test_a_page_in_the_code_page_of_its_place_is_kept_as_text(site, visit):
    body = f"<title>{ARABIC}</title><p>{ARABIC}".encode("cp1256")

    seen = visit(site.put("/cp1256", body, "text/html; charset=windows-1256"))

    assert seen.views["text"].read_text("utf-8").strip() == ARABIC
    assert seen.record["document"]["character_set"] == "windows-1256"


def test_a_picture_is_what_the_png_says(plain):
    (view,) = [view for view in plain.snapshot.views if view.name == "screenshot"]

    with Image.open(io.BytesIO(view.path.read_bytes())) as picture:
        assert picture.size == view.size_px == (1280, 1024)
