"""Cases: pages that load more than their HTML says, and frames, workers and scripts that do."""

from __future__ import annotations

import json

from preservation.model.vocabulary import Reason
from tests.fakes.wire_site import answers
from tests.fakes.wire_site.answers import (
    Answer,
    Ending,
    Request,
    Route,
    coded,
    data,
    html,
    picture,
    plain,
    script,
    slow,
    style,
)
from tests.fakes.wire_site.case import Stage, case, family
from tests.fakes.wire_site.site import Origin
from tests.fakes.wire_site.websocket import accepting

_FEED_PAGES_EXPECTED = 5
_SLOW_S = 2.0
_FEED = """<div id=feed></div><div id=end style="height:50px">more</div><script>
      let next = 0, busy = false;
      async function more() {
        if (busy) return;
        busy = true;
        const batch = await (await fetch(`batch/${next}.json`)).json();
        document.querySelector('#feed').insertAdjacentHTML('beforeend',
          `<div style="height:900px"><img width=24 height=24 src="${batch.picture}"></div>`);
        next = batch.next;
        busy = false;
      }
      new IntersectionObserver(seen => seen.some(e => e.isIntersecting) && more(), {rootMargin: '300px'})
        .observe(document.querySelector('#end'));
      addEventListener('scroll', () => {
        if (innerHeight + scrollY > document.body.scrollHeight - 900) more(); });
      more();</script>"""


@case("lazy-images")
def lazy_images(on: Stage) -> None:
    """Pictures that load only when they are scrolled to: natively, and by an observer."""
    native = [on.picture(f"native-{n}.png") for n in range(8)]
    scripted = [on.picture(f"scripted-{n}.png") for n in range(4)]
    gap = '<div style="height:1100px"></div>'
    on.page(
        "".join(f'{gap}<img loading="lazy" width=24 height=24 src="{url}">' for url in native)
        + "".join(f'{gap}<img data-later="{url}" width=24 height=24>' for url in scripted)
        + """<script>const o = new IntersectionObserver(seen => seen.forEach(one => {
          if (one.isIntersecting) one.target.src = one.target.dataset.later; }));
        document.querySelectorAll('[data-later]').forEach(e => o.observe(e));</script>"""
    )


@case("infinite-feed")
def infinite_feed(on: Stage) -> None:
    """A feed without an end: its beginning is held, and the capture ends."""
    on.is_broken_off = True

    def batch(number: int) -> Answer:
        return data({"next": number + 1, "picture": f"picture/{number}.png"})

    for number in range(2000):
        if number < _FEED_PAGES_EXPECTED:
            on.put(f"batch/{number}.json", batch(number))
            on.picture(f"picture/{number}.png")
        else:
            on.serve(f"batch/{number}.json", batch(number))
            on.serve(f"picture/{number}.png", picture(str(number)))
    on.page(_FEED)


@case("slow-feed")
def slow_feed(on: Stage) -> None:
    """A feed whose batches take longer than a reader's patience at its end."""
    last = _FEED_PAGES_EXPECTED - 1
    for number in range(last + 1):
        batch = data({"next": number + 1, "picture": on.picture(f"picture/{number}.png")})
        on.put(f"batch/{number}.json", batch, route=slow(batch, _SLOW_S))
    on.page(_FEED.replace("if (busy)", f"if (busy || next > {last})"))


@case("late-content")
def late_content(on: Stage) -> None:
    """A page that is empty when it has loaded; what it fetches then is long, lazy and has a button."""
    gap = '<div style="height:1100px"></div>'
    lazy = [on.picture(f"lazy-{n}.png") for n in range(3)]
    of_button = on.picture("of-the-button.png")
    words = "".join(f'{gap}<img loading="lazy" width=24 height=24 src="{url}">' for url in lazy)
    content = data({"html": f"{words}<button>Load more</button>"})
    on.put("content.json", content, route=slow(content, _SLOW_S))
    on.page(f"""<div id=root></div><script>setTimeout(async () => {{
      root.innerHTML = (await (await fetch('content.json')).json()).html;
      root.querySelector('button').onclick = () => {{ root.append(Object.assign(new Image(), {{src: '{of_button}'}})); }};
    }}, 200);</script>""")


