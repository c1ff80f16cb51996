"""Huge mappings of a device that move, are forgotten, or lose their pages."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import Align
from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, name_tasks


def draw_moves(rng: Random) -> Program:
    """Two threads, which use one or two huge pages of a character device, and change the mapping or forget what is
    mapped, and a third task."""
    machine = draw_machine(rng, "device-dax")
    align = rng.choice((Align.PMD, Align.PMD, Align.PUD, Align.PUD, Align.PUD))
    size = align.pages(machine)
    pages = size if 2 * size > MOST_PAGES or rng.random() < 0.6 else 2 * size
    user = rng.choice(("toucher", "pinner", "pinner"))
    changer = rng.choice(("mover", "mover", "mover", "changer", "sharer", "sharer", "toucher"))
    names = name_tasks([user, changer, rng.choice(("unbinder", "injector", "toucher"))])
    spaces: dict[str, tuple[str, ...]] = {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    if rng.random() < 0.4:
        spaces = {"mm0": tuple(names)}
    program = draw_tasks(rng, machine, {"file0": pages}, spaces)
    return replace(program, setup=replace(program.setup, align=align, prefault=rng.random() < 0.75))


MOST_PAGES = 8
"""Pages that a file has at most."""
