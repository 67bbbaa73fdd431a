"""The report: one HTML page, for people, about everything that is sealed."""

from preservation.report.page import write_report

__all__ = ["write_report"]
