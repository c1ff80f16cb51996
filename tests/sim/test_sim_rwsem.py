"""Reader-writer semaphores against kernel/locking/rwsem.c."""

from __future__ import annotations

import itertools

import pytest
from sim_kit import Order, lines, on_both, run

from daxfuzz.sim import Cell, RwSemaphore, Signal, World


class Setting:
    """A semaphore and tasks that hold it in one mode; `got` is the order in which they get it."""

    def __init__(self, **modes: str) -> None:
        self.world = World()
        self.sem = RwSemaphore(self.world, "sem", "sem_class")
        self.cell = Cell(self.world, "cell", 0)
        self.got: list[str] = []
        self.results: list[bool] = []
        for name, mode in modes.items():
            self.world.spawn(name, getattr(self, mode)(name))

    def read(self, name):
        async def body() -> None:
            await self.sem.down_read()
            self.got.append(name)
            await self.sem.up_read()

        return body

    def write(self, name, killable=False):
        async def body() -> None:
            taken = await self.sem.down_write(killable)
            self.results.append(taken)
            if taken:
                self.got.append(name)
                await self.sem.up_write()

        return body

    def killable(self, name):
        return self.write(name, killable=True)

    def downgrade(self, name):
        async def body() -> None:
            await self.sem.down_write()
            await self.sem.downgrade_write()
            self.got.append(name)
            await self.sem.up_read()

        return body

    def killer(self, name):
        async def body() -> None:
            await self.cell.read()
            self.world.signal(next(task for task in self.world.tasks if task.name == "k"), Signal.FATAL)

        return body

    def run(self, *turns: str):
        self.got.clear()
        self.results.clear()
        if not self.world._sealed:
            self.world.seal()
        return run(self.world, Order(*turns))


def test_readers_share_and_writers_do_not():
    s = Setting(a="read", b="read", w="write")
    s.run("a b w a b w w")
    assert s.got == ["a", "b", "w"]
    for turns in ("w a w a a", "a w a w w"):
        s.run(turns)


def test_a_waiting_writer_blocks_new_readers_while_readers_hold_it():
    s = Setting(a="read", w="write", b="read")
    s.run("a w b")
    with pytest.raises(AssertionError, match="b cannot run"):
        s.run("a w b b")
    s.run("a w b a w w b b")
    assert s.got == ["a", "w", "b"]


def test_a_newcomer_steals_a_free_lock_before_the_woken_writer():
    s = Setting(a="read", w="write", b="read", v="write")
    s.run("a w a b")
    assert s.got[:2] == ["a", "b"]
    # While the thief reads, the woken writer waits again, as does the next newcomer.
    with pytest.raises(AssertionError, match="w cannot run"):
        s.run("a w a b w")
    s.run("a w a v v w w")
    assert s.got[:3] == ["a", "v", "w"]


def test_a_reader_at_the_head_lets_all_queued_readers_in_also_behind_a_writer():
    s = Setting(h="write", a="read", w="write", b="read")
    s.run("h a w b h a b a b w w")
    assert s.got == ["h", "a", "b", "w"]
    # Granted by the first to run: the other has it before its own turn, so the first release does not free it.
    with pytest.raises(AssertionError, match="w cannot run"):
        s.run("h a w b h a a w")
    s.run("h a w b h b a b a w w")
    assert s.got == ["h", "b", "a", "w"]


def test_a_writer_may_steal_before_woken_readers_run():
    s = Setting(h="write", a="read", b="read", v="write")
    s.run("h a b h v")
    assert s.got[:2] == ["h", "v"]
    with pytest.raises(AssertionError, match="a cannot run"):
        s.run("h a b h v a")
    s.run("h a b h v v b a")


def test_queued_writers_take_turns_in_order():
    s = Setting(h="write", v="write", w="write")
    with pytest.raises(AssertionError, match="w cannot run"):
        s.run("h v w h w")
    s.run("h v w h v v w w")
    assert s.got == ["h", "v", "w"]


def test_downgrade_lets_readers_at_the_head_in_and_no_writer():
    s = Setting(d="downgrade", a="read", w="write")
    s.run("d a d a a d")
    assert s.got[:2] == ["d", "a"]
    with pytest.raises(AssertionError, match="w cannot run"):
        s.run("d w d w")
    # A writer at the head keeps the readers behind it out.
    with pytest.raises(AssertionError, match="a cannot run"):
        s.run("d w a d a")
    s.run("d a w d a a d w w")
    assert s.got == ["d", "a", "w"]


