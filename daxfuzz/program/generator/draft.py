"""The calls of one task while they are drawn."""

from __future__ import annotations

from random import Random

from daxfuzz.kernel.machine import Machine
from daxfuzz.program.case import Call


class Draft:
    """The calls of one task while they are drawn.

    files: sizes in pages, the one that is used most first. others: the other tasks. children: those of them whose
    process this one can fork.
    """

    def __init__(
        self, rng: Random, machine: Machine, files: dict[str, int], others: list[str], children: list[str]
    ) -> None:
        self.rng = rng
        self.machine = machine
        self.files = files
        self.others = others
        self.children = children
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

    def forget(self, file: str) -> None:
        """Forget what is mapped of a file, or of a part of it that need not fit huge entries."""
        page = self.rng.randrange(self.files[file])
        self.add("madvise", file, "MADV_DONTNEED", page, self.rng.randint(1, self.files[file] - page))

    def add(self, name: str, *arguments: int | str, result: str | None = None) -> None:
        self.calls.append(Call(name, arguments, result))

    def take(self, name: str, file: str, page: int, *flags: str) -> None:
        """Take references on a page, or a few, into a fresh register."""
        register = f"r{self.taken}"
        self.taken += 1
        extra: list[int | str] = []
        left = self.files[file] - page
        if left > 1 and self.rng.random() < 0.4:
            extra.append(self.rng.randint(2, left))
        pin = name.startswith("pin_")
        flag = self.rng.random()
        if flags:
            extra += flags
        elif pin and flag < 0.08:
            extra.append("FOLL_LONGTERM")
        elif flag > 0.9:
            extra.append("READ_ONLY")
        self.add(name, file, page, *extra, result=register)
        self.held.append((register, "unpin_user_pages" if pin else "put_page"))

    def release(self) -> None:
        """Drop what one register holds, if there is one."""
        if self.held:
            register, name = self.held.pop(self.rng.randrange(len(self.held)))
            self.add("release_pages" if name == "put_page" and self.rng.random() < 0.3 else name, register)

    def maybe_signal(self) -> None:
        """Now and then, a signal to somebody else."""
        if self.others and self.rng.random() < 0.08:
            fatal = ("SIGKILL",) if self.rng.random() < 0.4 else ()
            self.add("signal", self.victim(), *fatal)

    def victim(self) -> str:
        """Another task to signal: mostly one that may wait for what others hold, not one that just uses memory."""
        waits = [other for other in self.others if not other.startswith(("pinner", "mapper"))]
        return self.rng.choice([*self.others, *waits, *waits])
