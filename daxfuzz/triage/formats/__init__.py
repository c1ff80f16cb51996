"""How a replayed case can be written: one format a file, each a function from a Story to text.

A new format is a file with its function, and a line in the table below.
"""

from daxfuzz.triage.formats.document import document
from daxfuzz.triage.formats.registry import FORMATS, Format

__all__ = ["FORMATS", "Format", "document"]
