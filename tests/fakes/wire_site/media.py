"""Cases: pictures, films and styles in all their variants, playlists, fonts; and pages in many scripts."""

from __future__ import annotations

import hashlib

from preservation.model.vocabulary import Engine, Reason
from tests.fakes.fault_site import ARABIC
from tests.fakes.wire_site import answers
from tests.fakes.wire_site.answers import Answer, Request, Route, html, plain, redirect, script, style
from tests.fakes.wire_site.case import Expected, Missing, Stage, case, family
from tests.fakes.wire_site.site import Origin


def noise(name: str, size: int = 6000) -> bytes:
    """Fixed bytes that nothing can pack, other ones for each *name*."""
    blocks = (hashlib.sha256(f"{name} {n}".encode()).digest() for n in range(size // 32 + 1))
    return b"".join(blocks)[:size]


def binary(on: Stage, path: str, kind: str, size: int = 6000) -> str:
    return on.put(path, plain(kind, noise(path, size)))


@case("picture-variants")
def picture_variants(on: Stage) -> None:
    """Every candidate of srcset, picture, image-set and image inputs, shown or not."""
    densities = ", ".join(f"{on.picture(f'density-{n}.png')} {n}x" for n in (1, 2, 3))
    widths = ", ".join(f"{on.picture(f'width-{n}.png')} {n}w" for n in (320, 640, 1280))
    wide, modern, narrow = (on.picture(f"{name}.png") for name in ("wide", "modern", "narrow"))
    sets = ", ".join(f'url("{on.picture(f"set-{n}.png")}") {n}x' for n in (1, 2))
    on.page(
        f"""<img srcset="{densities}"><img sizes="100vw" srcset="{widths}" src="{on.picture("plain.png")}">
        <picture><source media="(min-width: 5000px)" srcset="{wide}"><source type="image/jxl" srcset="{modern}">
        <img src="{narrow}"></picture><input type=image src="{on.picture("input.png")}">
        <svg width=9 height=9><image href="{on.picture("svg.png")}" width=9 height=9 /></svg>
        <div style="width:9px;height:9px;background:url('{on.picture("inline-style.png")}')"></div>
        <div class=set></div>""",
        head=f"""<style>.set {{ width: 9px; height: 9px; background-image: image-set({sets}) }}</style>
        <link rel=icon href="{on.picture("icon.png")}">""",
    )


@case("film-variants")
def film_variants(on: Stage) -> None:
    """Every source of a film and a sound, its poster and its subtitles."""
    webm, mp4 = binary(on, "film.webm", "video/webm"), binary(on, "film.mp4", "video/mp4")
    track = on.put("words.vtt", plain("text/vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nWords\n"))
    on.page(
        f"""<video poster="{on.picture("poster.png")}" preload=none controls>
        <source src="{webm}" type="video/webm"><source src="{mp4}" type="video/mp4">
        <track kind=subtitles src="{track}" srclang=en></video>
        <audio src="{binary(on, "sound.ogg", "audio/ogg")}" preload=metadata controls></audio>"""
    )


@case("film-in-ranges")
def film_in_ranges(on: Stage) -> None:
    """A server that answers ranges: the film is held whole, and each part that was asked for."""
    body = noise("ranges", 200_000)
    whole = plain("video/mp4", body, ("Accept-Ranges", "bytes"))
    url = on.serve("film.mp4", answers.ranged("video/mp4", body))
    on.expected.append(Expected(url, whole, has_head=False))
    on.page(f'<video src="{url}" preload=auto controls></video>')


@case("hls-in-page")
def hls_in_page(on: Stage) -> None:
    """A player script that reads a playlist and fetches its segments."""
    segments = [binary(on, f"segment-{n}.ts", "video/mp2t") for n in range(4)]
    lines = "".join(f"#EXTINF:2.0,\n{url.rpartition('/')[2]}\n" for url in segments)
    media = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n"
    on.put("low.m3u8", plain("application/vnd.apple.mpegurl", media.encode()))
    master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100000\nlow.m3u8\n"
    on.put("master.m3u8", plain("application/vnd.apple.mpegurl", master.encode()))
    player = on.put(
        "player.js",
        script("""
      const lines = async url => (await (await fetch(url)).text()).split('\\n').filter(l => l && l[0] != '#');
      (async () => { for (const list of await lines('master.m3u8'))
        for (const segment of await lines(list)) await (await fetch(segment)).arrayBuffer(); })();"""),
    )
    on.page(f'<video controls></video><script src="{player}"></script>')


@case("dash-in-page")
def dash_in_page(on: Stage) -> None:
    """A player script that asks for an initialisation and pieces of one file, by ranges."""
    body = noise("dash", 40_000)
    on.serve("film.mp4", answers.ranged("video/mp4", body))
    on.put("film.mpd", plain("application/dash+xml", b'<?xml version="1.0"?><MPD type="static"/>'))
    on.page("""<script>(async () => { await fetch('film.mpd');
      for (const part of ['0-999', '1000-19999', '20000-39999'])
        await (await fetch('film.mp4', {headers: {Range: 'bytes=' + part}})).arrayBuffer(); })();</script>""")


@case("hls-as-post")
def hls_as_post(on: Stage) -> None:
    """A playlist for the extractor: the playlists and all segments are on record."""
    segments = [plain("video/mp2t", _transport_stream(f"post {n}")) for n in range(3)]
    urls = [on.put(f"segment-{n}.ts", one, in_account=False) for n, one in enumerate(segments)]
    lines = "".join(f"#EXTINF:2.0,\n{url}\n" for url in urls)
    media = f"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n{lines}#EXT-X-ENDLIST\n"
    answer = plain("application/vnd.apple.mpegurl", media.encode())
    on.engine, on.start = Engine.POST, on.put("film.m3u8", answer, in_account=False)


def _transport_stream(name: str) -> bytes:
    """Null packets of an MPEG transport stream (ISO 13818-1): a film of nothing."""
    packet = b"\x47\x1f\xff\x10" + noise(name, 184)
    return packet * 20


@case("style-chains")
def style_chains(on: Stage) -> None:
    """Styles that import styles, with fonts and pictures; also those that no rule applies now."""
    used, unused = binary(on, "used.woff2", "font/woff2"), binary(on, "unused.woff2", "font/woff2")
    deepest = on.put(
        "c/deepest.css",
        style(f"@font-face {{ font-family: W; src: url(../used.woff2) }} p {{ font-family: W; "
              f"background: url({on.picture('c/ground.png').rpartition('/')[2]}) }}"),
    )  # fmt: skip
    on.put("b/middle.css", style(f'@import "{deepest}" layer(base); b {{ color: red }}'))
    on.put("a.css", style('@import url("b/middle.css") screen; @import url("print.css") print;'))
    on.put(
        "print.css",
        style(f"p {{ background: url({on.picture('printed.png')}) }}"
              f"@font-face {{ font-family: V; src: url({unused}) }}"),
    )  # fmt: skip
    cross = on.put(
        "cross.css",
        style(
            f"@media print {{ p {{ background: url({on.picture('cross-printed.png', Origin.CROSS)}) }} }}"
        ),
        Origin.CROSS,
    )
    assert used
    on.page("", head=f'<link rel=stylesheet href="a.css"><link rel=stylesheet href="{cross}">')


@case("arabic")
def arabic(on: Stage) -> None:
    """A page from right to left, with a picture whose name is Arabic."""
    image = on.put("%D8%B5%D9%88%D8%B1%D8%A9.png", answers.picture("صورة"))
    body = f'<div dir=rtl lang=ar>{ARABIC}<img src="صورة.png"></div>'
    on.page(body)
    on.dom_holds = (ARABIC,)
    assert image


@case("cp1256-declared-inside")
def cp1256_declared_inside(on: Stage) -> None:
    """windows-1256 that only a meta element declares."""
    text = f'<html><head><meta charset="windows-1256"><title>{ARABIC}</title><body>{ARABIC}'
    on.start = on.put("", plain("text/html", text.encode("cp1256")))
    on.dom_holds = (ARABIC,)


@case("cp1256-undeclared")
def cp1256_undeclared(on: Stage) -> None:
    """windows-1256 that nothing declares: the bytes are held, whatever the browser makes of them."""
    text = f"<html><head><title>{ARABIC}</title><body>{(ARABIC + ' ') * 20}"
    on.start = on.put("", plain("text/html", text.encode("cp1256")))


@case("idn-host")
def idn_host(on: Stage) -> None:
    """A picture on an Arabic host that doesn't resolve: listed under the name that was looked up."""
    on.page('<img src="http://مثال.invalid/a.png">')
    on.absent.append(Missing("http://xn--mgbh0fb.invalid/a.png", Reason.UNREACHABLE))
    on.is_partly_held()


@case("cookies")
def cookies(on: Stage) -> None:
    """A cookie that the page sets, without which its resources are refused."""

    def guarded(answer: Answer) -> Route:
        refusal = plain("text/plain", b"no cookie", status="403 Forbidden")
        return lambda request: answer if "key=open" in request.field("Cookie") else refusal

    urls = []
    for name in ("shown", "width-9", "lazy"):
        answer = answers.picture(name)
        urls.append(on.put(f"{name}.png", answer, route=guarded(answer)))
    body = f'<img src="{urls[0]}"><img srcset="{urls[1]} 5000w" src="{urls[0]}"><picture>'
    body += f'<source media="(min-width: 9000px)" srcset="{urls[2]}"><img src="{urls[0]}"></picture>'
    cookie = ("Set-Cookie", "key=open; Path=/cookies/; HttpOnly")
    on.start = on.put("", html(body, cookie, ("Set-Cookie", "other=1; SameSite=Strict")))


@case("cookie-in-a-script")
def cookie_in_a_script(on: Stage) -> None:
    """A cookie of other letters than Latin ones, without which what only we ask for is refused."""

    def guarded(request: Request) -> Answer:
        is_known = f"place={ARABIC}".encode().decode("latin-1") == request.field("Cookie")
        return wide if is_known else plain("text/plain", b"no cookie", status="403 Forbidden")

    wide = answers.picture("wide")
    shown, other = on.picture("shown.png"), on.put("wide.png", wide, route=guarded)
    on.page(
        f'<img src="{shown}" srcset="{shown} 1w, {other} 9000w" sizes="1px">'
        f"<script>document.cookie = 'place={ARABIC}'</script>"
    )


@case("secrets-stay-at-home")
def secrets_stay_at_home(on: Stage) -> None:
    """What only we ask for: cookies go on to their own host, and other sites learn but where it lies."""

    def at_home(request: Request) -> Answer:
        cookies = {"key=open", "more=yes"} - set(request.field("Cookie").split("; "))
        return plain("text/plain", b"no", status="403 Forbidden") if cookies else home

    def elsewhere(request: Request) -> Answer:
        is_told = request.field("Cookie") or request.field("Referer") != f"{on.at[Origin.HTTP]}/"
        return plain("text/plain", b"told", status="403 Forbidden") if is_told else away

    home, away = answers.picture("home"), answers.picture("away")
    urls = [
        on.put("away.png", away, Origin.CROSS, route=elsewhere),
        on.serve("leads-away.png", redirect("302 Found", on.url("away.png", Origin.CROSS))),
        on.serve("leads-on.png", redirect("302 Found", "home.png", ("Set-Cookie", "more=yes"))),
    ]
    on.put("home.png", home, route=at_home, in_account=False)
    body = "".join(
        f'<img src="shown.png" srcset="shown.png 1w, {url} 9000w" sizes="1px">' for url in urls
    )
    on.picture("shown.png")
    on.start = on.put("", html(body, ("Set-Cookie", "key=open")))


@family("referrer-policy", "no-referrer", "same-origin", "origin", "unsafe-url")
def referrer_policy(on: Stage, member: str) -> None:
    """What only we ask for, of another site too, goes out with no more than the page lets others know."""
    home = f"{on.at[Origin.HTTP]}/"
    allowed = {"no-referrer": ("", ""), "same-origin": (on.url(""), ""), "origin": (home, home)}
    own, others = allowed.get(member, (on.url(""), home))
    quieter = ("Referrer-Policy", "no-referrer")

    def guarded(answer: Answer, referer: str) -> Route:
        refusal = plain("text/plain", b"told", status="403 Forbidden")
        return lambda request: answer if request.field("Referer") == referer else refusal

    urls = [
        on.put("wide.png", wide := answers.picture("wide"), route=guarded(wide, own)),
        on.put("away.png", away := answers.picture("away"), Origin.CROSS, route=guarded(away, others)),
        on.serve("leads-away.png", redirect("302 Found", on.url("moved.png", Origin.CROSS))),
        on.serve("leads-on.png", redirect("302 Found", on.url("told.png", Origin.CROSS), quieter)),
    ]
    moved, told = answers.picture("moved"), answers.picture("told")
    on.put("moved.png", moved, Origin.CROSS, route=guarded(moved, others), in_account=False)
    on.put("told.png", told, Origin.CROSS, route=guarded(told, ""), in_account=False)
    shown = on.picture("shown.png")
    on.page(
        f"<meta name=referrer content={member}>"
        + "".join(f'<img src="{shown}" srcset="{shown} 1w, {url} 9000w" sizes="1px">' for url in urls)
    )


@case("redirect-chain")
def redirect_chain(on: Stage) -> None:
    """301, 302, 303, 307 and 308 in a row, each with a cookie that the last one asks for."""
    statuses = ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent")
    for number, status in enumerate(statuses):
        cookie = ("Set-Cookie", f"hop{number}=1; Path=/")
        # Relative and absolute Locations in turn (RFC 9110 10.2.2).
        there = f"hop-{number + 1}" if number % 2 else on.url(f"hop-{number + 1}")
        on.put(f"hop-{number}", redirect(status, there, cookie), in_account=False)
    final = html(f'<img src="{on.picture("there.png")}">')

    def guarded(request: Request) -> Answer:
        has_all = all(f"hop{n}=1" in request.field("Cookie") for n in range(5))
        return final if has_all else plain("text/plain", b"cookies?", status="403 Forbidden")

    on.serve("hop-5", guarded)
    # The account lists what a page asked for, not where it was sent on to.
    on.put("hop-5", final, route=guarded, in_account=False)
    on.start, on.final_url = on.url("hop-0"), on.url("hop-5")


@family("leads-on-by", "refresh", "script", "header")
def leads_on(on: Stage, member: str) -> None:
    """A page that sends its reader on without an HTTP redirect: both pages are held."""
    there = on.put("there", html(f'<p>Arrived</p><img src="{on.picture("there.png")}">'))
    ways = {
        "refresh": html(f'<meta http-equiv=refresh content="0; url={there}">'),
        "script": html(f"<script>location.replace('{there}')</script>"),
        "header": html("<p>Wait", ("Refresh", f"0;url={there}")),
    }
    on.start, on.final_url = on.put("", ways[member]), there
    on.dom_holds = ("Arrived",)


@family("leads-on-later-by", "meta", "header")
def leads_on_later(on: Stage, member: str) -> None:
    """A page that would send its reader on long after the visit: where to is held."""
    there = on.put("there", html("<p>Arrived"))
    later = f"6000;url={there.rpartition('/')[2]}"
    ways = {
        "meta": html(f'<meta http-equiv=refresh content="{later}">'),
        "header": html("<p>Wait", ("Refresh", later)),
    }
    on.start = on.put("", ways[member])


@family("file-redirect", 301, 302, 303, 307, 308)
def file_redirect(on: Stage, member: int) -> None:
    """A file behind a redirect of each kind."""
    on.start = on.put("from", redirect(f"{member} On", on.url("file.bin")), in_account=False)
    start = on.start
    on.file(plain("application/octet-stream", noise(str(member))))
    on.start, on.final_url = start, on.url("file.bin")
