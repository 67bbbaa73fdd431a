"""Chromium as a program: caged, watched, used again."""
