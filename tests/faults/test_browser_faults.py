"""A browser that crashes, hangs, floods, eats memory or is killed costs its own page and no other."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from preservation.capture.browser.browser import Browser
from preservation.capture.browser.devtools import BrowserGone, DevToolsFault
from preservation.capture.browser.pool import BrowserPool
from preservation.settings import Limits, Settings
from tests.fakes.small_page import SmallPage, SmallSite

_EATER = """
const eaten = [];
setInterval(() => {
    const piece = new Uint8Array(32 << 20);
    for (let at = 0; at < piece.length; at += 4096) piece[at] = eaten.length + at;
    eaten.push(piece);
}, 10);
"""
_PAGES = {
    "/": "<title>front</title>",
    "/spin": "<title>spin</title><script>onload = () => setTimeout(() => { while (true); }, 50)</script>",
    "/eat": f"<title>eat</title><script>{_EATER}</script>",
    "/flood": "<title>flood</title><script>onload = () => setInterval(() => {"
    " for (let i = 0; i < 50; i++) console.log('x'.repeat(1 << 20)); }, 1)</script>",
    "/popups": "<title>popups</title><script>for (let i = 0; i < 500; i++) open('/?' + i)</script>",
}

_OWNER = """
import sys, time
from pathlib import Path
sys.executable = sys.argv[1]
from preservation.capture.browser.browser import Browser
from preservation.settings import Limits, Settings
browser = Browser(Settings(home=Path("/"), database_url="", log_origin="test", limits=Limits()))
print(browser.pid, browser.profile_folder, str(browser.isolation), sep="\\n", flush=True)
time.sleep(600)
"""


def settings(**limits: int) -> Settings:
    return Settings(home=Path("/"), database_url="", log_origin="test", limits=Limits(**limits))


@pytest.fixture
def pool():
    with BrowserPool(settings()) as running:
        yield running


@pytest.fixture(scope="module")
def site():
    with SmallSite(_PAGES) as running:
        yield running


def is_serving(pool: BrowserPool, site: SmallSite) -> bool:
    with pool.browser() as browser, SmallPage(browser) as page:
        page.go(site.url("/"))
        return page.evaluate("document.title") == "front"


def descendants_of(profile: str) -> list[str]:
    """Processes that name *profile* on their command line, zombies not counted."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if profile.encode() in path.read_bytes():
                found.append(path.parent.name)
    return found


def wait_until(is_so, seconds: float = 20) -> bool:
    give_up_at = time.monotonic() + seconds
    while not is_so() and time.monotonic() < give_up_at:
        time.sleep(0.05)
    return bool(is_so())


def test_a_page_that_crashes_leaves_a_browser_for_the_next(pool, site):
    with pool.browser() as browser, SmallPage(browser) as page:
        page.call("Page.enable", session=page.session)
        browser.devtools.send("Page.navigate", {"url": "chrome://crash"}, session=page.session)
        browser.devtools.pump(lambda: page.has_seen("Inspector.targetCrashed"), timeout_s=10)

        assert page.has_seen("Inspector.targetCrashed")

    assert is_serving(pool, site)


def kill_in_its_lease(pool: BrowserPool) -> None:
    with pool.browser() as browser:
        os.kill(browser.pid, signal.SIGKILL)
        while True:
            browser.devtools.call("Browser.getVersion", timeout_s=10)


def test_a_browser_that_is_killed_is_gone_for_its_page_and_replaced_for_the_next(pool, site):
    with pytest.raises(BrowserGone):
        kill_in_its_lease(pool)

    assert is_serving(pool, site)


def test_a_browser_that_dies_while_nobody_has_it_is_never_lent(pool, site):
    with pool.browser() as browser:
        pass
    os.kill(browser.pid, signal.SIGKILL)
    wait_until(lambda: browser.has_ended)

    assert is_serving(pool, site)


def ask_a_spinning_page(pool: BrowserPool, site: SmallSite, seen: list[Browser]) -> None:
    with pool.browser() as browser, SmallPage(browser) as page:
        seen.append(browser)
        page.go(site.url("/spin"))
        for _ in range(100):
            page.evaluate("1", timeout_s=1)
            time.sleep(0.1)


def test_a_page_that_spins_is_silent_and_holds_up_nobody(pool, site):
    seen: list[Browser] = []

    with pytest.raises(DevToolsFault, match="no answer"):
        ask_a_spinning_page(pool, site, seen)

    assert not descendants_of(str(seen[0].profile_folder))
    assert is_serving(pool, site)


