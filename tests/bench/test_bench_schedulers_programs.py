"""The programs that schedulers are measured on: their bugs, and that they keep to the rules of points."""

from __future__ import annotations

import random

import pytest

from daxfuzz.bench.schedulers.programs import PROGRAMS
from daxfuzz.bench.schedulers.programs.work_steal_queue import WorkStealQueue, work_steal_queue
from daxfuzz.bench.schedulers.small import LIMIT, SMALL
from daxfuzz.bench.schedulers.trials import is_buggy
from daxfuzz.search import SURW, RandomWalk
from daxfuzz.sim import Access, Scheduler, Stepper, TrioHost, World, check_accesses

DEADLOCKS = {"CS/carter01", "CS/deadlock01"}

ALL = {**PROGRAMS, **SMALL}


@pytest.mark.parametrize("name", PROGRAMS)
def test_threads_one_after_the_other_show_no_bug(name: str) -> None:
    assert not is_buggy(Stepper(PROGRAMS[name]()).run(Scheduler()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_bug_is_the_one_that_the_suite_means(name: str) -> None:
    host = Stepper(PROGRAMS[name]())
    scheduler = SURW(random.Random(0))
    # 40 schedules are more than it takes on average.
    found = next(execution for _ in range(800) if is_buggy(execution := host.run(scheduler)))
    if name in DEADLOCKS:
        assert found.violation is None
        assert len(found.stuck) == 2
    else:
        assert found.violation is not None
        assert found.violation.kind == "assertion"
        assert not found.stuck


def test_the_queue_has_no_other_bug_than_its_push(monkeypatch: pytest.MonkeyPatch) -> None:
    async def push(self: WorkStealQueue, item: int) -> None:
        tail = await self.tail.read()
        if tail < await self.head.read() + await self.mask.read():
            await (await self.slot(tail)).write(item)
            await self.tail.set(tail + 1)
        else:
            await self.sync_push(item)

    monkeypatch.setattr(WorkStealQueue, "push", push)
    host = Stepper(work_steal_queue())
    for scheduler in (SURW(random.Random(1)), RandomWalk(random.Random(1))):
        assert not any(is_buggy(host.run(scheduler)) for _ in range(1_000))


@pytest.mark.parametrize("name", ALL)
def test_every_access_is_a_point(name: str) -> None:
    world = ALL[name]()
    observers = "daxfuzz.bench.schedulers.small", "daxfuzz.bench.schedulers.programs.work_steal_queue"
    check_accesses(world, observers)
    host = Stepper(world)
    scheduler = RandomWalk(random.Random(2))
    for _ in range(5):
        assert host.run(scheduler).turns


@pytest.mark.parametrize("name", ALL)
def test_both_hosts_run_them_alike(name: str) -> None:
    stepper, trio = Stepper(ALL[name]()), TrioHost(ALL[name]())
    for seed in range(3):
        digests = {host.run(RandomWalk(random.Random(seed))).digest() for host in (stepper, trio)}
        assert len(digests) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_threads_begin_after_they_are_created(name: str) -> None:
    world: World = PROGRAMS[name]()
    host = Stepper(world)
    scheduler = RandomWalk(random.Random(3))
    for _ in range(5):
        created = set()
        begun = set()
        for step in host.run(scheduler).steps():
            if step.point.verb == "pthread_create":
                created.add(step.point.object)
            elif step.task and step.task not in begun:
                begun.add(step.task)
                assert (step.point.verb, step.point.access) == ("begin", Access.SLEEP)
                assert step.point.object in created
        assert begun


@pytest.mark.parametrize("name", SMALL)
def test_small_programs_are_small(name: str) -> None:
    host = Stepper(SMALL[name]())
    scheduler = RandomWalk(random.Random(4))
    assert max(len(host.run(scheduler).turns) for _ in range(50)) <= LIMIT
