"""Cases: what only a reader who looks into every corner makes a page load."""

from __future__ import annotations

from tests.fakes.wire_site.answers import data, html, plain, script, slow
from tests.fakes.wire_site.case import Stage, case, family
from tests.fakes.wire_site.site import Origin

_GAP = '<div style="height:1100px"></div>'
_SLOW_S = 2.0
_WATCH = """new IntersectionObserver((seen, o) => seen.forEach(one => {
  if (one.isIntersecting) one.target.src = one.target.dataset.later; }))"""
_WATCHING = f"""<script>const o = {_WATCH};
  document.querySelectorAll('[data-later]').forEach(e => o.observe(e));</script>"""
_STILL = "<style>html, body {overflow: hidden; margin: 0}</style>"
_BOX = "height: 500px; overflow: auto"


def _later(on: Stage, number: int, origin: str = Origin.HTTP) -> str:
    """A column of pictures that a script loads when they are in view."""
    urls = [on.picture(f"later-{n}.png", origin) for n in range(number)]
    return "".join(f'{_GAP}<img data-later="{url}" width=24 height=24>' for url in urls)


@case("trusted-types")
def trusted_types(on: Stage) -> None:
    """A page that lets no script hand text to a parser, with pictures for readers without scripts."""
    shown = on.picture("shown.png")
    names = ("quoted.png?a=1&b=2", "bare.png", "one.png", "two.png")
    quoted, bare, one, two = (on.picture(name) for name in names)
    policy = "require-trusted-types-for 'script'; trusted-types 'none'"
    on.start = on.put(
        "",
        html(
            f'<img src="{shown}"><noscript><!-- <img src="no.png"> --><img alt="src=no.png >" '
            f'src="{quoted.replace("&", "&amp;")}"><IMG src={bare}>'
            f"<picture><source srcset='{one} 1x, {two} 2x'></picture></noscript>",
            ("Content-Security-Policy", policy),
        ),
    )
    on.dom_holds = ("A page of the wire site.",)


@family("busy", "lazy", "boxes", "timers")
def busy(on: Stage, member: str) -> None:
    """A page whose processor has hardly any time for it: what it does it does late."""
    if member == "timers":
        soon, later, last = (on.picture(name) for name in ("soon.png", "later.png", "last.png"))
        shown = f"""<script>const show = url => document.body.append(Object.assign(new Image(), {{src: url}}));
          setTimeout(show, 1000, '{soon}');
          setTimeout(() => {{ show('{later}'); setTimeout(show, 900, '{last}'); }}, 1900);</script>"""
    else:
        column = _later(on, 8)
        shown = f'<div style="{_BOX if member == "boxes" else ""}">{column}</div>{_WATCHING}'
    on.page(f"""{shown}<script>
      const work = () => {{ for (const end = Date.now() + 250; Date.now() < end;); setTimeout(work); }};
      work();</script>""")


@case("own-names")
def own_names(on: Stage) -> None:
    """Elements whose names could be those of a script that looks at the page."""
    names = ("known", "reading", "references", "behaviours", "preservation", "found", "stay")
    named = "".join(f"<a id={name}>{name}</a><form name={name}></form>" for name in names)
    on.page(named + _later(on, 3) + _WATCHING)


@case("sandboxed")
def sandboxed(on: Stage) -> None:
    """A page in which nothing runs, timers and promises included, is looked at all the same."""
    lazy = [on.picture(f"lazy-{n}.png") for n in range(4)]
    folded = on.picture("folded.png")
    on.start = on.put(
        "",
        html(
            f'<details><summary>Folded</summary><img loading="lazy" src="{folded}"></details>'
            + "".join(f'{_GAP}<img loading="lazy" width=24 height=24 src="{url}">' for url in lazy),
            ("Content-Security-Policy", "sandbox"),
        ),
    )


@case("sandboxed-frame")
def sandboxed_frame(on: Stage) -> None:
    """A frame that may do nothing but run scripts, and stands in the page itself."""
    shared = ("Access-Control-Allow-Origin", "*")
    first = on.put("first.json", plain("application/json", b'{"first": 1}', shared))
    shown = on.picture("shown.png")
    lazy = on.picture("lazy.png")
    inside = (
        f"<script>fetch('{first}')</script><img src='{shown}'>"
        f"<details><summary>More</summary><img loading=lazy src='{lazy}'></details>"
    )
    on.page(f'<iframe sandbox="allow-scripts" srcdoc="{inside}"></iframe>')


