"""percpu_rw_semaphore."""

from __future__ import annotations

import pytest
from sim_kit import Order, run

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
