"""No packet leaves to a forbidden address, whatever the URL, the name, the redirect or the page says.

The attempts run in a network namespace of their own where every forbidden address exists, accepts
connections and answers (`tests.fakes.forbidden_island`): it is the addresses that testify, not our
logs. Where the system permits no such namespace, the last tests still show the same on loopback.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from preservation.model.vocabulary import Engine, Outcome, Reason
from tests.fakes.capture_attempts import Attempts

PROJECT = Path(__file__).parent.parent.parent
SITE_NETWORKS = ("93.184.216.34/32", "2606:2800:220:1::1/128")
UNSHARE = ("unshare", "--net", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))
WITHOUT_NAMESPACES = (
    *("unshare", "--map-root-user", "--net", "--mount"),
    # In this user namespace alone (namespaces(7)): nobody in it gets a further network.
    *("sh", "-c", 'echo 0 > /proc/sys/user/max_net_namespaces && exec "$@"', "sh"),
)
TCP_PORTS = (22, 80, 443, 1234, 3000, 6379, 8000, 8080, 8443, 9200)
UDP_PORTS = (53, 80, 443, 3478, 5353)

LITERALS = {
    "loopback": (
        "127.0.0.1", "127.1", "127.0.1", "127.0.0.1.", "2130706433", "0x7f000001", "0X7F000001", "0x7f.0.0.1",
        "0x7f.1", "017700000001", "0177.0.0.1", "0177.1", "00000177.0.0.1", "127.000.000.001", "0x7f.0x0.0x0.0x1",
        "127.0.0.2", "127.255.255.254", "localhost", "LOCALHOST", "localhost.", "LocalHost", "0.0.0.0", "0",
        "0x0", "00", "0.0.0.1",
    ),
    "metadata": (
        "169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376", "169.254.43518", "169.16689662", "0251.254.0xa9fe", "100.100.100.200",
        "192.0.0.192", "168.63.129.16", "[fd00:ec2::254]", "[fd20:ce::254]", "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
    ),
    "private": (
        "10.1.2.3", "167838211", "0xa010203", "012.1.2.3", "10.66051", "10.1.515", "172.16.5.4", "172.31.255.254",
        "192.168.1.1", "3232235777", "0xc0a80101", "192.168.257", "0300.0250.1.1", "100.64.0.1", "intranet",
    ),
    "special": (
        "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "192.88.99.1", "224.0.0.1", "239.255.255.250",
        "240.0.0.1", "255.255.255.255",
    ),
    "ipv6": (
        "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:10.1.2.3]",
        "[0:0:0:0:0:ffff:7f00:1]", "[::127.0.0.1]", "[::10.1.2.3]", "[::ffff:0:10.1.2.3]", "[64:ff9b::10.1.2.3]",
        "[64:ff9b::a9fe:a9fe]", "[64:ff9b::7f00:1]", "[64:ff9b:1::10.1.2.3]", "[2002:a01:203::1]",
        "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001::f5fe:fdfc]", "[2001:0:a01:203::1]", "[fc00::1]",
        "[fd00::1]", "[fe80::1]", "[fe80::1%25lo]", "[fe80::1%lo]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]",
        "[100::1]", "[3fff::1]", "[5f00::1]", "[4000::1]", "[abcd::1]",
    ),
}  # fmt: skip

NAMES: dict[str, list[list[str]]] = {
    "public.example": [["93.184.216.34", "2606:2800:220:1::1"]],
    "loopback.example": [["127.0.0.1"]],
    "loopback6.example": [["::1"]],
    "zero.example": [["0.0.0.0"]],
    "private.example": [["10.1.2.3"]],
    "two-private.example": [["10.1.2.3", "192.168.1.1"]],
    "metadata.example": [["169.254.169.254"]],
    "carrier.example": [["100.64.0.1"]],
    "broadcast.example": [["255.255.255.255"]],
    "multicast.example": [["224.0.0.1"]],
    "local6.example": [["fd00::1"]],
    "link6.example": [["fe80::1"]],
    "mapped.example": [["::ffff:10.1.2.3"]],
    "nat64.example": [["64:ff9b::a01:203"]],
    "6to4.example": [["2002:a01:203::1"]],
    "teredo.example": [["2001::f5fe:fdfc"]],
    "private-both.example": [["10.1.2.3", "fd00::1"]],
    "10.1.2.3.nip.example": [["10.1.2.3"]],
    "xn--mnchen-private-gsb.example": [["10.1.2.3"]],
    "mixed.example": [["93.184.216.34", "10.1.2.3", "fd00::1"]],
    "mixed-first.example": [["10.1.2.3", "93.184.216.34"]],
    "rebinding.example": [["93.184.216.34"], ["10.1.2.3"]],
    "rebinding-page.example": [["93.184.216.34"], ["127.0.0.1"]],
    "rebinding-media.example": [["93.184.216.34"], ["169.254.169.254"]],
}
"""Name to its answers, one after another; the last is given for ever."""

FORBIDDEN_NAMES = (
    "loopback.example", "loopback6.example", "zero.example", "private.example", "PRIVATE.example",
    "private.example.", "two-private.example", "metadata.example", "carrier.example", "broadcast.example",
    "multicast.example", "local6.example", "link6.example", "mapped.example", "nat64.example", "6to4.example",
    "teredo.example", "private-both.example", "10.1.2.3.nip.example", "münchen-private.example",
    "xn--mnchen-private-gsb.example",
)  # fmt: skip

WRITTEN_STRANGELY = (
    "http://public.example@10.1.2.3/", "http://public.example:80@10.1.2.3/", "http://public.example%40@10.1.2.3/",
    "http://93.184.216.34%2f@10.1.2.3/", "http://a@b@10.1.2.3/", "http://10.1.2.3\\@public.example/",
    "http://10.1.2.3:80:80/", "http://10.1.2.3:0/", "http://10.1.2.3:99999/",
    "http://10.1.2.3\t/", "http://10.1.2.3\r\nHost: public.example/", "http://10.1.2.3%00.public.example/",
    "http://10.1.2.3 .public.example/", "http:10.1.2.3/", "http:///10.1.2.3/", "//10.1.2.3/", "\\\\10.1.2.3\\",
    "http://[10.1.2.3]/", "http://[::ffff:10.1.2.3/", "http://[v1.10.1.2.3]/", "http://１０.1.2.3/",
    "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ⓛocalhost/", "http://10.1.2.3%2f/", "http://%31%30.1.2.3/",
    "http://10.1.2.3:6379/", "http://10.1.2.3:22/", "https://10.1.2.3/", "https://10.1.2.3:8443/",
    "https://169.254.169.254/latest/meta-data/", "http://169.254.169.254:1234/", "HTTP://10.1.2.3/",
    "http://10.1.2.3/x#@public.example", "http://10.1.2.3?@public.example/", "ftp://10.1.2.3/",
    "gopher://10.1.2.3:6379/_FLUSHALL", "dict://10.1.2.3:6379/info", "file:///etc/hosts", "ws://10.1.2.3/",
    "view-source:http://10.1.2.3/", "javascript:fetch('http://10.1.2.3/')", "data:text/html,<img src=//10.1.2.3/>",
)  # fmt: skip

REDIRECT_TARGETS = {
    "dotted": "http://10.1.2.3/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "loopback6": "http://[::1]/",
    "decimal": "http://2130706433/",
    "name": "http://private.example/",
    "user": "http://public.example@10.1.2.3/",
    "no-scheme": "//10.1.2.3/",
    "other-port": "http://10.1.2.3:6379/",
    "mapped": "http://[::ffff:10.1.2.3]/",
}
STATUSES = (301, 302, 303, 307, 308)

T = "http://10.1.2.3"
SUBRESOURCES = {
    "img": f'<img src="{T}/img">',
    "img-decimal": '<img src="http://167838211/img-decimal">',
    "img-octal": '<img src="http://012.1.2.3/img-octal">',
    "img-metadata": '<img src="http://169.254.169.254/img-metadata">',
    "img-localhost": '<img src="http://localhost/img-localhost">',
    "img-127": '<img src="http://127.0.0.1:8080/img-127">',
    "img-ipv6": '<img src="http://[::1]/img-ipv6">',
    "img-ula": '<img src="http://[fd00::1]/img-ula">',
    "img-link-local": '<img src="http://[fe80::1]/img-link-local">',
    "img-mapped": '<img src="http://[::ffff:10.1.2.3]/img-mapped">',
    "img-name": '<img src="http://private.example/img-name">',
    "img-intranet": '<img src="http://intranet/img-intranet">',
    "img-redirected": '<img src="/to-dotted-302">',
    "img-redirected-307": '<img src="/to-metadata-307">',
    "img-port": f'<img src="{T}:9200/img-port">',
    "img-user": '<img src="http://public.example@10.1.2.3/img-user">',
    "srcset": f'<img srcset="{T}/srcset 1x, {T}/srcset2 2x">',
    "picture": f'<picture><source srcset="{T}/picture"><img></picture>',
    "css": f'<link rel="stylesheet" href="{T}/css">',
    "css-import": f'<style>@import url("{T}/css-import");</style>',
    "css-background": f'<div style="background:url({T}/css-background);height:9px"></div>',
    "css-font": f"<style>@font-face{{font-family:f;src:url({T}/css-font)}}p{{font-family:f}}</style><p>f</p>",
    "script": f'<script src="{T}/script"></script>',
    "module": f'<script type="module" src="{T}/module"></script>',
    "iframe": f'<iframe src="{T}/iframe"></iframe>',
    "iframe-refresh": "<iframe src=/refreshes></iframe>",
    "iframe-refresh-header": "<iframe src=/refreshes-by-header></iframe>",
    "iframe-script": "<iframe src=/goes></iframe>",
    "iframe-form": "<iframe src=/posts></iframe>",
    "iframe-srcdoc": f"<iframe srcdoc='<img src={T}/iframe-srcdoc>'></iframe>",
    "frame-form": f'<iframe name=f></iframe><form target=f action="{T}/frame-form" id=q></form><script>q.submit()</script>',
    "object": f'<object data="{T}/object"></object>',
    "embed": f'<embed src="{T}/embed">',
    "video": f'<video src="{T}/video" autoplay muted></video>',
    "video-poster": f'<video poster="{T}/video-poster"></video>',
    "video-source": f'<video autoplay muted><source src="{T}/video-source"></video>',
    "video-track": f'<video><track default src="{T}/video-track"></video>',
    "audio": f'<audio src="{T}/audio" preload=auto></audio>',
    "input-image": f'<input type=image src="{T}/input-image">',
    "svg-image": f'<svg><image href="{T}/svg-image"/></svg>',
    "svg-use": f'<svg><use href="{T}/svg-use#a"/></svg>',
    "prefetch": f'<link rel="prefetch" href="{T}/prefetch">',
    "preload": f'<link rel="preload" as="image" href="{T}/preload">',
    "modulepreload": f'<link rel="modulepreload" href="{T}/modulepreload">',
    "preconnect": f'<link rel="preconnect" href="{T}">',
    "preconnect-name": '<link rel="preconnect" href="http://metadata.example">',
    "dns-prefetch": '<link rel="dns-prefetch" href="//private-both.example">',
    "icon": f'<link rel="icon" href="{T}/icon">',
    "manifest": f'<link rel="manifest" href="{T}/manifest">',
    "body-background": f'<table background="{T}/body-background"><tr><td>x</table>',
    "ping": f'<a id=a ping="{T}/ping" href="#x">x</a><script>a.click()</script>',
    "speculation": '<script type="speculationrules">{"prefetch":[{"source":"list","urls":["http://10.1.2.3/spec"]}]}</script>',
    "scripted": f"""<script>
      fetch("{T}/fetch").catch(String); fetch("{T}/fetch-mode", {{mode: "no-cors"}}).catch(String);
      fetch("http://0x0a010203/fetch-hex", {{mode: "no-cors"}}).catch(String);
      fetch("http://[::ffff:7f00:1]/fetch-mapped", {{mode: "no-cors"}}).catch(String);
      fetch("{T}/keepalive", {{mode: "no-cors", keepalive: true}}).catch(String);
      fetch("/to-dotted-303", {{mode: "no-cors"}}).catch(String);
      var x = new XMLHttpRequest(); x.open("GET", "{T}/xhr"); x.send();
      navigator.sendBeacon("{T}/beacon", "x");
      new Image().src = "{T}/new-image";
      try {{ new WebSocket("ws://10.1.2.3/websocket"); new WebSocket("ws://127.0.0.1:6379/") }} catch (e) {{}}
      new EventSource("{T}/event-source");
      new Worker(URL.createObjectURL(new Blob(['importScripts("{T}/worker-script"); fetch("{T}/worker-fetch")'])));
      new Worker(URL.createObjectURL(new Blob(['fetch("{T}/worker-fetch-2", {{mode: "no-cors"}})'])));
      import("{T}/dynamic-import").catch(String);
      try {{ new WebTransport("https://10.1.2.3:443/webtransport") }} catch (e) {{}}
      try {{ var p = new RTCPeerConnection({{iceServers: [{{urls: "stun:10.1.2.3:3478"}}, {{urls:
        "turn:10.1.2.3:3478?transport=tcp", username: "u", credential: "c"}}]}});
        p.createDataChannel("d"); p.createOffer().then(o => p.setLocalDescription(o)) }} catch (e) {{}}
      open("{T}/pop-up");
    </script>""",
}
"""What a page may load, by name; the islands' witnesses know that none of it arrived."""

