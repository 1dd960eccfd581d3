"""The report of a study: one HTML file that stands alone, and every number as JSON and CSV."""

from server.report.write import Left, write_report

__all__ = ["Left", "write_report"]
