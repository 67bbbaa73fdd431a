"""Captures what a URL leads to, or takes in what a submitter sent."""

from __future__ import annotations

from preservation.capture.port import Recorder
from preservation.capture.recorder import recorder_for

__all__ = ["Recorder", "recorder_for"]
