"""The command line of a browser: what it may not do by itself, and how a page finds it."""

from __future__ import annotations

import os
from pathlib import Path

_FEATURES_OFF = (
    "AutofillServerCommunication",
    "CertificateTransparencyComponentUpdater",
    "DialMediaRouteProvider",
    "GenerateXSLTWarningBanner",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "InterestFeedContentSuggestions",
    "IsolateSandboxedIframes",
    "LocalNetworkAccessChecks",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PreconnectToSearch",
    "Prerender2",
    "SpareRendererForSitePerProcess",
    "Translate",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxPopup",
)
"""What calls home, changes the URL that was asked for, or fetches and draws what nobody looks at.

Into a page that XSLT makes Chromium writes a warning of its own, which is no part of the page.

Sandboxed frames of a page's own stay in its process: one of `srcdoc` in another doesn't wait until
somebody listens to it, and nobody would hear what it asks for first.

The last two give each window two pages of the browser's own: more than half of the processor time
of a small page.
"""

_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # What the browser asks for itself goes nowhere: nothing listens on TCP port 1 (tcpmux).
    # A page's way out is the proxy of its own browser context.
    "--proxy-server=socks5://127.0.0.1:1",
    "--proxy-bypass-list=<-loopback>",
    # QUIC and WebRTC would go round a proxy. The switch has had two names.
    "--disable-quic",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
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
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    "--disable-prompt-on-repost",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--window-size=1280,1024",
)
_WITHOUT_SANDBOX = "--no-sandbox"


def command_line(program: str, *, profile: Path, key_log: Path, sandbox: bool) -> list[str]:
    """How *program* is called."""
    return [
        program,
        *_FLAGS,
        *(() if sandbox else (_WITHOUT_SANDBOX,)),
        f"--user-data-dir={profile}",
        f"--ssl-key-log-file={key_log}",
        "--no-startup-window",
    ]


def environment(profile: Path) -> dict[str, str]:
    """What the browser is told; of ours only where programs lie.

    Pages learn language and time zone, so these are the same everywhere and tell nothing of us.
    """
    kept = {"PATH": os.environ["PATH"]} if "PATH" in os.environ else {}
    return {**kept, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(profile), "TMPDIR": str(profile)}
