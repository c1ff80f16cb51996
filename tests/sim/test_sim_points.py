"""Points, traces and frames: what an execution leaves behind."""

from __future__ import annotations

from sim_kit import Order

from daxfuzz.sim import Atomic, Cell, Constraint, Label, Mutex, Scheduler, Stepper, World
from daxfuzz.sim.trace import function_of


def test_points_are_built_once():
    world = World()
    atomic = Atomic(world, "atomic")

    async def body() -> None:
        await atomic.add(1)
        await atomic.add(1)

    world.spawn("a", body)
    one, two = Stepper(world.seal()).run(Scheduler()).steps()
    assert one.point is two.point
    assert repr(one.point) == "atomic.add"


def test_a_parked_task_shows_its_next_access():
    world = World()
    atomic, lock = Atomic(world, "atomic"), Mutex(world, "lock")

    async def body() -> None:
        await lock.acquire()
        await atomic.read()
        await lock.release()

    shown = []

    class Look(Scheduler):
        def next_task(self, enabled, current):
            shown.append([repr(task.point) for task in world.tasks])
            return enabled[0]

    world.spawn("a", body)
    world.spawn("b", body)
    Stepper(world.seal()).run(Look())
    assert shown[:3] == [["lock.lock", "lock.lock"], ["atomic.read", "lock.lock"], ["lock.unlock", "lock.lock"]]
    assert shown[3] == ["None", "lock.lock"]


def test_steps_pair_points_with_values():
    world = World()
    cell = Cell(world, "cell", None)

    async def body() -> None:
        await cell.write(0)
        await cell.read()
        await cell.write(None)
        await cell.read()

    world.spawn("a", body)
    done = Stepper(world.seal()).run(Scheduler())
    assert [(repr(step.point), step.value) for step in done.steps()] == [
        ("cell.write", None),
        ("cell.read", 0),
        ("cell.write", None),
        ("cell.read", None),
    ]


def test_an_execution_keeps_its_own_log():
    world = World()
    atomic = Atomic(world, "atomic")
    for name in "ab":
        world.spawn(name, lambda: atomic.add_return(1))
    stepper = Stepper(world.seal())
    one = stepper.run(Order("a b"))
    text = one.digest()
    two = stepper.run(Order("b a"))
    assert one.digest() == text != two.digest()


def test_digest_depends_on_values_and_on_the_end():
    def execution(value, limit=10):
        world = World()
        cell = Cell(world, "cell", value)
        world.spawn("a", cell.read)
        world.spawn("b", cell.read)
        return Stepper(world.seal()).run(Scheduler(), limit=limit).digest()

    assert execution(1) == execution(1)
    assert len({execution(1), execution(2), execution(-1), execution(-2), execution(1, limit=1)}) == 5


def test_frames_name_the_function_that_makes_the_access():
    world = World()
    lock, cell = Mutex(world, "lock"), Cell(world, "cell", 0)

    async def inner() -> None:
        await lock.acquire()
        await cell.read()
        await lock.release()

    async def outer() -> None:
        await inner()
        await cell.read()

    found = []

    class Look(Scheduler):
        def next_task(self, enabled, current):
            frames = world.tasks[0].frames()
            found.append(([code.co_name for code in frames], function_of(frames)))
            return enabled[0]

    world.spawn("a", outer)
    Stepper(world.seal()).run(Look())
    assert found == [
        (["outer", "inner", "acquire"], "inner"),
        (["outer", "inner", "read"], "inner"),
        (["outer", "inner", "release"], "inner"),
        (["outer", "read"], "outer"),
    ]
    assert function_of([]) == ""


def test_labels_and_constraints_as_text():
    first = Label("getter", "get_user_pages_fast", "add", 3)
    second = Label("truncator", "dax_layout_busy_page", "read")
    assert str(Constraint(first, second)) == "getter:get_user_pages_fast.add#3 < truncator:dax_layout_busy_page.read"