@case("timers")
def timers(on: Stage) -> None:
    """A page at rest whose timers go on: with a picture, words, and what follows from what they fetched."""
    soon, later, last = (on.picture(name) for name in ("soon.png", "later.png", "last.png"))
    content = on.put("content.json", data({"words": "Told by a timer"}))
    on.page(f"""<p id=root>{"words " * 50}</p><script>
      const show = url => document.body.append(Object.assign(new Image(), {{src: url}}));
      setTimeout(show, 700, '{soon}');
      setTimeout(async () => {{ root.textContent = (await (await fetch('{content}')).json()).words;
        setTimeout(show, 600, '{later}'); setTimeout(show, 1200, '{last}'); }}, 1400);</script>""")
    on.dom_holds = ("Told by a timer",)


@case("never-quiet")
def never_quiet(on: Stage) -> None:
    """A page that asks for something all the time, to the very end of its visit."""
    on.is_broken_off = True
    on.serve("tick.json", data({"tick": 1}))
    on.page("<script>let n = 0; setInterval(() => fetch(`tick.json?${n++}`), 1)</script>")


@case("spa")
def single_page_app(on: Stage) -> None:
    """An empty page whose script fetches JSON and builds all that there is to see."""
    pictures = [on.picture(f"of-the-api-{n}.png") for n in range(4)]
    api = on.put("api/posts?page=1&sort=new", data({"posts": pictures, "words": "Built by a script"}))
    on.put(
        "app.js",
        script(f"""fetch({json.dumps(api)}, {{headers: {{'X-Api': '1'}}}}).then(r => r.json())
      .then(d => {{ document.body.append(d.words); for (const url of d.posts) {{
        const i = new Image(); i.src = url; document.body.append(i); }} }});"""),
    )
    on.page('<div id=root></div><script type=module src="app.js"></script>')
    on.dom_holds = ("Built by a script",)


@case("iframes")
def frames(on: Stage) -> None:
    """Frames of the same site and of another one, nested, each with a picture of its own."""
    deepest = on.put("deepest.html", html(f'<img src="{on.picture("deepest.png")}">'))
    inner_picture = on.picture("cross.png", Origin.CROSS)
    cross = on.put(
        "cross.html",
        html(f'<img src="{inner_picture}"><iframe src="{deepest}"></iframe>'),
        Origin.CROSS,
    )
    near = on.put("near.html", html(f'<img src="{on.picture("near.png")}">'))
    written = on.picture("of-srcdoc.png")
    on.page(
        f'<iframe src="{near}"></iframe><iframe src="{cross}"></iframe>'
        f"<iframe srcdoc='<img src=\"{written}\">'></iframe>"
    )


@case("workers")
def workers(on: Stage) -> None:
    """A worker, a module worker and a shared worker, each of which fetches and imports."""
    for kind in ("worker", "module", "shared"):
        on.put(f"{kind}.json", data({"from": kind}))
        on.put(
            f"{kind}-part.js",
            script(f"self.part = {kind!r};" if kind != "module" else "export default 1;"),
        )
        opening = (
            f"import part from './{kind}-part.js';"
            if kind == "module"
            else f"importScripts('{kind}-part.js');"
        )
        on.put(f"{kind}.js", script(f"{opening} fetch('{kind}.json').then(r => r.text());"))
    on.page("""<script>new Worker('worker.js'); new Worker('module.js', {type: 'module'});
      new SharedWorker('shared.js');</script>""")


