"""Random programs: actors in roles over few pages, so that they collide; scale and hardware are drawn, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.program.case import Call, Program, Setup
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles import ROLES
from daxfuzz.program.processes import mapped_files, opened_files

MAX_TASKS = 4
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
REFLINK = ("xfs",)
"""File systems whose files can share blocks."""
NO_REVERSE_MAP = 0.5
"""How many programs that lose memory do so on an xfs that cannot tell whose it was."""
LOW_MEMORY = 0.12
"""How many programs run where memory is short."""
RIVALS = 0.12
"""How many programs of virtio-fs are about files that take the window from each other."""
CROWDS = 0.15
"""How many programs are about one page that all tasks are after."""
FAMILIES = 0.08
"""How many are about a process whose threads touch private pages, and fork."""
THREADS = 0.06
"""How many are about a mapping that one thread of a process uses and another one changes."""
DEPARTURES = 0.08
"""How many are about a file that goes away while somebody comes to it who does not keep it."""
SIZES = 0.07
"""How many are about a huge page that some map whole and others page by page."""
ALIKE = 0.5
"""How many crowds have members that all do the same, so that several wait for one thing."""
UNWRITTEN = 0.3
"""How many crowds have one who first makes the blocks of the file unwritten, neither holes nor data."""
HANDOVERS = 0.06
"""How many are about a file that gets the blocks which another one gives back; virtio-fs has its rivals."""
OTHER_FILE = 0.2
"""How many tasks of a program with several files mostly use another one than the first."""
SIGNALLED = 0.05
"""How many programs with room for it have a task more that does nothing but send signals."""


def generate(rng: Random, filesystem: str) -> Program:
    """Draw a program for a file system. The same state of `rng` gives the same program."""
    if filesystem == "fuse" and rng.random() < RIVALS:
        return draw_rivals(rng)
    if filesystem != "device-dax":
        shape = rng.random()
        if shape < CROWDS:
            return draw_crowd(rng, filesystem)
        if shape < CROWDS + FAMILIES:
            return draw_family(rng, filesystem)
        if shape < CROWDS + FAMILIES + DEPARTURES:
            return draw_departure(rng, filesystem)
        if shape < CROWDS + FAMILIES + DEPARTURES + SIZES:
            return draw_sizes(rng, filesystem)
        if shape < CROWDS + FAMILIES + DEPARTURES + SIZES + THREADS:
            return draw_threads(rng, filesystem)
        if filesystem != "fuse" and shape > 1 - HANDOVERS:
            return draw_handover(rng, filesystem)
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
    for name, role in zip(names, roles, strict=True):
        prefers = others_first(files) if len(files) > 1 and rng.random() < OTHER_FILE else files
        others = [other for other in names if other != name]
        tasks[name] = ROLES[role](Draft(rng, machine, prefers, others, children_of(name, spaces)))
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


def draw_files(rng: Random, filesystem: str, count: int) -> dict[str, int]:
    """Sizes in pages by name. A range of virtio-fs has at least two pages, and a file should have several ranges."""
    sizes = (1, 1, 2, 3, 4, 4) if filesystem == "fuse" else (1, 1, 1, 2, 2, 3, 4)
    return {f"file{i}": rng.choice(sizes) for i in range(count)}


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
    for name, role in zip(names, roles, strict=True):
        prefers = others_first(files) if name == users[-1] else files
        others = [other for other in names if other != name]
        tasks[name] = ROLES[role](Draft(rng, machine, prefers, others, children_of(name, spaces)))
    return Program(tasks, Setup(files, spaces, prefault=rng.random() < 0.75, huge=rng.random() < 0.5), machine)


def draw_crowd(rng: Random, filesystem: str) -> Program:
    """One small file, and as many tasks as there may be, each with hardly more than one call."""
    machine = draw_machine(rng, filesystem)
    files = draw_files(rng, filesystem, 1)
    files = {name: min(pages, machine.pmd_pages) for name, pages in files.items()}
    # Whoever opens a file of virtio-fs looks at all of its entries.
    others = ("visitor", "looker", "looker") if filesystem == "fuse" else ("visitor",)
    last = rng.choice((*others * 3, "evictor", "evictor", "truncator", "mapper"))
    roles = ["visitor", *(rng.choice(others) for _ in range(rng.choice((1, 2, 2, 2)))), last]
    names = name_tasks(roles)
    rng.shuffle(names)
    spaces = draw_address_spaces(rng, names)
    program = draw_tasks(rng, machine, files, spaces)
    if rng.random() < ALIKE:
        program = alike(program, *rng.sample(names, 2))
    if rng.random() < UNWRITTEN:
        mode = rng.choice(("ALLOCATE", "ZERO_RANGE"))
        first = Call("fallocate", ("file0", mode, 0, files["file0"]))
        program = begin(program, rng.choice(names), first)
    return leave_unlinked(program) if rng.random() < 0.7 else program


def alike(program: Program, model: str, odd: str) -> Program:
    """The same, but all tasks except the odd one do what one of them does."""
    same = tuple(call for call in program.tasks[model] if call.name != "signal")
    return replace(program, tasks={name: calls if name == odd else same for name, calls in program.tasks.items()})


def begin(program: Program, name: str, call: Call) -> Program:
    """The same, but one task makes another call first."""
    return replace(program, tasks={**program.tasks, name: (call, *program.tasks[name])})


def draw_family(rng: Random, filesystem: str) -> Program:
    """A process of two threads, one of which forks, and what it forks."""
    machine = draw_machine(rng, filesystem)
    names = name_tasks(["parent", "thread", rng.choice(("thread", "visitor", "copier", "truncator"))])
    spaces = {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    files = {"file0": rng.choice((1, 1, 1, 2))}
    return draw_tasks(rng, machine, files, spaces)


def draw_threads(rng: Random, filesystem: str) -> Program:
    """Two threads that share a mapping, and a process that mostly takes the blocks behind it away."""
    machine = draw_machine(rng, filesystem)
    user = rng.choice(("toucher", "toucher", "mapper", "pinner"))
    other = rng.choice((*("truncator",) * 5, "evictor", "syncer", "toucher"))
    names = name_tasks([user, "changer", other])
    spaces: dict[str, tuple[str, ...]] = {"mm0": (names[0], names[1]), "mm1": (names[2],)}
    return leave_unlinked(draw_tasks(rng, machine, {"file0": rng.choice((1, 1, 1, 2))}, spaces))


def draw_departure(rng: Random, filesystem: str) -> Program:
    """A file that its last users leave, and somebody who comes to it without keeping it."""
    machine = draw_machine(rng, filesystem)
    if filesystem in REFLINK and rng.random() < NO_REVERSE_MAP:
        machine = replace(machine, rmapbt=False)
    more = rng.choice(((), (), ("leaver",), ("visitor",), ("stranger",), ("mapper",)))
    names = name_tasks(["leaver", "stranger", *more])
    # Nobody shares a process, since what its threads use is given up only when all of them are done.
    spaces: dict[str, tuple[str, ...]] = {f"mm{i}": (name,) for i, name in enumerate(names)}
    program = leave_unlinked(draw_tasks(rng, machine, draw_files(rng, filesystem, 1), spaces))
    return replace(program, setup=replace(program.setup, prefault=rng.random() < 0.75))


def draw_sizes(rng: Random, filesystem: str) -> Program:
    """A file of one huge page or two, with holes or mapped page by page, and somebody who maps it otherwise."""
    machine = draw_machine(rng, filesystem)
    files = {"file0": rng.choice((machine.pmd_pages, machine.pmd_pages, 4))}
    holes = rng.random() < 0.5
    odd = "splitter" if rng.random() < (0.75 if holes else 0.2) else "remapper"
    others = ("toucher", "toucher", "visitor", "saver") if holes else ("toucher", "visitor", "saver", "saver", "saver")
    same = [rng.choice(others)] * rng.choice((1, 2, 2, 3) if holes else (1, 1, 2))
    names = name_tasks(same)
    spaces = {
        "mm0": (odd,),
        **{f"mm{i + 1}": group for i, group in enumerate(draw_address_spaces(rng, names).values())},
    }
    program = draw_tasks(rng, machine, files, spaces)
    if holes and rng.random() < ALIKE:
        program = alike(program, rng.choice(names), odd)
    return replace(program, setup=replace(program.setup, prefault=not holes, huge=False))


def draw_handover(rng: Random, filesystem: str) -> Program:
    """Two files and hardly a block for both: who uses one file, who gives its blocks back, who has the other grow."""
    # An IPI waits for whoever walks page tables without a lock, so that they see nothing of a handover.
    tlb = rng.choice((TlbMode.BROADCAST, TlbMode.BROADCAST, TlbMode.IPI))
    machine = replace(draw_machine(rng, filesystem), tlb=tlb, spare_blocks=rng.choice((0, -1, -1, -1)))
    files = {"file0": rng.choice((1, *[machine.pmd_pages] * 4)), "file1": 1}
    names = name_tasks(["keeper", "giver", "taker", *rng.choice(((), (), (), ("keeper",)))])
    rng.shuffle(names)
    spaces = draw_address_spaces(rng, names)
    tasks = {}
    for name in names:
        others = [other for other in names if other != name]
        prefers = others_first(files) if name == "taker" else files
        role = ROLES[name.rstrip("0123456789")]
        tasks[name] = role(Draft(rng, machine, prefers, others, children_of(name, spaces)))
    setup = Setup(files, spaces, prefault=rng.random() < 0.2, huge=rng.random() < 0.8)
    return leave_unlinked(Program(tasks, setup, machine))


def draw_tasks(rng: Random, machine: Machine, files: dict[str, int], spaces: dict[str, tuple[str, ...]]) -> Program:
    """What tasks with the names of their roles do in the given address spaces."""
    names = [name for members in spaces.values() for name in members]
    tasks = {}
    for name in names:
        others = [other for other in names if other != name]
        tasks[name] = ROLES[name.rstrip("0123456789")](Draft(rng, machine, files, others, children_of(name, spaces)))
    return Program(tasks, Setup(files, spaces, prefault=rng.random() < 0.5, huge=rng.random() < 0.5), machine)


def others_first(files: dict[str, int]) -> dict[str, int]:
    """The same files, for who mostly uses another one than most tasks do."""
    return dict(reversed(files.items()))


def with_low_memory(rng: Random, program: Program) -> Program:
    """The program where memory is short, with a task more that makes it matter, if there is room for one."""
    machine = replace(program.machine, low_memory=True)
    tasks, setup = dict(program.tasks), program.setup
    if len(tasks) < MAX_TASKS:
        files = dict(setup.files)
        if rng.random() < 0.75:
            # Reclaim looks at files that nobody uses, so one more than what the others use.
            files[f"file{len(files)}"] = files["file0"]
        # Who keeps a range of a window can use another file only with another range.
        machine = replace(machine, window_ranges=max(machine.window_ranges, 2))
        tasks["hoarder"] = ROLES["hoarder"](Draft(rng, machine, others_first(files), list(tasks), []))
        setup = replace(setup, files=files, mms={**setup.mms, f"mm{len(setup.mms)}": ("hoarder",)})
    return Program(tasks, setup, machine)


def draw_machine(rng: Random, filesystem: str = "ext4") -> Machine:
    """Scale and hardware."""
    machine = Machine(
        bias=rng.choice((4, 4, 8, 1024)),
        tlb=rng.choice((TlbMode.IPI, TlbMode.IPI, TlbMode.BROADCAST)),
        wait_buckets=rng.choice((1, 2, 4)),
        pmd_pages=rng.choice((2, 2, 2, 4)),
        merge_vmas=rng.random() < 0.75,
        xa_check_sched=rng.choice((1, 2, 4096, 4096)),
        spare_blocks=rng.choice((1, 1, 1, 1, 1, 1, 0, -1)),
        ram_pages=rng.choice((0, 0, 0, 0, 0, 1, 2, 3)),
    )
    if filesystem in REFLINK:
        # Copies need blocks of their own.
        machine = replace(machine, spare_blocks=rng.choice((1, 1, 1, 0, -1)))
    if filesystem == "fuse":
        # Few ranges, so that files take them from each other.
        machine = replace(machine, window_ranges=rng.choice((1, 1, 2, 3)))
    return machine


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
    others = ("pinner", "mapper", "mapper", "truncator", "syncer", "reclaimer", "opener", "writer", "writer", "evictor")
    rare = ("dropper", "forker", "forker", "copier", "copier", "freezer", "signaller")
    roles += [rng.choice(others if rng.random() < 0.85 else rare) for _ in range(rng.choice((0, 1, 1, 2)))]
    rng.shuffle(roles)
    return forkers_first(roles)


def forkers_first(roles: list[str]) -> list[str]:
    """Only processes that come later can be forked."""
    return sorted(roles, key=lambda role: role != "forker")


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
