"""The report: one HTML page, for people, about everything that is sealed."""

from preservation.report.page import write_report
from preservation.report.writing import write_page

__all__ = ["write_page", "write_report"]
