"""The recording mode notes at what observers look."""

from __future__ import annotations

from daxfuzz.sim import Cell, World, record_looks


def test_who_asks_whether_an_object_is_there_looks_at_it() -> None:
    """An observer that does nothing once an object is gone does something else while it is there."""
    world = World()
    cell = Cell(world, "cell", 0)
    world.spawn("t", cell.read)
    world.seal()
    record_looks(world)
    world.reset()
    world.current = world.tasks[0]
    assert not cell.FREED
    assert cell not in world.looked
    world.looking = True
    assert not cell.FREED
    assert cell in world.looked
    world.looked.clear()
    world.looking = False
    world.free(cell)
    world.looking = True
    assert cell.FREED
    assert cell in world.looked
    world.looking = False
    world.reset()
    assert not cell.FREED
