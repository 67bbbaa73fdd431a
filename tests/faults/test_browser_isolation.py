"""A browser reaches the listeners that it is given and nothing else, whatever a page tries."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from preservation.capture.browser import cage as browser_cage
from preservation.capture.browser.browser import Browser
from preservation.capture.browser.cage import ACCOUNT, Cage
from preservation.capture.browser.profile import Profile
from preservation.settings import Limits, Settings
from tests.fakes.small_page import SmallPage, SmallSite
from tests.faults.test_browser_faults import start_owner, wait_until

_NO_SECCOMP, _SECCOMP_FILTER = "0", "2"
_SETTINGS = Settings(home=Path("/"), database_url="", log_origin="test", limits=Limits())

_TRY_EVERYTHING = """(async ([tcp, udp, hosts]) => {
    const tries = [];
    const patient = promise => Promise.race([promise, new Promise(done => setTimeout(done, 1500))]);
    for (const host of hosts) {
        tries.push(fetch(`http://${host}:${tcp}/fetch`, {mode: 'no-cors'}).catch(() => 0));
        tries.push(new Promise(done => { const image = new Image(); image.onload = image.onerror = done;
            image.src = `http://${host}:${tcp}/image`; }));
        tries.push(new Promise(done => { const socket = new WebSocket(`ws://${host}:${tcp}/socket`);
            socket.onopen = socket.onerror = done; }));
        const peer = new RTCPeerConnection({iceServers: [{urls: `stun:${host}:${udp}`},
            {urls: `turn:${host}:${udp}`, username: 'a', credential: 'b'},
            {urls: `turn:${host}:${tcp}?transport=tcp`, username: 'a', credential: 'b'}]});
        peer.createDataChannel('out');
        await peer.setLocalDescription(await peer.createOffer());
        tries.push(new Promise(done => { peer.onicegatheringstatechange = () =>
            peer.iceGatheringState === 'complete' && done(); }));
    }
    for (const name of ['outside.example', 'localhost.example'])
        tries.push(fetch(`http://${name}:${tcp}/`, {mode: 'no-cors'}).catch(() => 0));
    await patient(Promise.all(tries));
    return 'tried';
})"""

_CAGED_PROGRAM = """
import json, os, socket
tcp, udp, hosts, own = json.loads(os.read(3, 9999))
reached = []
for host in hosts:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (tcp, 53, 80, 443, own):
        try:
            socket.create_connection((host, port), timeout=0.3).close()
            reached.append([host, port])
        except OSError:
            pass
    for port in (udp, 53):
        try:
            socket.socket(family, socket.SOCK_DGRAM).sendto(b"out", (host, port))
        except OSError:
            pass
os.write(4, json.dumps(reached).encode())
"""


_REFUSE_NAMESPACES = """
echo 0 > /proc/sys/user/max_user_namespaces
exec setpriv --bounding-set=-all --inh-caps=-all "$@"
"""


class Outside:
    """Listens with TCP and UDP on every address of this machine, and notes who came."""

    def __init__(self) -> None:
        self.tcp = socket.create_server(("0.0.0.0", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", 0))

    @property
    def hosts(self) -> list[str]:
        """Loopback, this machine's own address, and some that lie beyond it."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, contextlib.suppress(OSError):
            asking.connect(("192.0.2.9", 9))
            return ["127.0.0.1", asking.getsockname()[0], "169.254.169.254", "10.0.0.1"]
        return ["127.0.0.1", "169.254.169.254", "10.0.0.1"]

    @property
    def ports(self) -> list[int]:
        return [self.tcp.getsockname()[1], self.udp.getsockname()[1]]

    def was_reached(self) -> bool:
        return bool(select.select([self.tcp, self.udp], [], [], 0.3)[0])


@pytest.fixture
def outside() -> Iterator[Outside]:
    listening = Outside()
    with listening.tcp, listening.udp:
        yield listening


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(_SETTINGS) as running:
        yield running


@pytest.fixture
def in_namespace(browser) -> None:
    if browser.isolation.network != "namespace":
        pytest.skip(f"this machine: {browser.isolation}")