@family("inner-scroll", "body", "app", "reverse", "from-its-end", "locked-body", "fixed-body")
def inner_scroll(on: Stage, member: str) -> None:
    """A page whose window doesn't scroll, for a part of it does, or a consent wall keeps it."""
    styles = {
        "body": "html, body {height: 100%; margin: 0} html {overflow: hidden} body {overflow: auto}",
        "app": f"html, body {{overflow: hidden; margin: 0}} #app {{{_BOX}}}",
        "reverse": f"#app {{{_BOX}; display: flex; flex-direction: column-reverse}} #app * {{flex: none}}",
        "from-its-end": f"#app {{{_BOX}}}",
        "locked-body": "html, body {height: 100%; overflow: hidden}",
        "fixed-body": "body {position: fixed; overflow: hidden; width: 100%}",
    }
    begins = "<script>app.scrollTop = 1e6</script>" if member == "from-its-end" else ""
    on.page(
        f"<div id=app>{_later(on, 9)}</div>{begins}{_WATCHING}", head=f"<style>{styles[member]}</style>"
    )
    on.dom_holds = ("<body><p>",)


@case("older-above")
def older_above(on: Stage) -> None:
    """A page that begins at its end, as messengers' channels do, and brings what is older at its top."""
    for number in range(3):
        picture = f'<img width=9 height=9 src="{on.picture(f"{number}.png")}">'
        older = plain("text/html", f'<div style="height:1500px">{picture}</div>'.encode())
        on.put(f"older/{number}.html", older, route=slow(older, 0.2))
    on.page("""<div id=list><div style="height:3000px">The newest</div></div><script>
      let next = 0, busy = false;
      onscroll = async () => {
        if (scrollY > 200 || busy || next > 2) return;
        busy = true;
        const older = await (await fetch(`older/${next++}.html`)).text();
        const before = document.body.scrollHeight;
        list.insertAdjacentHTML('afterbegin', older);
        scrollTo(0, document.body.scrollHeight - before + scrollY);
        busy = false;
      };
      scrollTo(0, 1e6);</script>""")
    on.dom_holds = ("2.png",)


@case("inner-feed")
def inner_feed(on: Stage) -> None:
    """A slow feed in a part that scrolls by itself, which is empty at first."""
    for number in range(4):
        batch = data({"next": number + 1, "picture": on.picture(f"picture/{number}.png")})
        on.put(f"batch/{number}.json", batch, route=slow(batch, _SLOW_S))
    on.page(
        f"""<div id=app style="{_BOX}"></div><script>
      let next = 0, busy = false;
      async function more() {{
        if (busy || next > 3) return;
        busy = true;
        const batch = await (await fetch(`batch/${{next}}.json`)).json();
        app.insertAdjacentHTML('beforeend',
          `<div style="height:900px"><img width=24 height=24 src="${{batch.picture}}"></div>`);
        next = batch.next;
        busy = false;
      }}
      app.onscroll = () => app.clientHeight + app.scrollTop > app.scrollHeight - 300 && more();
      more();</script>""",
        head=_STILL,
    )


@case("inner-late-content")
def inner_late_content(on: Stage) -> None:
    """A page as high as its window; what comes late is within a part of it that scrolls."""
    content = data({"html": _later(on, 3)})
    on.put("content.json", content, route=slow(content, _SLOW_S))
    on.page(
        f"""<div id=app style="{_BOX}"></div><script>(async () => {{
      app.innerHTML = (await (await fetch('content.json')).json()).html;
      const o = {_WATCH};
      app.querySelectorAll('[data-later]').forEach(e => o.observe(e)); }})();</script>""",
        head=_STILL,
    )


@family("strip", "ltr", "rtl")
def strip(on: Stage, member: str) -> None:
    """A row of pictures that scrolls sideways, far from where the page begins and ends."""
    urls = [on.picture(f"{n}.png") for n in range(5)]
    row = "".join(
        f'<div style="flex: 0 0 700px"><img data-later="{url}" width=24 height=24></div>'
        for url in urls
    )
    looks = "display: flex; overflow-x: auto; width: 600px; height: 100px"
    on.page(f'{_GAP}{_GAP}<div dir={member} style="{looks}">{row}</div>{_GAP}{_GAP}{_WATCHING}')


