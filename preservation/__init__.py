"""Preserves what organisations submit, so that it stands in court years later."""

from importlib.metadata import version

__version__ = version("preservation")
