"""Random programs: scale and hardware are drawn, too."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.shapes import draw_shape
from daxfuzz.program.generator.usual import draw_usual


def generate(rng: Random, filesystem: str) -> Program:
    """Draw a program for a file system. The same state of `rng` gives the same program."""
    return draw_shape(rng, filesystem) or draw_usual(rng, filesystem)
