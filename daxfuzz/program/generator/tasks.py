"""What is common to generated programs: files, processes, and what tasks do in their roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import Machine
from daxfuzz.program.case import Call, Program, Setup
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles import ROLES
from daxfuzz.program.processes import mapped_files, opened_files

MAX_TASKS = 4


def draw_files(rng: Random, filesystem: str, count: int) -> dict[str, int]:
    """Sizes in pages by name. A range of virtio-fs has at least two pages, and a file should have several ranges."""
    sizes = (1, 1, 2, 3, 4, 4) if filesystem == "fuse" else (1, 1, 1, 2, 2, 3, 4)
    return {f"file{i}": rng.choice(sizes) for i in range(count)}


def draw_tasks(rng: Random, machine: Machine, files: dict[str, int], spaces: dict[str, tuple[str, ...]]) -> Program:
    """What tasks with the names of their roles do in the given address spaces."""
    names = [name for members in spaces.values() for name in members]
    tasks = {name: draw_calls(rng, machine, files, spaces, names, name) for name in names}
    return Program(tasks, Setup(files, spaces, prefault=rng.random() < 0.5, huge=rng.random() < 0.5), machine)


def draw_calls(
    rng: Random,
    machine: Machine,
    files: dict[str, int],
    spaces: Mapping[str, tuple[str, ...]],
    names: list[str],
    name: str,
) -> tuple[Call, ...]:
    """What one of the tasks does, in the role that it is named after. files: the one that it uses most first."""
    others = [other for other in names if other != name]
    return ROLES[name.rstrip("0123456789")](Draft(rng, machine, files, others, children_of(name, spaces)))


def others_first(files: dict[str, int]) -> dict[str, int]:
    """The same files, for who mostly uses another one than most tasks do."""
    return dict(reversed(files.items()))


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


def children_of(name: str, spaces: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The tasks whose process the one of a task can fork: those that come later."""
    groups = list(spaces.values())
    (own,) = (position for position, members in enumerate(groups) if name in members)
    return [member for members in groups[own + 1 :] for member in members]


def alike(program: Program, model: str, odd: str) -> Program:
    """The same, but all tasks except the odd one do what one of them does."""
    same = tuple(call for call in program.tasks[model] if call.name != "signal")
    return replace(program, tasks={name: calls if name == odd else same for name, calls in program.tasks.items()})


def leave_unlinked(program: Program) -> Program:
    """The same, but each process unmaps and closes in the end what somebody unlinks, so that the file is evicted."""
    unlinked = dict.fromkeys(
        str(call.arguments[0]) for calls in program.tasks.values() for call in calls if call.name == "unlink"
    )
    tasks = dict(program.tasks)
    for members in program.setup.mms.values():
        last = members[-1]
        mapped, opened = mapped_files(program, members), opened_files(program, members)
        for file in unlinked:
            if file in mapped and Call("munmap", (file,)) not in tasks[last]:
                tasks[last] += (Call("munmap", (file,)),)
            if file in opened and Call("close", (file,)) not in tasks[last]:
                tasks[last] += (Call("close", (file,)),)
    return replace(program, tasks=tasks)
