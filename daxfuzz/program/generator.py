"""Random programs: actors in roles over few pages, so that they collide; scale and hardware are drawn, too."""

from __future__ import annotations

from random import Random

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.program.case import Call, Program, Setup

MAX_TASKS = 4
MAX_REFERENCES = 8
"""References that one actor takes at most."""


def generate(rng: Random) -> Program:
    """Draw a program. The same state of `rng` gives the same program."""
    machine = draw_machine(rng)
    files = {f"file{i}": rng.choice((1, 1, 1, 2, 2, 3)) for i in range(rng.choice((1, 1, 1, 2)))}
    roles = draw_roles(rng)
    names = name_tasks(roles)
    tasks = {
        name: ROLES[role](Draft(rng, machine, files, [other for other in names if other != name]))
        for name, role in zip(names, roles, strict=True)
    }
    setup = Setup(files, draw_address_spaces(rng, names), prefault=rng.random() < 0.8)
    return Program(tasks, setup, machine)


def draw_machine(rng: Random) -> Machine:
    """Scale and hardware."""
    return Machine(
        bias=rng.choice((4, 4, 8, 1024)),
        tlb=rng.choice((TlbMode.IPI, TlbMode.IPI, TlbMode.BROADCAST)),
        wait_buckets=rng.choice((1, 2, 4)),
        merge_vmas=rng.random() < 0.75,
    )


def draw_roles(rng: Random) -> list[str]:
    """Two to four roles; there is always somebody who frees blocks and somebody who uses them."""
    users = ("pinner", "pinner", "mapper")
    others = ("pinner", "mapper", "truncator", "syncer")
    roles = [rng.choice(users), "truncator"]
    roles += [rng.choice(others) for _ in range(rng.choice((0, 1, 1, 2)))]
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


class Draft:
    """The calls of one task while they are drawn."""

    def __init__(self, rng: Random, machine: Machine, files: dict[str, int], others: list[str]) -> None:
        self.rng = rng
        self.machine = machine
        self.files = files
        self.others = others
        self.calls: list[Call] = []
        self.held: list[tuple[str, str]] = []
        self.taken = 0

    def file(self) -> str:
        """Mostly the first file, so that tasks meet."""
        names = list(self.files)
        return names[0] if self.rng.random() < 0.75 else self.rng.choice(names)

    def place(self) -> tuple[str, int]:
        """A file page, mostly the first of the file."""
        file = self.file()
        return file, 0 if self.rng.random() < 0.6 else self.rng.randrange(self.files[file])

    def add(self, name: str, *arguments: int | str, result: str | None = None) -> None:
        self.calls.append(Call(name, arguments, result))

    def take(self, name: str, file: str, page: int) -> None:
        """Take one reference into a fresh register."""
        register = f"r{self.taken}"
        self.taken += 1
        longterm = name.startswith("pin_") and self.rng.random() < 0.05
        self.add(name, file, page, *(("FOLL_LONGTERM",) if longterm else ()), result=register)
        self.held.append((register, "unpin_user_pages" if name.startswith("pin_") else "put_page"))

    def release(self) -> None:
        """Drop one reference, if there is one."""
        if self.held:
            register, name = self.held.pop(self.rng.randrange(len(self.held)))
            self.add(name, register)

    def maybe_signal(self) -> None:
        """Now and then, a signal to somebody else."""
        if self.others and self.rng.random() < 0.06:
            fatal = ("SIGKILL",) if self.rng.random() < 0.4 else ()
            self.add("signal", self.rng.choice(self.others), *fatal)


def pinner(draft: Draft) -> tuple[Call, ...]:
    """Takes references, lets a device write, drops some or all of them."""
    rng = draft.rng
    # References on one page count together, so numbers up to where they look like a pin matter most.
    count = min(rng.choice((1, 1, 1, 2, 2, 3, draft.machine.bias - 1, draft.machine.bias)), MAX_REFERENCES)
    file, page = draft.place()
    kind = rng.choice(("get_user_pages", "pin_user_pages"))
    for _ in range(count):
        if rng.random() < 0.15:
            kind = rng.choice(("get_user_pages", "pin_user_pages"))
        if rng.random() < 0.1:
            file, page = draft.place()
        draft.take(kind if rng.random() < 0.4 else f"{kind}_fast", file, page)
    for _ in range(rng.choice((0, 0, 1, 2))):
        step = rng.random()
        if step < 0.4 and draft.held:
            draft.add("dma_write", rng.choice(draft.held)[0])
        elif step < 0.6:
            draft.add("munmap", file)
        elif step < 0.8:
            draft.add("load", *draft.place())
        else:
            draft.release()
    draft.maybe_signal()
    for _ in range(len(draft.held) if rng.random() < 0.7 else rng.randrange(len(draft.held) + 1)):
        draft.release()
    return tuple(draft.calls)


def mapper(draft: Draft) -> tuple[Call, ...]:
    """Touches memory, maps and unmaps."""
    rng = draft.rng
    for _ in range(rng.choice((1, 2, 2, 3, 4))):
        step = rng.random()
        if step < 0.35:
            draft.add("load", *draft.place())
        elif step < 0.7:
            draft.add("store", *draft.place())
        elif step < 0.9:
            draft.add("munmap", draft.file())
        else:
            draft.add("mmap", draft.file())
        draft.maybe_signal()
    return tuple(draft.calls)


def truncator(draft: Draft) -> tuple[Call, ...]:
    """Frees blocks, and now and then makes the file as large as it was."""
    rng = draft.rng
    for _ in range(rng.choice((1, 1, 1, 2))):
        file, page = draft.place()
        if rng.random() < 0.6:
            draft.add("truncate", file, page if rng.random() < 0.85 else draft.files[file])
        else:
            draft.add("fallocate", file, "PUNCH_HOLE", page, rng.randint(1, draft.files[file] - page))
        draft.maybe_signal()
    return tuple(draft.calls)


def syncer(draft: Draft) -> tuple[Call, ...]:
    """Writes back."""
    for _ in range(draft.rng.choice((1, 1, 2))):
        draft.add("fsync", draft.file())
        draft.maybe_signal()
    return tuple(draft.calls)


ROLES = {"pinner": pinner, "mapper": mapper, "truncator": truncator, "syncer": syncer}
