"""Programs of actors in any roles over few pages, so that they collide."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import Align
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.low_memory import LOW_MEMORY, with_low_memory
from daxfuzz.program.generator.machine import NO_REVERSE_MAP, REFLINK, draw_machine
from daxfuzz.program.generator.tasks import (
    MAX_TASKS,
    draw_address_spaces,
    draw_calls,
    draw_files,
    leave_unlinked,
    name_tasks,
    others_first,
)

EVERYWHERE = (
    "cloner",
    "worker",
    "reclaimer",
    "opener",
    "truncator",
    "syncer",
    "writer",
    "evictor",
    "signaller",
    "leaser",
)
"""Roles that now and then work on a file system that may have nothing to do for them."""
OTHER_FILE = 0.2
"""How many tasks of a program with several files mostly use another one than the first."""
SIGNALLED = 0.05
"""How many programs with room for it have a task more that does nothing but send signals."""


def draw_usual(rng: Random, filesystem: str) -> Program:
    """Two to four actors in roles that are drawn one by one."""
    machine = draw_machine(rng, filesystem)
    reflink = filesystem in REFLINK and rng.random() < 0.6
    files = draw_files(rng, filesystem, 2 if reflink else rng.choice((1, 1, 1, 2)))
    align = Align.PAGE
    if filesystem == "device-dax":
        align = rng.choice((Align.PAGE, Align.PMD, Align.PMD, Align.PUD))
        # Of a huge entry all pages are there, so any of them can be touched.
        size = align.pages(machine)
        files = {name: -(-pages // size) * size for name, pages in files.items()}
    roles = draw_roles(rng, filesystem)
    if filesystem in REFLINK:
        roles += draw_xfs_roles(rng, roles, reflink)[: MAX_TASKS - len(roles)]
        if ("injector" in roles or "unbinder" in roles) and rng.random() < NO_REVERSE_MAP:
            machine = replace(machine, rmapbt=False)
    names = name_tasks(roles)
    spaces = draw_address_spaces(rng, names)
    tasks = {}
    for name in names:
        prefers = others_first(files) if len(files) > 1 and rng.random() < OTHER_FILE else files
        tasks[name] = draw_calls(rng, machine, prefers, spaces, names, name)
    # PMD entries exist only where a file begins with them, or with holes.
    setup = Setup(files, spaces, prefault=rng.random() < 0.75, huge=rng.random() < 0.5)
    if align is not Align.PAGE:
        setup = replace(setup, align=align)
    if reflink and rng.random() < 0.75:
        setup = replace(setup, clones={"file1": "file0"})
    program = Program(tasks, setup, machine)
    if rng.random() < 0.5:
        program = leave_unlinked(program)
    return with_low_memory(rng, program) if rng.random() < LOW_MEMORY else program


def draw_roles(rng: Random, filesystem: str) -> list[str]:
    """Two to four roles; there is always somebody who frees blocks, or the device, and somebody who uses them."""
    roles = draw_usual_roles(rng, filesystem)
    extra = rng.random()
    if len(roles) < MAX_TASKS and extra < 0.08:
        roles.append("unbinder" if extra < 0.05 and "unbinder" not in roles else rng.choice(EVERYWHERE))
    if len(roles) < MAX_TASKS and rng.random() < SIGNALLED:
        roles.append("signaller")
    return roles


def draw_usual_roles(rng: Random, filesystem: str) -> list[str]:
    """The roles that a file system has something to do for."""
    if filesystem.startswith("device-dax"):
        return draw_device_roles(rng)
    if filesystem == "fuse":
        return draw_fuse_roles(rng)
    if rng.random() < 0.06:
        roles = draw_device_roles(rng)
        if len(roles) < MAX_TASKS:
            roles.append(
                rng.choice(("truncator", "truncator", "truncator", "syncer", "pinner", "writer", "copier", "evictor"))
            )
        return roles
    users = ("pinner", "pinner", "mapper")
    others = ("pinner", "mapper", "truncator", "syncer", "pinner", "mapper", "truncator", "syncer")
    rare = ("writer", "writer", "evictor", "freezer", "freezer", "dropper", "dropper", "opener", "signaller")
    roles = [rng.choice(users), "truncator" if rng.random() < 0.85 else "evictor"]
    roles += [rng.choice(others + rare) for _ in range(rng.choice((0, 1, 1, 2)))]
    special = rng.random()
    if special < 0.3:
        roles = [*roles[: MAX_TASKS - 1], rng.choice(("forker", "copier"))]
    elif special < 0.45:
        devices = rng.choice((1, 1, 1, 1, 2))
        # A splicer uses memory, too: where there is no room, who frees blocks stays.
        roles = [*(roles[:2] if devices == 1 else roles[1:2]), "splicer", *["device"] * devices]
    rng.shuffle(roles)
    return forkers_first(roles)


def draw_device_roles(rng: Random) -> list[str]:
    """Somebody who uses memory, and somebody who removes the device or makes its memory fail."""
    roles = [rng.choice(("pinner", "mapper")), rng.choice(("unbinder", "unbinder", "injector"))]
    others = ("pinner", "pinner", "mapper", "mapper", "injector", "unbinder")
    roles += [rng.choice(others) for _ in range(rng.choice((0, 0, 1)))]
    rng.shuffle(roles)
    return roles


def draw_xfs_roles(rng: Random, roles: list[str], reflink: bool) -> list[str]:
    """Roles that only xfs has something to do for, the most important first."""
    more = []
    if "evictor" in roles and rng.random() < 0.98:
        more.append("worker")
        if rng.random() < 0.3:
            more.append("freezer")
    if reflink and rng.random() < 0.6:
        more.append(rng.choice(("cloner",) * 9 + ("writer",) * 3 + ("injector",)))
    if rng.random() < 0.3:
        more.append("leaser")
    return more


def draw_fuse_roles(rng: Random) -> list[str]:
    """The same where blocks are freed by reclaim, too."""
    roles = [rng.choice(("pinner", "pinner", "mapper")), rng.choice(("truncator", "reclaimer", "reclaimer"))]
    users = ("pinner", "mapper", "mapper", "copier", "syncer", "writer", "writer")
    others = (*users, "truncator", "reclaimer", "opener", "evictor")
    rare = ("dropper", "forker", "forker", "copier", "freezer", "signaller")
    roles += [rng.choice(others if rng.random() < 0.85 else rare) for _ in range(rng.choice((0, 1, 1, 2)))]
    rng.shuffle(roles)
    return forkers_first(roles)


def forkers_first(roles: list[str]) -> list[str]:
    """Only processes that come later can be forked."""
    return sorted(roles, key=lambda role: role != "forker")
