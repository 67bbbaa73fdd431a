"""What says who or where we are, or lets others in, stays out of records, messages and other hands."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from preservation.capture.browser import flags
from preservation.capture.gateway.connection import CannotConnect
from preservation.capture.gateway.egress import connected_through
from preservation.capture.gateway.egress import egress_of as way_out
from preservation.capture.gateway.names import PinnedNames
from preservation.errors import AuthorityUnavailable, SettingsInvalid
from preservation.pipeline.own_paths import without_own_paths
from preservation.settings import PROJECT, EgressSettings, Settings, load
from preservation.settings.egress import egress_of
from preservation.settings.storage import storage_of
from preservation.state import schema
from preservation.timestamp.http import ask
from tests.fakes.own_home import OwnHome

SECRET = "correct-horse"
CLOSED_PORT = 9


def test_pages_learn_neither_our_time_zone_nor_our_language(monkeypatch, tmp_path):
    for name in ("TZ", "LANG", "LC_ALL"):
        monkeypatch.setenv(name, "Asia/Damascus")

    told = flags.environment(tmp_path)

    assert (told["TZ"], told["LANG"]) == ("UTC", "C.UTF-8")
    assert "Asia/Damascus" not in told.values()


@pytest.mark.parametrize("url", [f"http://us:{SECRET}@proxy:80/", f"socks4://us:{SECRET}@proxy:80"])
def test_a_way_out_that_cannot_be_used_does_not_tell_its_password(url):
    with pytest.raises(SettingsInvalid) as caught:
        egress_of({"name": "institute", "url": url})

    assert SECRET not in str(caught.value)
    assert "institute" in caught.value.message


def test_an_address_in_place_of_a_way_outs_name_is_not_repeated(tmp_path):
    (tmp_path / "preserve.toml").write_text('log_origin = "test"', "utf-8")

    with pytest.raises(SettingsInvalid) as caught:
        load(tmp_path, {"PRESERVE_EGRESS": f"http://us:{SECRET}@proxy:80"})

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "section",
    [
        {"url": f"https://key:{SECRET}@s3.example.org/bucket"},
        {"url": f"s3://key:{SECRET}@bucket/archive"},
        {"url": "s3://bucket/archive", "endpoint": f"https://key:{SECRET}@s3.example.org"},
    ],
)
def test_credentials_in_a_place_are_refused_and_not_repeated(tmp_path, section):
    with pytest.raises(SettingsInvalid) as caught:
        storage_of(section, named="storage", home=tmp_path)

    assert SECRET not in f"{caught.value} {caught.value.remedy}"


@pytest.mark.parametrize(
    "url", [f"http://127.0.0.1:{CLOSED_PORT}/tsa?key={SECRET}", f"htps://us:{SECRET}@tsa.example.org/"]
)
def test_what_is_sealed_of_a_silent_authority_has_no_key_of_its_address(url):
    with pytest.raises(AuthorityUnavailable) as caught:
        ask("institute", url, b"query", deadline_s=5)

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("place", [f"127.0.0.1:{CLOSED_PORT}", f"proxy.invalid:{CLOSED_PORT}"])
@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_what_is_sealed_of_a_proxy_that_is_down_does_not_say_where_it_is(scheme, place):
    egress = way_out(EgressSettings(name="institute", url=f"{scheme}://{place}"), circuit="")

    with pytest.raises(CannotConnect) as caught:
        asyncio.run(connected_through(egress, "192.0.2.1", 80, proxies=PinnedNames(), timeout_s=20))

    assert "institute can't be used" in str(caught.value)
    assert place.partition(":")[0] not in str(caught.value)


def test_a_tools_words_keep_no_path_of_this_machine(tmp_path):
    settings = Settings(home=tmp_path / "home", database_url="sqlite://", log_origin="test")
    words = (
        f"{settings.home}/work/a: gone; {PROJECT}/preservation/x.py; {sys.prefix}/y; {Path.home()}/z"
    )

    told = without_own_paths(words, settings)

    assert told == "HOME/work/a: gone; PROJECT/preservation/x.py; PYTHON/y; ~/z"


def test_an_address_that_looks_like_a_path_of_this_machine_stays_as_it_is(tmp_path):
    settings = Settings(home=Path("/data"), database_url="sqlite://", log_origin="test")
    words = "https://example.org/data/1 refused; /database is another place"

    assert without_own_paths(words, settings) == words


def test_the_record_of_a_surprise_has_no_path_of_this_machine(tmp_path):
    home, photo = OwnHome(tmp_path / "home"), tmp_path / "photo.jpg"
    photo.write_bytes(b"picture")
    home.submit(str(photo))
    (kept,) = (path for path in home.settings.inbox.rglob("*") if path.is_file())
    kept.unlink()
    kept.mkdir()

    home.capture()

    with home.database.connect() as connection:
        (row,) = connection.execute(select(schema.attempt))
    assert "Traceback" in row.error_detail
    assert not any(str(place) in row.error_detail for place in (tmp_path, PROJECT, sys.prefix))