def test_a_page_that_spins_and_is_left_so_does_not_stop_the_next(pool, site):
    with pool.browser() as browser, SmallPage(browser) as page:
        page.go(site.url("/spin"))
        time.sleep(0.2)

    assert is_serving(pool, site)


def let_it_eat(pool: BrowserPool, site: SmallSite) -> None:
    with pool.browser() as browser, SmallPage(browser) as page:
        page.go(site.url("/eat"))
        browser.devtools.pump(lambda: False, timeout_s=60)


def test_a_page_that_eats_memory_is_ended_and_the_verdict_says_why(site):
    with BrowserPool(settings(browser_memory_mb=800)) as pool:
        with pytest.raises(BrowserGone, match="MB, more than 800 MB"):
            let_it_eat(pool, site)

        assert is_serving(pool, site)


def test_a_browser_that_is_too_large_from_the_start_is_no_missing_program():
    with (
        BrowserPool(settings(browser_memory_mb=1)) as pool,
        pytest.raises(BrowserGone, match="more than 1 MB"),
        pool.browser() as browser,
    ):
        browser.devtools.pump(lambda: False, timeout_s=20)


def test_a_flood_of_messages_is_held_back_and_not_heaped_up(pool, site):
    with pool.browser() as browser, SmallPage(browser) as page:
        page.call("Runtime.enable", session=page.session)
        browser.devtools.listen(lambda *_: None)
        browser.devtools.send("Page.navigate", {"url": site.url("/flood")}, session=page.session)
        browser.devtools.pump(lambda: False, timeout_s=1)
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        time.sleep(1.5)
        grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb

    assert grown_kb < 64 << 10
    assert is_serving(pool, site)


def test_500_popups_open_no_window_and_stop_nobody(pool, site):
    with pool.browser() as browser, SmallPage(browser) as page:
        page.go(site.url("/popups"))
        windows = page.call("Target.getTargets")["targetInfos"]

    assert len(windows) == 1
    assert is_serving(pool, site)


@pytest.mark.parametrize("account", ["ours", "nobody"])
def test_nothing_is_left_when_our_process_is_killed(account):
    owner = start_owner(account)
    pid, profile, _ = (owner.stdout.readline().strip() for _ in range(3))
    assert wait_until(lambda: len(descendants_of(profile)) > 3)

    owner.kill()
    owner.wait()

    assert wait_until(lambda: not descendants_of(profile))
    assert wait_until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or _is_zombie(pid))
    with BrowserPool(settings()) as pool, pool.browser():
        assert account == "nobody" or not Path(profile).exists()


def test_nothing_is_left_when_the_launcher_is_killed():
    with Browser(settings()) as browser:
        launcher = Path(f"/proc/{browser.pid}/stat").read_text().rpartition(")")[2].split()[1]
        os.kill(int(launcher), signal.SIGKILL)

        assert wait_until(lambda: browser.has_ended)
        assert wait_until(lambda: not descendants_of(str(browser.profile_folder)))


def start_owner(account: str, inside: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A process of *account* that has a browser, started through the command *inside*.

    Its first lines are the browser's pid, profile and isolation.
    """
    python = sys.executable
    as_account: list[str] = []
    if account == "nobody":
        if os.geteuid() != 0:
            pytest.skip("only root can become nobody")
        # Our interpreter may lie where nobody can't read; the launcher needs no package of ours.
        python = "/usr/bin/python3"
        if not Path(python).exists():
            pytest.skip("there is no interpreter that nobody could use")
        as_account = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = [*inside, *as_account, sys.executable, "-c"]
    project = Path(__file__).parents[2]
    if subprocess.run([*command, "import preservation"], cwd=project, capture_output=True).returncode:
        pytest.skip(f"{account}, in that place, can't read {project} or its environment")
    return subprocess.Popen([*command, _OWNER, python], stdout=subprocess.PIPE, text=True, cwd=project)


def _is_zombie(pid: str) -> bool:
    with suppress(OSError):
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    return True


def test_a_browser_that_cannot_start_is_a_missing_program_with_its_words(tmp_path):
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho 'it will never do' >&2\nexit 1\n")
    broken.chmod(0o755)
    tmp_path.chmod(0o755)
    script = (
        "from pathlib import Path; from preservation.settings import *;"
        "from preservation.errors import ProgramMissing; from preservation.capture.browser.browser import Browser;"
        "import json\n"
        "try: Browser(Settings(home=Path('/'), database_url='', log_origin='x'))\n"
        "except ProgramMissing as fault: print(json.dumps([fault.message, fault.remedy]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    message, remedy = json.loads(done.stdout)
    assert message == f"{broken} can't start: it will never do."
    assert "apt-get install" in remedy