@case("service-worker")
def service_worker(on: Stage) -> None:
    """A service worker that fills a cache, claims its page, and answers from cache and network."""
    on.put("kept.json", data("put into the cache at installation"))
    on.put("through.json", data("fetched by the worker for the page"))
    on.put(
        "sw.js",
        script("""
      addEventListener('install', e => e.waitUntil(caches.open('v1')
        .then(c => c.addAll(['kept.json'])).then(() => skipWaiting())));
      addEventListener('activate', e => e.waitUntil(clients.claim()));
      addEventListener('fetch', e => e.respondWith(caches.match(e.request).then(r => r || fetch(e.request))));
    """),
    )
    on.page("""<p id=said></p><script>
      const claimed = new Promise(r => navigator.serviceWorker.addEventListener('controllerchange', r));
      navigator.serviceWorker.register('sw.js').then(() => claimed)
        .then(() => Promise.all(['kept.json', 'through.json'].map(u => fetch(u).then(r => r.json()))))
        .then(all => document.querySelector('#said').textContent = all.join(' and '));</script>""")
    on.dom_holds = ("fetched by the worker for the page",)


@family("stopped-by-a-script", "at-once", "later")
def stopped_by_a_script(on: Stage, member: str) -> None:
    """A page whose script stops it (`window.stop`): it never tells that it has loaded."""
    first = on.picture("first.png")
    second = on.picture("second.png")
    stops = {"at-once": "stop()", "later": "setTimeout(stop, 300)"}
    slowly = slow(picture("slow.png"), 2)
    on.put("slow.png", picture("slow.png"), route=slowly)
    on.page(
        f'<img src="{first}"><img src="slow.png"><script>{stops[member]}</script><img src="{second}">'
    )
    on.dom_holds = ("<script>",)


@case("address-that-changes")
def address_that_changes(on: Stage) -> None:
    """A page that gives itself another address, and later another base: what it loaded by the old one
    is what it refers to, and what is loaded by the new one as well.
    """
    on.picture("first.png")
    on.put("first.css", style("p { color: green }"))
    on.picture("deep/second.png")
    on.picture("other/third.png")
    on.page(
        """<img src="first.png"><p style="background: url(first.png)">words<script>
      const show = src => new Promise(done => {
        document.body.append(Object.assign(new Image(), {src, onload: done})); });
      onload = async () => {
        history.pushState({}, '', 'deep/page?n=1#part');
        await show('second.png');
        document.head.append(Object.assign(document.createElement('base'), {href: '../other/'}));
        await show('third.png');
      };</script>""",
        head='<link rel=stylesheet href="first.css">',
    )
    on.dom_holds = ("third.png",)


@family("websocket", "plain", "deflate", "over-h2")
def websocket(on: Stage, member: str) -> None:
    """Messages both ways, text and bytes, fragmented, with ping and close; deflated or not."""
    origin = Origin.H2 if member == "over-h2" else Origin.HTTP
    on.serve(f"{member}/socket", accepting, origin)
    on.page(
        f"""<p id=said>nothing</p><script>
      const s = new WebSocket(new URL('{member}/socket', location.href.replace('http', 'ws')));
      s.binaryType = 'arraybuffer'; let seen = 0;
      s.onmessage = e => {{
        seen += 1;
        if (seen == 1) s.send('I heard: ' + e.data + ' ' + 'and again '.repeat(500));
        if (seen == 3) {{ s.send(new Uint8Array(2000)); s.close(1000, 'enough');
          document.querySelector('#said').textContent = 'heard ' + seen; }}
      }};</script>""",
        origin,
    )
    on.dom_holds = ("heard 3",)


@family("websocket-refused", "plain", "over-h2")
def websocket_refused(on: Stage, member: str) -> None:
    """A socket that the server doesn't open."""
    origin = Origin.H2 if member == "over-h2" else Origin.HTTP
    on.missing("socket", html("not for you", status="403 Forbidden"), Reason.LOGIN_WALL, origin)
    on.page(
        """<p id=said>nothing</p><script>
      const s = new WebSocket(new URL('socket', location.href.replace('http', 'ws')));
      s.onerror = () => { document.querySelector('#said').textContent = 'refused'; };</script>""",
        origin,
    )
    on.dom_holds = ("refused",)


@case("encodings")
def encodings(on: Stage) -> None:
    """Every content coding that a browser decodes, alone and one upon the other."""
    _encoded_things(on, Origin.HTTP)


@case("encodings-over-tls")
def encodings_over_tls(on: Stage) -> None:
    """The same over TLS, where a browser offers br and zstd."""
    _encoded_things(on, Origin.TLS)


