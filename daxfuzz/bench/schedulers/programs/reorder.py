"""CS/reorder: two values that one thread writes and another reads, in the order in which they are written."""

from __future__ import annotations

from daxfuzz.bench.schedulers.programs.threads import CHECKED_SPAWN, check, program
from daxfuzz.sim import Cell, World


def reorder(writers: int, checkers: int) -> World:
    """The bug needs a checker that comes after the first write to a and before the first one to b, of all writers."""
    world = World()
    a, b = Cell(world, "a", 0), Cell(world, "b", 0)

    async def sets() -> None:
        await a.write(1)
        await b.write(-1)

    async def checks() -> None:
        check(
            (await a.read() == 0 and await b.read() == 0)
            or (await a.read() == 1 and await b.read() == -1)
        )  # fmt: skip

    return program(world, [sets] * writers + [checks] * checkers, CHECKED_SPAWN)