PAGES: dict[str, dict[str, Any]] = {
    "/": {"body": "<title>Home</title><p>words"},
    "/everything": {"body": f"<title>All</title><p>words {''.join(SUBRESOURCES.values())}"},
    "/refreshes": {"body": f'<meta http-equiv="refresh" content="0;url={T}/refreshed">'},
    "/refreshes-by-header": {"body": "x", "headers": {"Refresh": f"0;url={T}/refreshed"}},
    "/goes": {"body": f'<script>location = "{T}/gone"</script>'},
    "/posts": {
        "body": f'<form method=post action="{T}/posted" id=f></form><script>f.submit()</script>'
    },
    "/again": {"status": 302, "headers": {"Location": "http://rebinding.example/held"}},
    "/held": {"body": "held"},
    "/looks-again": {"body": "<title>R</title><p>w<script>setTimeout(()=>fetch('/held'),500)</script>"},
    "/list.m3u8": {
        "headers": {"Content-Type": "application/vnd.apple.mpegurl"},
        "body": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{T}/segment.ts\n#EXT-X-ENDLIST\n",
    },
    "/master.m3u8": {
        "headers": {"Content-Type": "application/vnd.apple.mpegurl"},
        "body": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{T}/inner.m3u8\n",
    },
    "/film": {"body": f"<title>Film</title><p>words<video src='{T}/film.mp4'></video>"},
    **{
        f"/to-{name}-{status}": {"status": status, "headers": {"Location": target}}
        for name, target in REDIRECT_TARGETS.items()
        for status in STATUSES
    },
}