def renderers_of(browser: Browser) -> list[dict[str, str]]:
    """The status (proc(5)) of each renderer of *browser*."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            call = (path / "cmdline").read_bytes()
            if b"--type=renderer" in call and str(browser.profile_folder).encode() in call:
                lines = (path / "status").read_text().splitlines()
                found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


@pytest.mark.usefixtures("in_namespace")
def test_no_page_reaches_anything_by_any_means_even_without_a_proxy(browser, outside):
    with SmallSite({"/": "<title>front</title>"}) as site:
        with SmallPage(browser, proxy="direct://") as page:
            page.go("data:text/html,<title>here</title>")
            arguments = [*outside.ports, outside.hosts]
            assert page.evaluate(f"{_TRY_EVERYTHING}({arguments!r})", timeout_s=20) == "tried"
            error = page.go(site.url("/"))

        assert not outside.was_reached()
        assert error == "net::ERR_CONNECTION_REFUSED"
        assert site.asked == []


@pytest.mark.usefixtures("in_namespace")
def test_a_program_in_the_cage_reaches_its_listener_alone(outside):
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin") or sys.executable
    profile = Profile()
    caged = browser_cage.start(
        Cage(), [python, "-c", _CAGED_PROGRAM], profile=profile, sockets=1, environment={}
    )
    [listener] = caged.sockets
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    own = listener.getsockname()[1]

    os.write(caged.commands, json.dumps([*outside.ports, [*outside.hosts, "::1"], own]).encode())
    reached = json.loads(os.read(caged.answers, 9999))

    assert reached == [["127.0.0.1", own]]
    assert not outside.was_reached()
    caged.end()
    caged.close_descriptors()
    profile.remove()


def test_what_the_isolation_says_holds(browser):
    isolation = browser.isolation

    with SmallPage(browser) as page:
        page.go("data:text/html,<title>here</title>")

        # A renderer that has just begun isn't in its sandbox yet.
        filters = {_SECCOMP_FILTER if isolation.sandbox == "chromium" else _NO_SECCOMP}
        assert wait_until(lambda: {one["Seccomp"] for one in renderers_of(browser)} == filters)

    own = Path("/proc/self/ns/net").readlink()
    is_apart = Path(f"/proc/{browser.pid}/ns/net").readlink() != own
    assert is_apart == (isolation.network == "namespace")
    user = Path(f"/proc/{browser.pid}").stat().st_uid
    assert isolation.user.split()[0] == str(user)
    assert int(Path(f"/proc/{browser.pid}/oom_score_adj").read_text()) > 0
    assert os.getpriority(os.PRIO_PROCESS, browser.pid) > 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another")
def test_root_gives_the_browser_to_an_account_that_owns_nothing_else(browser):
    assert browser.isolation.user == str(ACCOUNT)
    assert browser.isolation.sandbox == "chromium"
    assert browser.profile_folder.stat().st_uid == ACCOUNT
    assert browser.profile_folder.stat().st_mode & 0o077 == 0


def test_without_a_namespace_everything_still_goes_to_the_proxy(outside):
    caged = Cage(namespace=False)
    with Browser(_SETTINGS, ladder=(caged, Cage(namespace=False, sandbox=False))) as browser:
        assert browser.isolation.network == "proxy-only"
        with SmallPage(browser, proxy="socks5://127.0.0.1:1") as page:
            page.go("data:text/html,<title>here</title>")
            arguments = [*outside.ports, outside.hosts]
            assert page.evaluate(f"{_TRY_EVERYTHING}({arguments!r})", timeout_s=20) == "tried"

    assert not outside.was_reached()


def test_an_account_without_privilege_gets_a_namespace_of_its_own_where_it_may():
    if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
        pytest.skip("this machine has no user namespaces")
    owner = start_owner("nobody")
    _, _, isolation = (owner.stdout.readline().strip() for _ in range(3))
    owner.kill()
    owner.wait()

    assert isolation == "network namespace, sandbox chromium, user 65534 (ours)"


def test_what_a_machine_refuses_is_done_without_and_said():
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        pytest.skip("only root can make a machine that refuses")
    refusing = [unshare, "--user", "--map-root-user", "sh", "-c", _REFUSE_NAMESPACES, "sh"]

    owner = start_owner("ours", inside=refusing)
    pid, _, isolation = (owner.stdout.readline().strip() for _ in range(3))
    owner.kill()
    owner.wait()

    assert int(pid) > 0
    assert isolation.startswith("network proxy-only, sandbox off, user 0 (root); refused: ")
    assert "network namespace of root: Operation not permitted" in isolation
    assert "sandbox: " in isolation
