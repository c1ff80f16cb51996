"""What the tests of conform share."""

from __future__ import annotations

from pathlib import Path

from daxfuzz.conform.sequence import Sequence, sequence
from daxfuzz.program.dax_file import loads_case

CORPUS = Path(__file__).parents[2] / "corpus" / "conform"

WAITING = """\
daxfuzz = 1
protocol = "refcount-1"
filesystem = "ext4"
finding = "none"

[setup]
files = {file0 = 2}

[tasks]
pinner = ["vmsplice(file0, 1)", "pipe_read()"]
truncator = ["truncate(file0, 0)"]

[schedule]
calls = "pinner truncator pinner"
"""


def sequence_of(text: str) -> Sequence:
    """A sequence from the text of a case."""
    return sequence("it", loads_case(text))
