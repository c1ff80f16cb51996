"""Random programs: actors in roles over few pages, so that they collide; scale and hardware are drawn, too."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.program.case import Program, Setup
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles import ROLES

MAX_TASKS = 4
REFLINK = ("xfs",)
"""File systems whose files can share blocks."""


def generate(rng: Random, filesystem: str) -> Program:
    """Draw a program for a file system. The same state of `rng` gives the same program."""
    machine = draw_machine(rng, filesystem)
    reflink = filesystem in REFLINK and rng.random() < 0.6
    files = {f"file{i}": rng.choice((1, 1, 1, 2, 2, 3, 4)) for i in range(2 if reflink else rng.choice((1, 1, 1, 2)))}
    align = Align.PAGE
    if filesystem == "device-dax":
        align = rng.choice((Align.PAGE, Align.PMD, Align.PMD, Align.PUD))
        # Of a huge entry all pages are there, so any of them can be touched.
        size = align.pages(machine)
        files = {name: -(-pages // size) * size for name, pages in files.items()}
    roles = draw_roles(rng, filesystem)
    if filesystem in REFLINK:
        roles += draw_xfs_roles(rng, roles, reflink)[: MAX_TASKS - len(roles)]
    names = name_tasks(roles)
    tasks = {
        name: ROLES[role](Draft(rng, machine, files, [other for other in names if other != name]))
        for name, role in zip(names, roles, strict=True)
    }
    # PMD entries exist only where a file begins with them, or with holes.
    setup = Setup(files, draw_address_spaces(rng, names), prefault=rng.random() < 0.75, huge=rng.random() < 0.5)
    if align is not Align.PAGE:
        setup = replace(setup, align=align)
    if reflink and rng.random() < 0.75:
        setup = replace(setup, clones={"file1": "file0"})
    program = Program(tasks, setup, machine)
    return with_low_memory(rng, program) if rng.random() < 0.04 else program


def with_low_memory(rng: Random, program: Program) -> Program:
    """The program where memory is short, with a task more that makes it matter, if there is room for one."""
    machine = replace(program.machine, low_memory=True)
    tasks, setup = dict(program.tasks), program.setup
    if len(tasks) < MAX_TASKS:
        tasks["hoarder"] = ROLES["hoarder"](Draft(rng, machine, dict(setup.files), list(tasks)))
        setup = replace(setup, mms={**setup.mms, f"mm{len(setup.mms)}": ("hoarder",)})
    return Program(tasks, setup, machine)


def draw_machine(rng: Random, filesystem: str = "ext4") -> Machine:
    """Scale and hardware."""
    machine = Machine(
        bias=rng.choice((4, 4, 8, 1024)),
        tlb=rng.choice((TlbMode.IPI, TlbMode.IPI, TlbMode.BROADCAST)),
        wait_buckets=rng.choice((1, 2, 4)),
        pmd_pages=rng.choice((2, 2, 2, 4)),
        merge_vmas=rng.random() < 0.75,
    )
    if filesystem == "fuse":
        # Few ranges, so that files take them from each other.
        machine = replace(machine, window_ranges=rng.choice((1, 1, 2, 3)))
    return machine


def draw_roles(rng: Random, filesystem: str) -> list[str]:
    """Two to four roles; there is always somebody who frees blocks, or the device, and somebody who uses them."""
    if filesystem.startswith("device-dax"):
        return draw_device_roles(rng)
    if filesystem == "fuse":
        return draw_fuse_roles(rng)
    if rng.random() < 0.06:
        roles = draw_device_roles(rng)
        if len(roles) < MAX_TASKS:
            roles.append(rng.choice(("truncator", "syncer", "pinner")))
        return roles
    users = ("pinner", "pinner", "mapper")
    others = ("pinner", "mapper", "truncator", "syncer", "pinner", "mapper", "truncator", "syncer")
    rare = ("writer", "writer", "evictor", "freezer", "freezer", "dropper", "dropper")
    roles = [rng.choice(users), "truncator" if rng.random() < 0.85 else "evictor"]
    roles += [rng.choice(others + rare) for _ in range(rng.choice((0, 1, 1, 2)))]
    special = rng.random()
    if special < 0.3:
        roles = [*roles[: MAX_TASKS - 1], rng.choice(("forker", "copier"))]
    elif special < 0.43:
        roles = [*roles[: MAX_TASKS - 2], "splicer", "device"]
    rng.shuffle(roles)
    return roles


def draw_device_roles(rng: Random) -> list[str]:
    """Somebody who uses memory, and somebody who removes the device or makes its memory fail."""
    roles = [rng.choice(("pinner", "mapper")), rng.choice(("unbinder", "unbinder", "injector"))]
    roles += [rng.choice(("pinner", "mapper", "mapper", "injector")) for _ in range(rng.choice((0, 0, 1)))]
    rng.shuffle(roles)
    return roles


def draw_xfs_roles(rng: Random, roles: list[str], reflink: bool) -> list[str]:
    """Roles that only xfs has something to do for, the most important first."""
    more = []
    if "evictor" in roles and rng.random() < 0.9:
        more.append("worker")
    if reflink and rng.random() < 0.5:
        more.append(rng.choice(("cloner", "cloner", "writer")))
    if rng.random() < 0.2:
        more.append("leaser")
    return more


def draw_fuse_roles(rng: Random) -> list[str]:
    """The same where blocks are freed by reclaim, too."""
    roles = [rng.choice(("pinner", "pinner", "mapper")), rng.choice(("truncator", "reclaimer", "reclaimer"))]
    others = ("pinner", "mapper", "mapper", "truncator", "syncer", "reclaimer", "opener", "writer", "writer", "evictor")
    rare = ("dropper", "forker", "copier", "freezer")
    roles += [rng.choice(others if rng.random() < 0.9 else rare) for _ in range(rng.choice((0, 1, 1, 2)))]
    rng.shuffle(roles)
    return roles


def name_tasks(roles: list[str]) -> list[str]:
    """Tasks are named after their role, numbered from the second of a kind on."""
    names = []
    for i, role in enumerate(roles):
        earlier = roles[:i].count(role)
        names.append(role if not earlier else f"{role}{earlier}")
    return names


def draw_address_spaces(rng: Random, names: list[str]) -> dict[str, tuple[str, ...]]:
    """Each task is a thread of an earlier one's process, or has a process of its own."""
    groups: list[list[str]] = []
    for name in names:
        if groups and rng.random() < 0.4:
            rng.choice(groups).append(name)
        else:
            groups.append([name])
    return {f"mm{i}": tuple(group) for i, group in enumerate(groups)}