@dataclass(frozen=True)
class Case:
    """One attempt on the island."""

    name: str
    engine: str
    url: str
    networks: tuple[str, ...] = SITE_NETWORKS

    def planned(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "engine": self.engine,
            "url": self.url,
            "networks": self.networks,
            "limits": {"page_deadline_s": 60, "post_deadline_s": 60, "file_deadline_s": 60},
        }


REFUSED = [
    *(Case(f"{group}-{host}", "file", f"http://{host}/") for group, hosts in LITERALS.items() for host in hosts),
    *(Case(f"name-{name}", "file", f"http://{name}/") for name in FORBIDDEN_NAMES),
    *(Case(f"written-{number}", "file", url) for number, url in enumerate(WRITTEN_STRANGELY)),
    *(
        Case(f"{status}-to-{name}", "file", f"http://public.example/to-{name}-{status}")
        for name in REDIRECT_TARGETS
        for status in STATUSES
    ),
    Case("own-address", "file", "http://93.184.216.34/", ()),
    Case("own-address-6", "file", "http://[2606:2800:220:1::1]/", ()),
    Case("own-address-by-name", "file", "http://public.example/", ()),
    Case("page-literal", "page", "http://10.1.2.3/"),
    Case("page-redirected", "page", "http://public.example/to-metadata-302"),
    Case("post-literal", "post", "http://10.1.2.3/video.mp4"),
    Case("post-metadata", "post", "http://0xa9fea9fe/latest/"),
    Case("post-name", "post", "http://private.example/watch"),
    Case("post-redirected", "post", "http://public.example/to-dotted-302"),
]  # fmt: skip
"""Attempts that must end as refused, or before anything is sent."""

