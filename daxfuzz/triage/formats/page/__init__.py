"""A replayed case as one HTML page that needs nothing else: no network, no other file."""

from daxfuzz.triage.formats.page.page import as_html

__all__ = ["as_html"]
