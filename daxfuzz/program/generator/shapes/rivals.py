"""Two files and hardly any window, on virtio-fs."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, draw_files, name_tasks, others_first


def draw_rivals(rng: Random) -> Program:
    """Two files and hardly any window: ways to take pages from a file, and a user of each file."""
    machine = replace(draw_machine(rng, "fuse"), window_ranges=rng.choice((1, 1, 2)))
    files = draw_files(rng, "fuse", 2)
    user = rng.choice(("pinner", "pinner", "mapper"))
    roles = ["pinner", rng.choice(("truncator", "truncator", "opener", "writer")), "reclaimer", user]
    rng.shuffle(roles)
    names = name_tasks(roles)
    spaces = draw_address_spaces(rng, names)
    users = [name for name, role in zip(names, roles, strict=True) if role == user]
    tasks = {}
    for name in names:
        prefers = others_first(files) if name == users[-1] else files
        tasks[name] = draw_calls(rng, machine, prefers, spaces, names, name)
    return Program(tasks, Setup(files, spaces, prefault=rng.random() < 0.75, huge=rng.random() < 0.5), machine)
