"""The trace of a case: clocks, states, waits, places."""

from __future__ import annotations

import linecache
from collections.abc import Mapping

import pytest
from story_kit import CASES, DEADLOCK, LOCKED_ENTRY, LOST_WAKEUP, USE_AFTER_FREE, story

from daxfuzz.sim import conflict
from daxfuzz.triage.trace import TaskView, Trace, relevant
from daxfuzz.triage.trace.places import TOP


def tasks_at(trace: Trace, turn: int) -> dict[str, TaskView]:
    """All tasks after a turn."""
    views = dict(trace.tasks)
    for step in trace.steps[: turn + 1]:
        views.update(step.tasks)
    return views


def state_at(trace: Trace, turn: int) -> dict[str, str | None]:
    """The shared state after a turn."""
    state: dict[str, str | None] = dict(trace.state)
    for step in trace.steps[: turn + 1]:
        state.update(step.state)
    return state


@pytest.mark.parametrize("name", CASES)
def test_clocks_are_the_closure_of_program_order_and_conflicts(name: str) -> None:
    told = story(name)
    taken = list(told.replayed.execution.steps())
    before: list[set[int]] = []
    for number, step in enumerate(taken):
        found: set[int] = set()
        for earlier in reversed(range(number)):
            other = taken[earlier]
            if earlier not in found and (other.task == step.task or conflict(other.point, step.point)):
                found |= {earlier, *before[earlier]}
        before.append(found)
    for number, step in enumerate(told.trace.steps):
        counted = [0] * len(told.case.program.tasks)
        for earlier in (*before[number], number):
            counted[taken[earlier].task] += 1
        assert step.clock == tuple(counted), step


@pytest.mark.parametrize("name", CASES)
def test_every_step_is_at_a_line_of_its_function(name: str) -> None:
    for step in story(name).trace.steps:
        assert (step.access == "call") == (not step.stack)
        for place in step.stack:
            assert place.file.startswith("daxfuzz/"), place
            assert "await" in "".join(linecache.getlines(str(TOP / place.file))[place.line - 4 : place.line + 6]), place


def test_words_and_values_tell_the_same() -> None:
    trace = story(LOST_WAKEUP).trace
    for step in trace.steps:
        for change in step.changed:
            name, arrow, value = change.rpartition(" -> ")
            if arrow and name.startswith("page0.refcount"):
                assert step.state["page0.refcount"] == value
                before = name.removeprefix("page0.refcount ")
                assert state_at(trace, step.turn - 1)["page0.refcount"] == before
    assert state_at(trace, len(trace.steps))["page0.refcount"] == "3"


def test_who_waits_for_what() -> None:
    trace = story(LOST_WAKEUP).trace
    last = tasks_at(trace, len(trace.steps))
    assert last["pinner"].state == "ended"
    sleeper = last["truncator"]
    assert (sleeper.state, sleeper.waits_for) == ("asleep", "var_waitqueue[0] for page0")
    assert sleeper.stack[-1].function == "ext4_wait_dax_page"
    assert [(each.lock, each.write) for each in sleeper.holds] == [("sb.writers", False), ("file0.i_rwsem", True)]
    assert state_at(trace, len(trace.steps))["var_waitqueue[0]"] == "truncator (page0)"


def test_a_lock_that_is_held_blocks_and_lets_go_on() -> None:
    trace = story(DEADLOCK).trace
    blocked = next(step for step in trace.steps if any(view.state == "blocked" for view in step.tasks.values()))
    name, view = next((name, view) for name, view in blocked.tasks.items() if view.state == "blocked")
    released = next(step for step in trace.steps[blocked.turn + 1 :] if name in step.released)
    assert view.blocked_by == (released.task,)
    assert tasks_at(trace, released.turn)[name].state == "ready"


def test_wakes_are_seen_where_they_happen() -> None:
    trace = story(LOCKED_ENTRY).trace
    wakes = [(step.task, step.access, step.woken) for step in trace.steps if step.woken]
    assert wakes
    for step in trace.steps:
        for name in step.woken:
            assert tasks_at(trace, step.turn - 1)[name].state == "asleep"
            assert f"{name} is woken" in step.changed


def test_what_is_freed_says_so() -> None:
    trace = story(USE_AFTER_FREE).trace
    assert "freed" in {value for step in trace.steps for value in step.state.values()}


def test_turns_of_constraints() -> None:
    for name in (LOST_WAKEUP, DEADLOCK):
        told = story(name)
        assert told.constraints
        for each in told.constraints:
            assert each.before is not None
            assert each.after is None or each.before < each.after
            assert told.trace.steps[each.before].label == each.constraint.before


@pytest.mark.parametrize("name", CASES)
def test_relevant_steps_keep_what_tasks_notice_of_each_other(name: str) -> None:
    trace = story(name).trace
    kept = relevant(trace)
    assert len(trace.steps) - 1 in kept
    assert len(kept) < len(trace.steps)
    for step in trace.steps:
        if step.turn in kept:
            continue
        assert not step.woken
        assert not step.released
        assert is_private(trace, step.object) or "lock" in step.access, step


def is_private(trace: Trace, name: str) -> bool:
    """Whether only one task accesses an object, or it never changes."""
    users = {step.task for step in trace.steps if step.object == name}
    changed = {trace.objects[key] for step in trace.steps for key in step.state}
    return len(users) == 1 or name not in changed


def test_locks_count_where_somebody_waits() -> None:
    def locks(name: str) -> Mapping[str, bool]:
        trace = story(name).trace
        kept = relevant(trace)
        return {step.object: step.turn in kept for step in trace.steps if step.access == "lock"}

    assert locks(DEADLOCK)["mm0.ptl[file0 0]"]
    assert not locks(LOST_WAKEUP)["mm0.ptl[file0 0]"]
    assert not locks(LOCKED_ENTRY)["mm0.ptl[file0 0]"]
