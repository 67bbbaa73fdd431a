"""Cases: what only a reader who looks into every corner makes a page load."""

from __future__ import annotations

from tests.fakes.wire_site.answers import html
from tests.fakes.wire_site.case import Stage, case

_GAP = '<div style="height:1100px"></div>'


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