SILENT = [
    Case("page-subresources", "page", "http://public.example/everything"),
    Case("page-meta-refresh", "page", "http://public.example/refreshes"),
    Case("page-script", "page", "http://public.example/goes"),
    Case("page-rebinding", "page", "http://rebinding-page.example/looks-again"),
    Case("post-list", "post", "http://public.example/list.m3u8"),
    Case("post-master", "post", "http://public.example/master.m3u8"),
    Case("post-film", "post", "http://public.example/film"),
    Case("post-rebinding", "post", "http://rebinding-media.example/list.m3u8"),
    Case("rebinding", "file", "http://rebinding.example/again"),
    Case("backslash", "file", "http://public.example\\@10.1.2.3/"),
    Case("mixed", "file", "http://mixed.example/"),
    Case("mixed-first", "file", "http://mixed-first.example/"),
]
"""Attempts that have something of the public site, and nothing else."""

CONTROLS = {
    "10.0.0.0/8": ("10.1.2.3", "http://10.1.2.3/"),
    "127.0.0.0/8": ("127.0.0.1", "http://0x7f.1/"),
    "169.254.0.0/16": ("169.254.169.254", "http://2852039166/"),
    "100.64.0.0/10": ("100.64.0.1", "http://100.64.0.1/"),
    "172.16.0.0/12": ("172.16.5.4", "http://172.16.5.4/"),
    "192.168.0.0/16": ("192.168.1.1", "http://192.168.257/"),
    "192.0.2.0/24": ("192.0.2.1", "http://192.0.2.1/"),
    "198.18.0.0/15": ("198.18.0.1", "http://198.18.0.1/"),
    "240.0.0.0/4": ("240.0.0.1", "http://240.0.0.1/"),
    "168.63.129.16/32": ("168.63.129.16", "http://168.63.129.16/"),
    "::1/128": ("::1", "http://[::1]/"),
    "fc00::/7": ("fd00::1", "http://local6.example/"),
    "fe80::/10": ("fe80::1", "http://[fe80::1%lo]/"),
    "64:ff9b::/96": ("64:ff9b::a01:203", "http://nat64.example/"),
    "2002::/16": ("2002:a01:203::1", "http://6to4.example/"),
    "2001::/23": ("2001::f5fe:fdfc", "http://teredo.example/"),
    "::ffff:0:0/96": ("10.1.2.3", "http://[::ffff:10.1.2.3]/"),
}
"""Network to the address that is reached by the URL once the network is allowed."""

