"""percpu_rw_semaphore."""

from __future__ import annotations

from functools import partial

import pytest
from sim_kit import Order, RandomWalk, run

from daxfuzz.sim import PercpuRwSemaphore, World


def test_only_what_a_writer_holds_can_be_given_up() -> None:
    world = World()
    level = PercpuRwSemaphore(world, "level")

    async def freeze_and_thaw_twice() -> None:
        await level.down_write()
        await level.up_write()
        with pytest.raises(RuntimeError, match="which no writer holds"):
            await level.up_write()

    world.spawn("freezer", freeze_and_thaw_twice)

    run(world.seal(), Order())
    assert not level.frozen()


@pytest.mark.parametrize("seed", range(20))
def test_a_second_writer_waits_until_the_first_has_left(seed) -> None:
    """sem->block keeps writers from each other, too."""
    world = World()
    level = PercpuRwSemaphore(world, "level")
    inside: list[str] = []

    async def freeze_and_thaw(name: str) -> None:
        await level.down_write()
        inside.append(name)
        await level.up_write()
        assert inside == [name]
        inside.clear()

    for name in ("first", "second", "third"):
        world.spawn(name, partial(freeze_and_thaw, name))

    assert not run(world.seal(), RandomWalk(seed)).stuck
    assert not level.frozen()