def _encoded_things(on: Stage, origin: str) -> None:
    codings = ("gzip", "x-gzip", "br", "zstd", "deflate", "raw-deflate", "gzip, gzip", "gzip, br")
    urls = []
    for number, coding in enumerate(codings):
        text = f"/* {coding} */ document.title += ' {number}';" + " " * 3000
        urls.append(on.put(f"{number}.js", coded("text/javascript", text.encode(), coding), origin))
    body = answers.document("".join(f'<script src="{url}"></script>' for url in urls))
    on.start = on.put("", coded("text/html; charset=utf-8", body, "gzip"), origin)
    on.dom_holds = tuple(f" {number}" for number in range(len(codings)))


@case("chunked")
def chunked(on: Stage) -> None:
    """Chunks with extensions, odd sizes, leading zeros and trailers; and a chunked gzip."""
    text = b"document.title = 'chunked';"
    framed = (
        b"5;name=value\r\n" + text[:5] + b'\r\n00A ; quoted="a;b"\r\n' + text[5:15] + b"\r\n"
        + b"%X\r\n" % len(text[15:]) + text[15:] + b"\r\n"
        + b"000;last\r\nX-Checksum: abc\r\nx-checksum: def\r\n\r\n"
    )  # fmt: skip
    odd = answers.chunked("text/javascript", text, ("Trailer", "X-Checksum"))
    first = on.put("odd.js", odd.but(sent=framed))
    packed = coded("text/css", b".a { color: red } " * 200, "gzip")
    both = answers.chunked("text/css", packed.payload, ("Content-Encoding", "gzip"), size=37)
    second = on.put("packed.css", both.but(content=packed.content, coding="gzip"))
    body = answers.document(f'<script src="{first}"></script><link rel=stylesheet href="{second}">')
    on.start = on.put("", answers.chunked("text/html; charset=utf-8", body, size=100))
    on.dom_holds = ("<title>chunked</title>",)


@case("old-http")
def old_http(on: Stage) -> None:
    """HTTP/1.0 whose bodies end with the connection, and a 1.0 server that keeps it open."""
    style_head = answers.head_of("200 OK", ("Content-Type", "text/css"), protocol="HTTP/1.0")
    sheet = on.put("until-close.css", answers.raw(style_head, b"p { color: green }"))
    kept = picture("kept-open")
    head = kept.head.replace(b"HTTP/1.1", b"HTTP/1.0").replace(
        b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"
    )
    image = on.put("kept-open.png", kept.but(head=head))
    body = answers.document(f'<link rel=stylesheet href="{sheet}"><img src="{image}">')
    page_head = answers.head_of("200 Fine", ("Content-Type", "text/html"), protocol="HTTP/1.0")
    on.start = on.put("", answers.raw(page_head, body))


@case("http2")
def http2(on: Stage) -> None:
    """Sixty streams at once, padded and interleaved, with trailers, a huge head, and a gzip."""
    pictures = [on.picture(f"{n}.png", Origin.H2) for n in range(55)]
    padded = picture("padded").but(padding=200)
    pictures.append(on.put("padded.png", padded, Origin.H2))
    trailed = picture("trailed").but(trailers=(("x-checksum", "abc"), ("x-signed", "no")), padding=7)
    pictures.append(on.put("trailed.png", trailed, Origin.H2))
    big_head = answers.plain(
        "image/png", picture("big").payload, *((f"x-long-{n}", "v" * 2000) for n in range(20))
    )
    pictures.append(on.put("continued.png", big_head, Origin.H2))
    large = on.put("large.css", style("/* " + "long " * 60_000 + "*/"), Origin.H2)
    packed = on.put("packed.css", coded("text/css", b"p { color: red } " * 500, "br"), Origin.H2)
    links = "".join(f'<link rel=stylesheet href="{url}">' for url in (large, packed))
    on.page(links + "".join(f'<img src="{url}">' for url in pictures), Origin.H2)


