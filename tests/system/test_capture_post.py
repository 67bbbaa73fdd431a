"""The post engine: a real yt-dlp against posts on loopback."""

from __future__ import annotations

import json

import pytest

from preservation.model.vocabulary import Engine, Outcome, Reason, Role
from tests.fakes.capture_attempts import Attempts
from tests.fakes.fault_site import ARABIC, FaultSite, film

POST = Engine.POST


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with FaultSite(film(tmp_path_factory.mktemp("film"))) as running:
        yield running


@pytest.fixture
def attempt(tmp_path):
    return Attempts(tmp_path)


def test_a_post_is_held_with_its_film_its_page_and_its_description(site, attempt):
    made = attempt(POST, site.url("/post"))

    (media,) = made.of_role(Role.MEDIA)
    description = json.loads(made.only(Role.PLATFORM_JSON))
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.content(media) == site.video
    assert (media.target_uri, media.content_type) == (site.url("/film.mp4"), "video/mp4")
    assert made.only(Role.HTML_AS_SERVED) == site.content("/post")[1]
    assert ARABIC in description["title"]
    assert ARABIC in made.result.observed_title
    assert made.result.observed_platform == "html5"
    assert made.result.http_status == 200
    assert "yt-dlp" in made.result.tools
    assert made.warc_faults() == 0
    assert [path.name for path in made.spool.iterdir()] == ["capture.warc.gz"]


def test_the_description_tells_nothing_of_this_machine(site, attempt):
    made = attempt(POST, site.url("/post"))

    assert str(made.spool) not in made.only(Role.PLATFORM_JSON).decode()


def test_a_playlist_of_segments_is_put_together_by_yt_dlp_itself(site, attempt):
    segments = [site.video[:1000], site.video[1000:]]
    listed = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"
    for number, segment in enumerate(segments):
        site.pages[f"/segment-{number}.ts"] = ("video/mp2t", segment)
        listed += f"#EXTINF:1,\n/segment-{number}.ts\n"
    site.pages["/stream.m3u8"] = ("application/vnd.apple.mpegurl", f"{listed}#EXT-X-ENDLIST\n".encode())

    made = attempt(POST, site.url("/stream.m3u8"))

    (media,) = made.of_role(Role.MEDIA)
    assert made.result.outcome is Outcome.CAPTURED, made.result.error_detail
    assert made.content(media) == site.video
    assert media.transfer_form == "pieced"


def test_in_place_of_a_format_that_is_gone_the_next_best_is_taken(site, attempt):
    playlist = (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/low.ts\n#EXT-X-ENDLIST\n"
    )
    variants = {"/gone-a.m3u8": 900, "/gone-b.m3u8": 600, "/low.m3u8": 300, "/lowest.m3u8": 100}
    master = "".join(
        f"#EXT-X-STREAM-INF:BANDWIDTH={1000 * rate},RESOLUTION={rate}x{rate}\n{path}\n"
        for path, rate in variants.items()
    )
    kind = "application/vnd.apple.mpegurl"
    site.pages["/variants.m3u8"] = (kind, f"#EXTM3U\n{master}".encode())
    site.pages["/low.m3u8"] = site.pages["/lowest.m3u8"] = (kind, playlist.encode())
    site.pages["/low.ts"] = ("video/mp2t", site.video)

    made = attempt(POST, site.url("/variants.m3u8"))

    (media,) = made.of_role(Role.MEDIA)
    assert made.content(media) == site.video
    assert (made.result.outcome, made.result.reason) == (Outcome.PARTLY_CAPTURED, Reason.NOT_FOUND)
    assert media.target_uri == site.url("/low.ts")
    assert not [line for line, _ in site.asked if "/lowest" in line]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/status/500", Reason.SERVER_ERROR),
        ("/status/404", Reason.NOT_FOUND),
        ("/unauthorised", Reason.LOGIN_WALL),
        ("/loop/a", Reason.REDIRECT_LOOP),
        ("/truncated.bin", Reason.TRUNCATED),
        ("/hang", Reason.TIMEOUT),
        ("/large", Reason.TOO_LARGE),
    ],
)
def test_each_failure_has_its_reason(path, reason, site, attempt):
    made = attempt(POST, site.url(path))

    assert (made.result.outcome, made.result.reason) == (Outcome.NOT_CAPTURED, reason), (
        made.result.error_detail
    )
    assert made.result.warc_file is None or made.warc_faults() == 0


def test_a_post_without_media_goes_on_to_the_page_engine(site, attempt):
    made = attempt(POST, site.url("/plain"))

    assert (made.result.reason, made.result.reroute_to) == (Reason.UNSUPPORTED_SITE, Engine.PAGE)
    assert made.only(Role.HTML_AS_SERVED) == site.content("/plain")[1]


def test_a_film_that_only_drips_ends_at_the_deadline(site, attempt):
    html = f'<title>D</title><video src="{site.url("/drip")}" type="video/mp4"></video>'
    site.pages["/slow-film"] = ("text/html", html.encode())

    made = attempt(POST, site.url("/slow-film"), post_deadline_s=3)

    assert made.result.reason is Reason.TIMEOUT
    assert (made.result.ended_at - made.result.started_at).total_seconds() < 15


def test_a_private_address_hears_nothing_of_a_post_whose_film_lies_there(tmp_path):
    with FaultSite() as public, FaultSite(host="127.0.0.2") as private:
        html = f'<title>P</title><video src="{private.url("/film.mp4")}"></video>'
        public.pages["/inward"] = ("text/html", html.encode())
        attempt = Attempts(tmp_path, networks=("127.0.0.1/32",))
        made = attempt(POST, public.url("/inward"))
        directly = attempt(POST, private.url("/post"))

    assert made.result.reason is Reason.PRIVATE_NETWORK_REFUSED, made.result.error_detail
    assert directly.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert private.asked == []
