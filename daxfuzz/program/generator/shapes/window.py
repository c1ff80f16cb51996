"""Writes through hardly any window, on virtio-fs, while its ranges are taken back."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import draw_machine
from daxfuzz.program.generator.tasks import draw_tasks, name_tasks


def draw_window(rng: Random) -> Program:
    """Files of several ranges and one or two ranges: who writes to pages and looks at them, and who frees ranges."""
    machine = replace(draw_machine(rng, "fuse"), window_ranges=rng.choice((1, 1, 1, 2)))
    files = {"file0": rng.choice((1, 4, 4, 4))}
    if rng.random() < 0.7:
        files["file1"] = rng.choice((1, 2, 4))
    more = rng.choice(((), (), ("scribe",), ("reclaimer",), ("reclaimer",)))
    names = name_tasks(["scribe", "reclaimer", *more])
    rng.shuffle(names)
    spaces: dict[str, tuple[str, ...]] = {f"mm{i}": (name,) for i, name in enumerate(names)}
    program = draw_tasks(rng, machine, files, spaces)
    # Ranges are set up by those who need them.
    return replace(program, setup=replace(program.setup, prefault=rng.random() < 0.1))
