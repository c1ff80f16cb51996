"""The checking mode: a violating program for each of its rules."""

from __future__ import annotations

import types

import pytest

from daxfuzz.sim import (
    Access,
    Atomic,
    Cell,
    Completion,
    Interrupts,
    Mutex,
    PercpuRef,
    Rcu,
    RwSemaphore,
    Scheduler,
    Shared,
    Stepper,
    TrioHost,
    UndeclaredAccess,
    WaitQueueHead,
    World,
    check_accesses,
)


class Sly(Shared):
    """A primitive that does not keep to what it declares."""

    __slots__ = ("_other", "_peek", "twin", "value")
    GUARDED = ("value",)

    def __init__(self, world, name, twin=None):
        super().__init__(world, name)
        self.value = 0
        self.twin = twin
        self._peek = self.point(Access.READ, "peek")
        self._other = self.point(Access.UPDATE, "other")

    @types.coroutine
    def write_in_a_read(self):
        yield self._peek
        self.value = 1

    @types.coroutine
    def read_in_a_read(self):
        yield self._peek
        return self.value

    @types.coroutine
    def touch_the_twin(self):
        yield self._other
        return self.twin.value

    @types.coroutine
    def touch_before_the_point(self):
        if self.value == 0:
            yield self._peek

    @types.coroutine
    def write_in_a_nested_function(self):
        yield self._peek

        def inner():
            self.value = 1

        inner()

    def state(self):
        return self.value

    def restore(self, state):
        self.value = state


def play(host, world, actor):
    world.spawn("a", actor)
    world.seal()
    check_accesses(world)
    return host(world).run(Scheduler())


@pytest.mark.parametrize("host", [Stepper, TrioHost])
@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("write_in_a_read", r"write_in_a_read writes two, but two\.peek is declared"),
        ("touch_the_twin", r"touch_the_twin touches one, but two\.other is declared"),
        ("touch_before_the_point", "touch_before_the_point touches two, but None is declared"),
        ("write_in_a_nested_function", r"inner writes two, but two\.peek is declared"),
    ],
)
def test_a_primitive_that_does_what_it_did_not_declare(host, method, message):
    world = World()
    sly = Sly(world, "two", Sly(world, "one"))
    with pytest.raises(UndeclaredAccess, match=message):
        play(host, world, getattr(sly, method))


@pytest.mark.parametrize("host", [Stepper, TrioHost])
def test_a_primitive_that_keeps_to_it(host):
    world = World()
    sly = Sly(world, "two")
    assert len(play(host, world, sly.read_in_a_read).turns) == 1


@pytest.mark.parametrize(
    ("make", "attribute"),
    [
        (lambda world: Cell(world, "x", 0), "value"),
        (lambda world: Atomic(world, "x"), "value"),
        (lambda world: Mutex(world, "x"), "owner"),
        (lambda world: Mutex(world, "x"), "waiters"),
        (lambda world: RwSemaphore(world, "x"), "readers"),
        (lambda world: RwSemaphore(world, "x"), "writer"),
        (lambda world: RwSemaphore(world, "x"), "queue"),
        (lambda world: WaitQueueHead(world, "x"), "entries"),
        (lambda world: Completion(world, "x"), "done"),
        (lambda world: Completion(world, "x"), "entries"),
        (lambda world: PercpuRef(world, "x", lambda: None), "count"),
        (lambda world: PercpuRef(world, "x", lambda: None), "dying"),
        (lambda world: Rcu(world, "x"), "readers"),
        (lambda world: Rcu(world, "x"), "waiting"),
        (lambda world: Interrupts(world), "pending"),
    ],
)
def test_an_actor_that_touches_state_directly(make, attribute):
    world = World()
    obj, cell = make(world), Cell(world, "cell", 0)

    async def reads() -> None:
        await cell.read()
        getattr(obj, attribute)

    async def writes() -> None:
        await cell.write(1)
        setattr(obj, attribute, 1)

    world.seal()
    check_accesses(world)
    for actor in (reads, writes):
        world.tasks.clear()
        world.spawn("a", actor)
        with pytest.raises(UndeclaredAccess, match=rf"touches {obj.name}\.{attribute} without a primitive"):
            Stepper(world).run(Scheduler())


def test_observers_may_look():
    for module, allowed in (("daxfuzz.oracles.leak", True), ("daxfuzz.oraclesque", False)):
        world = World()
        cell = Cell(world, "cell", 5)
        names = {"__name__": module}
        exec("def look(cell):\n    return cell.value", names)
        seen = []
        cell.watch = lambda old, new, look=names["look"], cell=cell, seen=seen: seen.append(look(cell))
        if allowed:
            play(Stepper, world, lambda cell=cell: cell.write(6))
            assert seen == [6]
        else:
            with pytest.raises(UndeclaredAccess, match=r"look touches cell\.value"):
                play(Stepper, world, lambda cell=cell: cell.write(6))


def test_what_an_observer_calls_may_look_for_it_and_what_a_task_runs_may_not():
    def look(cell):
        return cell.value

    for kind, allowed in (("def", True), ("async def", False)):
        world = World()
        cell = Cell(world, "cell", 5)
        names = {"__name__": "daxfuzz.oracles.leak", "look": look}
        exec(f"{kind} ask(cell):\n    return look(cell)", names)
        seen = []
        if allowed:
            cell.watch = lambda old, new, ask=names["ask"], cell=cell, seen=seen: seen.append(ask(cell))
            play(Stepper, world, lambda cell=cell: cell.write(6))
            assert seen == [6]
        else:
            with pytest.raises(UndeclaredAccess, match=r"look touches cell\.value"):
                play(Stepper, world, lambda ask=names["ask"], cell=cell: ask(cell))


def test_other_worlds_are_not_checked():
    checked, free = World(), World()
    one, two = Cell(checked, "one", 1), Cell(free, "two", 2)
    check_accesses(checked)
    assert two.value == 2
    with pytest.raises(UndeclaredAccess):
        _ = one.value


def test_a_checked_object_is_still_what_it_was():
    world = World()
    mutex = Mutex(world, "lock")
    check_accesses(world)
    assert isinstance(mutex, Mutex)
    assert type(mutex).__name__ == "Mutex"
    assert type(mutex).__module__ == Mutex.__module__
