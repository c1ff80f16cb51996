"""Bounds of a case file, all checked before or while it is read."""

from __future__ import annotations

from daxfuzz.program.calls import MAX_NAME_LENGTH

FORMAT_VERSION = 1
MAX_SIZE = 256 * 1024
"""Bytes of a file."""
MAX_NESTING = 32
"""Brackets inside each other, and dots in a line (a dotted key nests, too)."""
MAX_FILES = 4
MAX_FILE_SIZE = 8
"""Pages."""
MAX_TASKS = 8
MAX_CALLS = 64
"""Per task."""
MAX_BIAS = 2**20
MAX_WAIT_BUCKETS = 4096
PMD_SIZES = (2, 4)
"""Pages."""
MAX_XA_CHECK_SCHED = 2**20
MAX_WINDOW_RANGES = 8
MIN_SPARE_BLOCKS, MAX_SPARE_BLOCKS = -1, 8
"""Files that share blocks need at most as many blocks as there are pages, less one."""
MAX_RAM_PAGES = 64
MAX_RUNS = 20_000
"""Entries of `steps`."""
MAX_TURNS = 100_000
"""Turns of one entry of `steps`, and occurrences in a label."""
MAX_ALL_TURNS = 1_000_000
"""Turns of all entries of `steps` together."""
MAX_ORDER = 1000
"""Constraints."""
MAX_SPEC_LENGTH = 200
"""Characters of the name of a protocol, a patch, ..."""
MAX_COLUMNS = 100
"""Width of lines that are written, where they can be broken."""

NAME_RULE = f"ASCII letters, digits and _, no digit first, no Python keyword, at most {MAX_NAME_LENGTH} characters"

Key = tuple[str | int, ...]
"""Where a value is in the document: names of tables and keys, indices in arrays."""