@case("http2-reset")
def http2_reset(on: Stage) -> None:
    """A stream that is reset in mid-body, beside others that aren't."""
    broken = picture("broken")
    lost = on.missing(
        "broken.png",
        broken.but(ending=Ending.RESET, payload=broken.payload[:40], sent=broken.payload[:40]),
        Reason.TRUNCATED,
        Origin.H2,
        is_partial=True,
    )
    on.page(f'<img src="{lost}"><img src="{on.picture("whole.png", Origin.H2)}">', Origin.H2)
    on.is_partly_held()


@family("early-hints", "http", "tls", "h2")
def early_hints(on: Stage, member: str) -> None:
    """Two interim answers before the final one (RFC 8297)."""
    sheet = on.put("hinted.css", style("p { color: blue }"), member)
    interim = answers.head_of("103 Early Hints", ("Link", f"<{sheet}>; rel=preload; as=style"))
    page = html(f'<link rel=stylesheet href="{sheet}">')
    on.start = on.put("", page.but(interim=interim + interim), member)


@case("tls12")
def tls12(on: Stage) -> None:
    """A page with pictures over TLS 1.2."""
    on.page(
        "".join(f'<img src="{on.picture(f"{n}.png", Origin.TLS12)}">' for n in range(10)), Origin.TLS12
    )


@case("tls13")
def tls13(on: Stage) -> None:
    """A page with pictures over TLS 1.3 and HTTP/1.1."""
    on.page("".join(f'<img src="{on.picture(f"{n}.png", Origin.TLS)}">' for n in range(10)), Origin.TLS)


@case("500-resources")
def many_resources(on: Stage) -> None:
    """Five hundred pictures."""
    on.page("".join(f'<img src="{on.picture(f"{n}.png")}">' for n in range(500)))
    on.limits = {"page_deadline_s": 80}


@case("same-names")
def same_names(on: Stage) -> None:
    """Two pictures with one name in two folders, and one picture at five addresses."""
    urls = [on.picture(f"{folder}/photo.png") for folder in ("one", "two")]
    same = picture("the same")
    urls += [on.put(f"copy-{n}.png", same) for n in range(5)]
    on.page("".join(f'<img src="{url}">' for url in urls))


@case("downloads")
def downloads(on: Stage) -> None:
    """A page that starts a download by itself."""
    attachment = ("Content-Disposition", 'attachment; filename="report.bin"')
    url = on.put(
        "report.bin", answers.plain("application/octet-stream", bytes(range(256)) * 20, attachment)
    )
    on.page(
        f"""<a id=a href="{url}" download>take</a><script>document.querySelector('#a').click()</script>"""
    )


@case("post-and-fetch")
def post_and_fetch(on: Stage) -> None:
    """A script that posts a form, sends a beacon, and asks with a method of its own."""

    def echo(request: Request) -> Answer:
        return answers.plain("text/plain", b"heard: " + request.body)

    on.put("post", answers.plain("text/plain", b"heard: a=1&b=%D8%B4"), route=echo)
    on.put("put", answers.plain("text/plain", b"heard: new"), route=echo)
    on.page("""<script>fetch('post', {method: 'POST', body: new URLSearchParams({a: 1, b: 'ش'})});
      fetch('put', {method: 'PUT', body: 'new'});</script>""")


@case("one-address-many-answers")
def one_address_many_answers(on: Stage) -> None:
    """Addresses at which a script gets something else than the page: its line is about the page's."""

    def but_for_scripts(answer: Answer) -> Route:
        said = plain("application/json", b"{}", ("Cache-Control", "no-store"))
        return lambda request: said if request.field("X-Script") else answer

    shown = picture("shown").but(head=answers.head_of("200 OK", ("Cache-Control", "no-store")))
    shown = shown.but(ending=Ending.CLOSE)
    page = html("""<img src=shown.png><script>addEventListener('load', () => {
        for (const url of ['', 'shown.png']) for (const method of ['GET', 'POST'])
          fetch(url, {method, headers: {'X-Script': '1'}}); });</script>""")
    on.put("shown.png", shown, route=but_for_scripts(shown))
    on.start = on.put("", page, route=but_for_scripts(page))
