"""Who waits for whom: hangs that are the kernel's design are told from those that are not."""

from __future__ import annotations

import pytest
from oracle_kit import LIMIT, assert_silent, executions, program, simulate

from daxfuzz.oracles.hang import cycle, waits
from daxfuzz.sim import Scheduler, Stepper

PROTOCOLS = ("refcount-1-fixed", "pin-wait-fixed")

SELF_PIN = {"pinner": ["r0 = pin_user_pages(file0, 0)", "truncate(file0, 0)"], "mapper": ["load(file0, 0)"]}
VICTIM = {
    "pinner": ["r0 = pin_user_pages(file0, 0)"],
    "truncator": ["truncate(file0, 0)"],
    "truncator1": ["fallocate(file0, PUNCH_HOLE, 0, 1)"],
}
FAULTING_PINNER = {
    "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "load(file0, 1)", "unpin_user_pages(r0)"],
    "truncator": ["truncate(file0, 0)"],
}
STARVER = {
    "pinner": [
        "r0 = pin_user_pages_fast(file0, 0)",
        "unpin_user_pages(r0)",
        "r1 = pin_user_pages_fast(file0, 0)",
        "unpin_user_pages(r1)",
    ],
    "truncator": ["truncate(file0, 0)"],
}
EACH_OTHERS = {
    "a": ["r0 = pin_user_pages(file0, 0)", "truncate(file1, 0)"],
    "b": ["r0 = pin_user_pages(file1, 0)", "truncate(file0, 0)"],
}
INTERRUPTED = {
    "pinner": ["r0 = pin_user_pages(file0, 0)", "signal(truncator)"],
    "truncator": ["truncate(file0, 0)"],
}


def stuck(of, protocol) -> set[tuple[int, ...]]:
    return {execution.stuck for execution in executions(simulate(of, protocol=protocol))}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("tasks", "hangs"),
    [(SELF_PIN, (0,)), (VICTIM, (1, 2)), (EACH_OTHERS, (0, 1))],
    ids=["a task that truncates what it has pinned itself", "a victim queued behind", "two that wait for each other"],
)
def test_a_hang_that_a_user_could_end_is_seen_and_is_no_finding(tasks, hangs, protocol) -> None:
    files = {"file0": 1, "file1": 1} if tasks is EACH_OTHERS else {"file0": 1}
    of = program(tasks, files=files)
    assert hangs in stuck(of, protocol)
    assert_silent(simulate(of, protocol=protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("tasks", [FAULTING_PINNER, STARVER], ids=["its holder faults", "it is pinned again"])
def test_a_wait_for_a_pin_that_ends_is_no_hang(tasks, protocol) -> None:
    of = program(tasks, files={"file0": 2})
    assert stuck(of, protocol) == {()}
    assert_silent(simulate(of, protocol=protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_signal_ends_the_wait_for_a_user_held_pin(protocol) -> None:
    sim = simulate(program(INTERRUPTED), protocol=protocol)
    results = set()
    for execution in executions(sim):
        assert execution.violation is None
        results.add(tuple(sim.results[1]))
    assert (-512,) in results
    assert_silent(sim)


def test_waits_names_channel_page_and_holders() -> None:
    sim = simulate(program(VICTIM))
    seen = []
    sim.world.on_end.append(lambda: seen.extend(waits(sim)))
    execution = Stepper(sim.world).run(Scheduler(), LIMIT)
    assert execution.stuck == (1, 2)
    first, second = seen
    assert (first.task.name, first.channel, first.page.pfn, first.satisfied) == ("truncator", "page_idle", 0, False)
    assert [(task.name, reference.page.pfn) for task, reference in first.holders] == [("pinner", 0)]
    assert (second.task.name, second.channel, second.waits_for) == ("truncator1", "i_rwsem", (1,))
    assert cycle(seen) == []


def test_looking_at_a_sleepers_condition_leaves_no_trace() -> None:
    sim = simulate(program(VICTIM))
    execution = Stepper(sim.world).run(Scheduler(), LIMIT)
    bare = simulate(program(VICTIM), oracles=[])
    assert execution.digest() == Stepper(bare.world).run(Scheduler(), LIMIT).digest()