@family("frame-scroll", "near", "cross", "lazy", "sandboxed")
def frame_scroll(on: Stage, member: str) -> None:
    """A frame with folded parts that is longer than it is high, far down in its page."""
    origin = Origin.CROSS if member == "cross" else Origin.HTTP
    folded = (
        f'<details><img data-later="{on.picture("folded.png", origin)}" width=9 height=9></details>'
    )
    inner = on.put("frame.html", html(folded + _later(on, 3, origin) + _WATCHING), origin)
    more = {"lazy": "loading=lazy", "sandboxed": "sandbox=allow-scripts"}.get(member, "")
    frame = f'<iframe {more} width=500 height=300 src="{inner}"></iframe>'
    on.page(f"{_GAP * 5}{frame}{_GAP}")


@case("frame-with-a-button")
def frame_with_a_button(on: Stage) -> None:
    """A frame of the page's own site with a button that brings more, and one of another site, in which
    nothing is pressed.
    """
    urls = [on.picture(f"{number}.png") for number in range(3)]
    inner = on.put(
        "inner.html",
        html(f"""<div id=list></div><button id=more>Load more</button><a href="left.html">Load more</a>
          <script>const urls = {urls!r};
          more.onclick = () => {{ list.append(Object.assign(new Image(), {{src: urls.shift()}}));
            if (!urls.length) more.remove(); }};</script>"""),
    )
    pressing = html("<button onclick=\"fetch('pressed.json')\">Load more</button>")
    other = on.put("other.html", pressing, Origin.CROSS)
    on.page(f'<iframe src="{inner}"></iframe><iframe src="{other}"></iframe>')


@case("frameset")
def frameset(on: Stage) -> None:
    """A page that consists of frames alone."""
    first = on.put("first.html", html(_later(on, 3) + _WATCHING))
    second = on.put("second.html", html(f'<img src="{on.picture("second.png")}">'))
    frames = f'<frameset cols="50%,50%"><frame src="{first}"><frame src="{second}"></frameset>'
    on.start = on.put("", plain("text/html", f"<html>{frames}</html>".encode()))


@case("late-parts")
def late_parts(on: Stage) -> None:
    """Folded parts, a carousel and a button that come late, in a page that doesn't grow over them."""
    folded, following, more = (on.picture(f"{name}.png") for name in ("folded", "next", "more"))
    late = (
        f'<details><img loading="lazy" src="{folded}"></details>'
        "<div class=carousel><button id=following>Next</button></div><button id=more>Load more</button>"
    )
    content = data({"html": late})
    on.put("content.json", content, route=slow(content, _SLOW_S))
    on.page(f"""<div id=app style="height: 400px"></div><script>(async () => {{
      app.innerHTML = (await (await fetch('content.json')).json()).html;
      following.onclick = () => {{ new Image().src = '{following}'; }};
      more.onclick = () => {{ new Image().src = '{more}'; }}; }})();</script>""")


@case("idle-buttons")
def idle_buttons(on: Stage) -> None:
    """Buttons that bring nothing, and one that shows and hides, before the one that brings more."""
    urls = [on.picture(f"{n}.png") for n in range(3)]
    on.page(f"""<a role=button>See all</a><button id=toggle>Show more</button><p id=text hidden>Shown</p>
      <div id=list></div><button id=more>Load more</button><script>
      const urls = {urls!r};
      toggle.onclick = () => {{ text.hidden = !text.hidden;
        toggle.textContent = text.hidden ? 'Show more' : 'Show less'; }};
      more.onclick = () => {{ list.append(Object.assign(new Image(), {{src: urls.shift()}}));
        if (!urls.length) more.remove(); }};</script>""")
    on.dom_holds = ('<p id="text">Shown',)