OPEN_CONTROLS = [
    *(
        Case(f"allowed-{network}", "file", url, (*SITE_NETWORKS, network))
        for network, (_, url) in CONTROLS.items()
    ),
    Case("allowed-page", "page", "http://public.example/everything", (*SITE_NETWORKS, "10.0.0.0/8")),
    Case("allowed-post", "post", "http://public.example/list.m3u8", (*SITE_NETWORKS, "10.0.0.0/8")),
    Case(
        "allowed-redirect",
        "file",
        "http://public.example/to-dotted-302",
        (*SITE_NETWORKS, "10.0.0.0/8"),
    ),
]


def why_no_island(launcher: tuple[str, ...]) -> str | None:
    """Why *launcher* can't give attempts a network of their own here; None if it can."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "needs the programs ip and unshare"
    probe = "ip link set lo up && ip route add local 10.0.0.0/8 dev lo && mount --bind /etc/hosts /etc/hosts"
    made = subprocess.run([*launcher, "sh", "-c", probe], capture_output=True, text=True, check=False)
    return None if made.returncode == 0 else f"no network namespace is permitted: {made.stderr.strip()}"


@dataclass(frozen=True)
class Island:
    """A running namespace with its attempts."""

    process: subprocess.Popen[str]

    @classmethod
    def begin(
        cls, folder: Path, silent: list[Case], heard: list[Case], launcher: tuple[str, ...]
    ) -> Island:
        plan = {
            "folder": str(folder),
            "hosts": {"localhost": "127.0.0.1", "intranet": "10.1.2.3"},
            "names": NAMES,
            "pages": PAGES,
            "tcp_ports": TCP_PORTS,
            "udp_ports": UDP_PORTS,
            "silent": [case.planned() for case in silent],
            "heard": [case.planned() for case in heard],
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        with (folder / "plan.json").open() as stdin:
            process = subprocess.Popen(
                [*launcher, sys.executable, "-m", "tests.fakes.forbidden_island"],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=PROJECT,
            )
        return cls(process)

    def told(self) -> dict[str, dict[str, Any]]:
        """What came of every attempt, by name."""
        output, errors = self.process.communicate()
        assert self.process.returncode == 0, errors[-3000:]
        return {line["name"]: line for line in map(json.loads, output.splitlines())}


@pytest.fixture(scope="module")
def islands(tmp_path_factory):
    """Two islands: one where a browser may have a network of its own, one where it may not."""
    reason = why_no_island(UNSHARE) or why_no_island(WITHOUT_NAMESPACES)
    if reason is not None:
        pytest.skip(reason)
    # The longest first.
    silent = sorted((*SILENT, *REFUSED), key=lambda case: case.engine == "file")
    page = [case for case in SILENT if case.name == "page-subresources"]
    caged = Island.begin(tmp_path_factory.mktemp("caged"), silent, OPEN_CONTROLS, UNSHARE)
    uncaged = Island.begin(tmp_path_factory.mktemp("uncaged"), page, [], WITHOUT_NAMESPACES)
    return {"caged": caged.told(), "uncaged": uncaged.told()}


@pytest.fixture(scope="module")
def told(islands) -> dict[str, dict[str, Any]]:
    """What came of every attempt on the first island, by name."""
    return islands["caged"]


def test_the_suite_is_broad():
    cases = [*REFUSED, *SILENT]

    assert len({case.name for case in cases}) == len(cases)
    assert len(cases) + len(SUBRESOURCES) >= 120


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_forbidden_address_is_refused_and_hears_nothing(case, told):
    seen = told[case.name]

    assert seen["hits"] == []
    assert seen["outcome"] == "not-captured"
    assert seen["reason"] in {"private-network-refused", "malformed-url"}, seen


def test_the_record_of_a_name_that_leads_to_us_does_not_say_where_we_are(told):
    assert "own-address" in told["own-address-by-name"]["detail"]
    assert "93.184.216.34" not in told["own-address-by-name"]["detail"]


@pytest.mark.parametrize("case", SILENT, ids=lambda case: case.name)
def test_what_a_site_leads_to_hears_nothing(case, told):
    assert told[case.name]["hits"] == []


def not_refused(seen: dict[str, Any]) -> dict[str, str]:
    """What is missing from the page for another reason than the policy; there is no icon."""
    assert len(seen["missing"]) >= 45
    return {
        url: reason
        for url, reason in seen["missing"].items()
        if reason != "private-network-refused" and not url.endswith("/favicon.ico")
    }


def test_a_page_held_without_what_it_may_not_load_says_so_of_each(told):
    assert not_refused(told["page-subresources"]) == {}


def test_a_browser_without_a_network_of_its_own_reaches_nothing_either(islands):
    seen = islands["uncaged"]["page-subresources"]

    assert "network proxy-only" in seen["isolation"]
    assert seen["hits"] == []
    assert not_refused(seen) == {}


@pytest.mark.parametrize("name", ["rebinding", "mixed", "mixed-first"])
def test_a_name_stays_where_it_was_judged(name, told):
    assert told[name]["outcome"] == "captured"


@pytest.mark.parametrize("network", CONTROLS)
def test_the_witnesses_hear_it_once_the_network_is_allowed(network, told):
    address, _ = CONTROLS[network]

    seen = told[f"allowed-{network}"]

    assert f"tcp {address} 80" in seen["hits"], seen


@pytest.mark.parametrize("name", ["allowed-page", "allowed-post", "allowed-redirect"])
def test_the_witnesses_hear_pages_and_media_too(name, told):
    assert {"tcp 10.1.2.3 80", "packet 10.1.2.3 80"} <= set(told[name]["hits"])


# Without a namespace: the site is 127.0.0.1, and 127.0.0.2 is forbidden.


@pytest.fixture(scope="module")
def forbidden():
    """A listener on 127.0.0.2, and the connections that reached it."""
    with ThreadingHTTPServer(("127.0.0.2", 0), _Remembering) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class _Remembering(BaseHTTPRequestHandler):
    """Redirects ``/<status>?<target>``; ``/page`` has pictures at the target; all paths are noted."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        path, _, target = self.path.partition("?")
        self.send_response(int(path[1:]) if path[1:].isdigit() else 200)
        if path[1:].isdigit():
            self.send_header("Location", target)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(
            f"<title>T</title><p>words<img src='{target}'><iframe src='{target}'>".encode()
        )

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def near_site():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Remembering) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