def test_a_fatal_signal_ends_a_killable_wait():
    s = Setting(a="read", k="killable", x="killer")
    s.run("a k x k a")
    assert s.results == [False]
    assert s.sem.queue == []
    # The lock wins over the signal if it is free by then.
    s.run("a k x a k k")
    assert s.results == [True]
    # A signal before the wait ends it as well, and a free lock is taken all the same.
    s.run("a x k k a")
    assert s.results == [False]
    s.run("x k k a a")
    assert s.results == [True]
    with pytest.raises(AssertionError, match="k cannot run"):
        s.run("a k k")


def test_a_fatal_signal_does_not_end_a_plain_wait():
    s = Setting(a="read", k="write", x="killer")
    with pytest.raises(AssertionError, match="k cannot run"):
        s.run("a k x k")
    s.run("a k x a k k")
    assert s.results == [True]


def test_a_killed_writer_at_the_head_lets_the_readers_behind_it_in():
    s = Setting(a="read", k="killable", b="read", x="killer")
    with pytest.raises(AssertionError, match="b cannot run"):
        s.run("a k b x b")
    s.run("a k b x k b b a")
    assert s.got == ["a", "b"]
    assert s.results == [False]


def test_a_killed_writer_in_the_middle_leaves_the_head_alone():
    s = Setting(a="read", w="write", k="killable", x="killer")
    s.run("a w k x k a w w")
    assert s.got == ["a", "w"]
    assert s.results == [False, True]


@pytest.mark.parametrize(("first", "second"), list(itertools.product(["down_read", "down_write"], repeat=2)))
def test_self_deadlock_is_reported_at_the_acquisition(first, second):
    world = World()
    sem = RwSemaphore(world, "sem", "sem_class")

    async def twice() -> None:
        await getattr(sem, first)()
        await getattr(sem, second)()

    world.spawn("a", twice)
    done = on_both(world.seal(), Order)
    if first == second == "down_read":
        assert done.violation is None
        assert done.stuck == ()
    else:
        assert done.violation is not None
        assert (done.violation.kind, done.violation.channel) == ("self-deadlock", "sem_class")
        assert lines(done) == ["0 sem.lock None", "0 sem.lock None"]


def test_a_second_read_behind_a_waiting_writer_is_a_self_deadlock():
    world = World()
    sem = RwSemaphore(world, "sem")

    async def twice() -> None:
        await sem.down_read()
        await sem.down_read()
        await sem.up_read()
        await sem.up_read()

    world.spawn("r", twice)
    world.spawn("w", writer(sem))
    world.seal()
    assert run(world, Order("r r r r w w")).violation is None
    done = on_both(world, lambda: Order("r w r"))
    assert done.violation is not None
    assert done.violation.kind == "self-deadlock"


def writer(sem):
    async def body() -> None:
        await sem.down_write()
        await sem.up_write()

    return body


@pytest.mark.parametrize("release", ["up_read", "up_write", "downgrade_write"])
def test_release_of_a_lock_not_held_is_an_error(release):
    world = World()
    sem = RwSemaphore(world, "sem")
    world.spawn("a", getattr(sem, release))
    with pytest.raises(RuntimeError, match="which it does not hold"):
        run(world.seal(), Order())


def test_owners_are_those_a_waiter_waits_for():
    s = Setting(a="read", b="read", w="write")
    s.world.seal()
    seen = {}
    for turns in ("a b w", "w a"):
        s.world.on_end[:] = [lambda turns=turns: seen.setdefault(turns, s.sem.owners())]
        run(s.world, Order(turns), limit=len(turns.split()))
    assert seen == {"a b w": (0, 1), "w a": (2,)}


def test_state_tells_readers_writer_and_queue_apart():
    s = Setting(a="read", b="read", w="write", v="write")
    s.world.seal()
    states = set()
    orders = ["a", "b", "w", "v", "a b", "w a", "w a b", "w b a", "a w", "a v", "a w v", "a v w", "w a v"]
    for turns in orders:
        run(s.world, Order(turns), limit=len(turns.split()))
        states.add(s.sem.state())
    assert len(states) == len(orders)
    run(s.world, Order("a b"), limit=2)
    one = s.sem.state()
    run(s.world, Order("b a"), limit=2)
    assert s.sem.state() == one, "who came first among those who read makes no difference"


def test_held_for_write():
    world = World()
    sem = RwSemaphore(world, "sem")
    seen = []

    async def body() -> None:
        await sem.down_write()
        seen.append(sem.held_for_write())
        await sem.downgrade_write()
        seen.append(sem.held_for_write())
        await sem.up_read()

    world.spawn("a", body)
    run(world.seal(), Order())
    assert seen == [True, False]
