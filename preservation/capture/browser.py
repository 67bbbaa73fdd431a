"""One Chromium for one attempt: a fresh profile, one way out, and nothing left behind.

It is driven over a pipe (``--remote-debugging-pipe``), not a port, so that no other program can
reach it and that it ends when our process does, even by ``kill -9``; on Linux the kernel is asked
to kill it as well (prctl PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Self

from preservation import clock
from preservation.capture.devtools import DevTools, EventSink
from preservation.errors import ProgramMissing

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_GRACE_S = 5
_NOISE = "stderr"

_FEATURES_OFF = (
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "InterestFeedContentSuggestions",
    "LocalNetworkAccessChecks",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PreconnectToSearch",
    "Prerender2",
    "Translate",
)
"""What calls home, changes the URL that was asked for, or fetches what nobody looks at."""

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # What the browser asks for itself goes nowhere: nothing listens on TCP port 1 (tcpmux).
    # A page's way out is the proxy of its own browser context.
    "--proxy-server=socks5://127.0.0.1:1",
    "--proxy-bypass-list=<-loopback>",
    # QUIC and WebRTC would go round a proxy.
    "--disable-quic",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    # Nothing may update itself or call home.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-component-extensions-with-background-pages",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-client-side-phishing-detection",
    "--disable-field-trial-config",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--no-pings",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-service-autorun",
    f"--disable-features={','.join(_FEATURES_OFF)}",
    # A page behaves as it would before a person who looks at it.
    "--autoplay-policy=no-user-gesture-required",
    "--block-new-web-contents",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    "--disable-popup-blocking",
    "--disable-prompt-on-repost",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--window-size=1280,1024",
)
FLAGS_AS_ROOT = ("--no-sandbox",)
"""Chromium's sandbox doesn't work for root; a deployment should run as another user."""

# Runs as a process of its own: puts the pipe on descriptors 3 and 4, as Chromium wants them, asks
# the kernel to end it with its parent, and becomes the browser. A preexec_fn would run Python
# code between fork and exec of a process with threads.
_LAUNCHER = """
import ctypes, fcntl, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
commands = fcntl.fcntl(int(sys.argv[2]), fcntl.F_DUPFD, 10)
answers = fcntl.fcntl(int(sys.argv[3]), fcntl.F_DUPFD, 10)
os.dup2(commands, 3)
os.dup2(answers, 4)
os.closerange(5, 64)
os.execv(sys.argv[4], sys.argv[4:])
"""


_PROFILE = "preserve-profile-"


@cache
def browser_program() -> str:
    """The path of the browser on this machine.

    Raises:
        ProgramMissing: None is installed.
    """
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        msg = f"None of {', '.join(PROGRAMS)} is installed; pages can't be captured without one."
        raise ProgramMissing(msg, remedy="Install it: apt-get install --yes chromium")
    return found


def _remove_orphaned_profiles() -> None:
    """Remove what killed workers left: a profile tells which sites were visited."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PROFILE}*-*"):
        owner = path.name.removeprefix(_PROFILE).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(path, ignore_errors=True)


class Browser:
    """A running Chromium; a context manager at whose end no process and no profile is left."""

    def __init__(self, event_sink: EventSink) -> None:
        # Not in the spool: the path of a Unix socket in it must stay below 108 bytes.
        _remove_orphaned_profiles()
        self._profile = profile = Path(tempfile.mkdtemp(prefix=f"{_PROFILE}{os.getpid()}-"))
        commands_out, self._commands = os.pipe()
        self._answers, answers_in = os.pipe()
        arguments = [
            *_FLAGS,
            *(FLAGS_AS_ROOT if os.geteuid() == 0 else ()),
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid())]
        with (profile / _NOISE).open("wb") as noise:
            self._process = subprocess.Popen(
                [*launcher, str(commands_out), str(answers_in), browser_program(), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=noise,
                pass_fds=(commands_out, answers_in),
                start_new_session=True,
                env=_environment(profile),
            )
        os.close(commands_out)
        os.close(answers_in)
        self.devtools = DevTools(self._answers, self._commands, event_sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process identifier and process group of the browser."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The end of what it wrote to its standard error."""
        return (self._profile / _NOISE).read_text("utf-8", "replace").strip()[-500:]

    def close(self) -> None:
        """Kill the browser and all its children; remove its profile."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.devtools.close()
        os.close(self._commands)
        os.close(self._answers)
        _remove(self._profile)


def _environment(profile: Path) -> dict[str, str]:
    """What the browser needs of our environment; no proxy, key log or preload comes along."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**kept, "HOME": str(profile), "TMPDIR": str(profile)}


def _remove(folder: Path) -> None:
    """Remove *folder*; a dying process may still write there for a moment."""
    give_up_at = clock.monotonic_s() + _GRACE_S
    shutil.rmtree(folder, ignore_errors=True)
    while folder.exists() and clock.monotonic_s() < give_up_at:
        clock.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)