FORMS = (
    "127.0.0.2", "127.2", "127.0.2", "2130706434", "0x7f000002", "0x7f.0.0.2", "017700000002", "0177.0.0.2",
    "127.0.0.2.", "[::ffff:127.0.0.2]", "[::127.0.0.2]",
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_on_loopback_an_address_is_refused_in_every_form(form, forbidden, tmp_path):
    attempt = Attempts(tmp_path, ("127.0.0.1/32",))

    made = attempt(Engine.FILE, f"http://{form}:{forbidden.server_address[1]}/")

    assert made.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert forbidden.asked == []


@pytest.mark.parametrize("status", STATUSES)
def test_on_loopback_no_redirect_leads_there(status, near_site, forbidden, tmp_path):
    target = f"http://127.2:{forbidden.server_address[1]}/"
    attempt = Attempts(tmp_path, ("127.0.0.1/32",))

    made = attempt(Engine.FILE, f"{near_site}/{status}?{target}")

    assert made.result.reason is Reason.PRIVATE_NETWORK_REFUSED
    assert forbidden.asked == []


def test_on_loopback_no_page_leads_there_and_each_does_once_it_may(near_site, forbidden, tmp_path):
    url = f"{near_site}/page?http://127.0.0.2:{forbidden.server_address[1]}/"

    closed = Attempts(tmp_path / "closed", ("127.0.0.1/32",))(Engine.PAGE, url)
    heard_while_closed = list(forbidden.asked)
    Attempts(tmp_path / "open", ("127.0.0.0/8",))(Engine.PAGE, url)
    heard_while_open = list(forbidden.asked)
    forbidden.asked.clear()

    assert closed.result.outcome is Outcome.PARTLY_CAPTURED
    assert heard_while_closed == []
    assert "/" in heard_while_open