@case("tabs")
def tabs(on: Stage) -> None:
    """What tabs and folded parts show is fetched when they are pressed, and given up when others are."""
    for name in ("second", "third", "answer"):
        on.put(f"{name}.html", html(f'<img src="{on.picture(f"{name}.png")}">'))
    on.page("""<div role=tablist>
      <button role=tab aria-controls=panel aria-selected=true id=first>First</button>
      <button role=tab aria-controls=panel aria-selected=false id=second>Second</button>
      <button role=tab aria-controls=panel aria-selected=false id=third>Third</button>
      <button role=tab aria-selected=false onclick="panel.textContent = 'Elsewhere'">Elsewhere</button></div>
      <div role=tabpanel id=panel>At first</div>
      <h3><button aria-expanded=false aria-controls=text id=answer>Question</button></h3><div id=text></div>
      <button aria-expanded=false aria-controls=text onclick="panel.textContent = 'Menu'">Menu</button><script>
      const show = async (tab, where) => {
        where.innerHTML = tab.id == 'first' ? 'At first' : await (await fetch(`${tab.id}.html`)).text(); };
      for (const tab of [first, second, third]) tab.onclick = () => {
        for (const one of [first, second, third]) one.ariaSelected = one == tab;
        show(tab, panel); };
      answer.onclick = () => { answer.ariaExpanded = true; show(answer, text); };</script>""")
    on.dom_holds = ('id="panel">At first</div>', "answer.png")


@case("more-by-real-link")
def more_by_real_link(on: Stage) -> None:
    """A link to the next part of the list, which a script fetches in its place; a link that no script
    takes, one that tells a third of it, and one that opens a window are not followed.
    """
    parts = [
        on.put(f"part-{n}.html", html(f'<img src="{on.picture(f"more-{n}.png")}">')) for n in (2, 3)
    ]
    for name in ("page", "ping"):
        on.serve(f"{name}.html", html(name))
    on.page(f"""<div id=list></div><a id=more href="?page=2">Load more</a>
      <p><a href="?page=9">Show more of it</a>
      <p><a href="?page=8" ping="ping.html">Show more results</a>
      <p><a href="?page=7" target=_blank>View more</a><script>
      const parts = {parts!r};
      more.onclick = async event => {{ event.preventDefault();
        const part = await (await fetch(parts.shift())).text();
        list.insertAdjacentHTML('beforeend', part);
        if (parts.length) more.href = '?page=3'; else more.remove(); }};</script>""")
    on.dom_holds = ("more-2.png", "more-3.png")


@family("more-by", "link", "input", "slide")
def more_by(on: Stage, member: str) -> None:
    """What is pressed is a link that leads nowhere, or a button of the old kind."""
    buttons = {
        "link": '<a id=more href="javascript:void(0)">Load more</a>',
        "input": "<form><input type=button id=more value='Load more'></form>",
        "slide": "<div class=carousel><a id=more href=' JavaScript:;'>Next</a></div>",
    }
    on.page(f"""{buttons[member]}<div id=list></div><script>more.onclick = () => {{
      list.append(Object.assign(new Image(), {{src: '{on.picture("more.png")}'}})); more.remove(); }};</script>""")


@case("delayed-scripts")
def delayed_scripts(on: Stage) -> None:
    """Scripts that wait until somebody is there, as plugins make them do for speed."""
    on.put(
        "late.js",
        script(
            f"document.body.append(Object.assign(new Image(), {{src: '{on.picture('late.png')}'}}));"
        ),
    )
    on.page("""<script>const events = ['keydown', 'mousemove', 'wheel', 'touchstart'];
      const begin = () => { for (const e of events) removeEventListener(e, begin);
        document.head.append(Object.assign(document.createElement('script'), {src: 'late.js'})); };
      for (const e of events) addEventListener(e, begin, {passive: true});</script>""")


@case("late-beginning")
def late_beginning(on: Stage) -> None:
    """A page with nothing in it until a timer of its own is over; then it fetches all that it shows."""
    content = on.put("content.html", html(_later(on, 3)))
    body = f"""<div id=app>Loading…</div><script>setTimeout(async () => {{
      app.innerHTML = await (await fetch('{content}')).text();
      const o = {_WATCH};
      app.querySelectorAll('[data-later]').forEach(e => o.observe(e)); }}, 1000);</script>"""
    on.start = on.put("", plain("text/html; charset=utf-8", body.encode()))
