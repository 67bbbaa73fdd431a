"""Captures what a URL leads to, or takes in what a submitter sent."""

from __future__ import annotations

from preservation.capture.browser.pool import BrowserPool
from preservation.capture.port import Recorder
from preservation.capture.recorder import host_pause_s, recorder_for

__all__ = ["BrowserPool", "Recorder", "host_pause_s", "recorder_for"]
