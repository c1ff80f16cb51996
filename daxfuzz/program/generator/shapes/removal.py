"""A device that goes, or fails, while its files are in use."""

from __future__ import annotations

from random import Random

from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.machine import REFLINK, draw_machine
from daxfuzz.program.generator.tasks import draw_address_spaces, draw_calls, draw_files, leave_unlinked, name_tasks

USERS = ("pinner", "writer") * 2 + ("mapper", "truncator", "syncer", "visitor", "toucher", "copier", "saver")
"""What any file system has something to do for."""
LEAVERS = ("leaver", "evictor")
"""Who gives a file up, so that it may be torn down while its device goes."""


def draw_removal(rng: Random, filesystem: str) -> Program:
    """One or two who work on files, in any way, and who removes the device, or makes its memory fail."""
    machine = draw_machine(rng, filesystem)
    users = (*USERS, *LEAVERS) + (
        ("cloner",) * 4 + ("saver",) * 4 if filesystem in REFLINK else ("reclaimer",) * 2 * (filesystem == "fuse")
    )
    last = rng.choice(("unbinder", "unbinder", "unbinder", "injector"))
    names = name_tasks([*(rng.choice(users) for _ in range(rng.choice((1, 2, 2)))), last])
    files = draw_files(rng, filesystem, 2 if filesystem in REFLINK else 1)
    spaces = draw_address_spaces(rng, names)
    tasks = {name: draw_calls(rng, machine, files, spaces, names, name) for name in names}
    clones = {"file1": "file0"} if len(files) > 1 and rng.random() < 0.75 else {}
    setup = Setup(files, spaces, prefault=rng.random() < 0.75, clones=clones)
    return leave_unlinked(Program(tasks, setup, machine))
