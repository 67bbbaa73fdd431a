"""Browsers are used again, and nothing of one page is there for the next."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from preservation.capture.browser.browser import Browser
from preservation.capture.browser.pool import BrowserPool
from preservation.settings import Limits, Settings
from tests.fakes.small_page import SmallPage, SmallSite
from tests.fakes.tls_authority import TestAuthority
from tests.faults.test_browser_faults import wait_until

_PAGES = {"/": "<title>front</title>", "/script.js": "let seen = 1", "/worker.js": "// a worker"}

_LEAVE_TRACES = """(async () => {
    localStorage.setItem('visited', 'yes');
    await (await fetch('/script.js')).text();
    await new Promise(done => { indexedDB.open('visited').onsuccess = done; });
    await (await caches.open('visited')).put('/kept', new Response('kept'));
    await navigator.serviceWorker.register('/worker.js');
    await navigator.serviceWorker.ready;
})()"""

_TRACES = """(async () => ({
    cookie: document.cookie,
    storage: localStorage.getItem('visited'),
    databases: (await indexedDB.databases()).length,
    caches: (await caches.keys()).length,
    workers: (await navigator.serviceWorker.getRegistrations()).length,
    history: history.length,
}))()"""

_NO_TRACES = {
    "cookie": "visitor=1",
    "storage": None,
    "databases": 0,
    "caches": 0,
    "workers": 0,
    "history": 2,
}


def settings(tmp_path: Path, **limits: int) -> Settings:
    return Settings(home=tmp_path, database_url="", log_origin="test", limits=Limits(**limits))


@pytest.fixture
def pool(tmp_path):
    with BrowserPool(settings(tmp_path)) as running:
        yield running


@pytest.fixture(scope="module")
def small_site():
    with SmallSite(_PAGES) as running:
        yield running


def profiles() -> list[Path]:
    return sorted(Path(tempfile.gettempdir()).glob(f"preserve-profile-{os.getpid()}-*"))


def keys_of(browser: Browser) -> bytes:
    """Its key log, once there is something in it: Chromium writes it on a thread of its own."""
    wait_until(lambda: b"CLIENT_TRAFFIC_SECRET_0 " in browser.key_log_text())
    return browser.key_log_text()


def test_the_next_page_has_the_same_browser_and_nothing_that_the_last_one_left(pool, small_site):
    with pool.browser() as first, SmallPage(first) as page:
        page.go(small_site.url("/"))
        page.evaluate(_LEAVE_TRACES)
        page.go(small_site.url("/"))
        assert page.evaluate(_TRACES) != _NO_TRACES
        assert ("/script.js", "visitor=1") in small_site.asked
    small_site.asked.clear()

    with pool.browser() as second, SmallPage(second) as page:
        page.go(small_site.url("/"))
        traces = page.evaluate(_TRACES)
        page.evaluate("fetch('/script.js').then(answer => answer.text())")

        assert second.pid == first.pid
    assert traces == _NO_TRACES
    assert ("/", "") in small_site.asked
    assert "/script.js" in dict(small_site.asked)


def test_what_a_page_left_open_is_closed_and_its_events_reach_nobody(pool, small_site):
    with pool.browser() as browser, SmallPage(browser) as page:
        page.call("Target.setDiscoverTargets", {"discover": True})
        page.go(small_site.url("/"))
        page.evaluate("setInterval(() => console.log('still here'), 1)")
        page.call("Runtime.enable", session=page.session)
        page.call("Target.createTarget", {"url": "about:blank"})
        left_open = page.session

    with pool.browser() as again, SmallPage(again) as page:
        page.go(small_site.url("/"))
        targets = page.call("Target.getTargets")["targetInfos"]
        contexts = page.call("Target.getBrowserContexts")["browserContextIds"]

        assert again.pid == browser.pid
        assert [target["targetId"] for target in targets] == [page.target]
        assert contexts == [page.context]
        assert left_open not in {session for _, _, session in page.events}
        assert not page.has_seen("Target.targetInfoChanged")


@pytest.mark.parametrize("pages", [1, 2])
def test_a_browser_is_replaced_after_its_pages(tmp_path, pages):
    with BrowserPool(settings(tmp_path, browser_pages=pages)) as pool:
        pids = []
        for _ in range(2 * pages):
            with pool.browser() as browser:
                pids.append(browser.pid)

    assert len(set(pids)) == 2
    assert pids[:pages] == [pids[0]] * pages


def test_two_callers_have_two_browsers(pool):
    with pool.browser() as one, pool.browser() as other:
        assert one.pid != other.pid


def test_a_browser_outlives_the_thread_that_first_leased_it(pool):
    pids = []

    def lease():
        with pool.browser() as browser:
            pids.append(browser.pid)

    for _ in range(2):
        task = threading.Thread(target=lease)
        task.start()
        task.join()

    assert pids[0] == pids[1]


def test_a_browser_whose_lease_ended_in_an_error_is_not_used_again(pool):
    with pytest.raises(ZeroDivisionError), pool.browser() as first:
        raise ZeroDivisionError

    with pool.browser() as second:
        assert second.pid != first.pid


def test_a_closed_pool_leaves_no_process_and_no_profile(tmp_path):
    before = profiles()
    with ExitStack() as stack:
        pool = stack.enter_context(BrowserPool(settings(tmp_path)))
        with pool.browser() as idle, pool.browser() as lent:
            assert len(profiles()) == len(before) + 2
            pool.close()

    assert profiles() == before
    for browser in (idle, lent):
        with pytest.raises(ProcessLookupError):
            os.killpg(browser.pid, 0)


def test_keys_of_a_connection_are_there_while_the_browser_runs_and_in_its_own_lease_alone(tmp_path):
    authority = TestAuthority(tmp_path / "authority")
    trusting = replace(settings(tmp_path), capture_roots=authority.root_pem)
    with SmallSite(_PAGES, authority.server_context()) as site, BrowserPool(trusting) as pool:
        texts = []
        for _ in range(2):
            with pool.browser() as browser, SmallPage(browser) as page:
                assert page.go(site.url("/")) is None
                texts.append(keys_of(browser))

        whole = browser.key_log.parent

    for text in texts:
        assert text.endswith(b"\n")
        assert b"CLIENT_TRAFFIC_SECRET_0 " in text
    assert not set(texts[0].splitlines()) & set(texts[1].splitlines())
    assert not whole.exists()


def test_a_page_is_not_told_that_it_is_offline(pool, small_site):
    with pool.browser() as browser, SmallPage(browser) as page:
        page.go(small_site.url("/"))

        assert page.evaluate("navigator.onLine") is True
