"""Files that nobody uses while memory is short."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, name_tasks, others_first


def draw_shortage(rng: Random, filesystem: str) -> Program:
    """Those who need memory for one file, and a second file, which goes, or has pages in use, or is found again."""
    machine = draw_machine(rng, filesystem)
    machine = replace(machine, low_memory=True, window_ranges=max(machine.window_ranges, 2))
    files = {"file0": rng.choice((1, 1, 2)), "file1": rng.choice((1, 1, 1, 4))}
    others = ("unlinker", "unlinker", "unlinker", "stranger", "hoarder", "retainer")
    users = [rng.choice(("refaulter", "refaulter", "refaulter", "hoarder")), *rng.choice(((), ("refaulter",)))]
    names = name_tasks([*users, rng.choice(others)])
    spaces = draw_address_spaces(rng, names)
    tasks = {
        name: draw_calls(
            rng, machine, files if name.startswith("refaulter") else others_first(files), spaces, names, name
        )
        for name in names
    }
    return Program(tasks, Setup(files, spaces, prefault=rng.random() < 0.9), machine)
