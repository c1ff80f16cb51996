"""A huge page that some map whole and others page by page."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.shapes.crowd import ALIKE
from daxfuzz.program.generator.tasks import MAX_TASKS, alike, draw_address_spaces, draw_tasks, name_tasks

HOLED = ("toucher", "toucher", "visitor", "saver", "reader")
FILLED = ("toucher", "visitor", "saver", "saver", "saver")
"""Who maps the pages of a file with holes, and of one without."""


def draw_sizes(rng: Random, filesystem: str) -> Program:
    """A file of one huge page or two, with holes or mapped page by page, and somebody who maps it otherwise."""
    machine = draw_machine(rng, filesystem)
    files = {"file0": rng.choice((machine.pmd_pages, machine.pmd_pages, 4))}
    holes = rng.random() < 0.5
    odd = "splitter" if rng.random() < (0.75 if holes else 0.2) else "remapper"
    same = [rng.choice(HOLED if holes else FILLED)] * rng.choice((1, 2, 2, 3) if holes else (1, 1, 2))
    # Who writes past page tables meets whatever the others have mapped, be it a hole.
    written = holes and len(same) < MAX_TASKS - 1 and rng.random() < 0.4
    names = name_tasks([*same, *["writer"] * written])
    spaces = {
        "mm0": (odd,),
        **{f"mm{i + 1}": group for i, group in enumerate(draw_address_spaces(rng, names).values())},
    }
    program = draw_tasks(rng, machine, files, spaces)
    if holes and not written and rng.random() < ALIKE:
        program = alike(program, rng.choice(names), odd)
    return replace(program, setup=replace(program.setup, prefault=not holes, huge=False))
