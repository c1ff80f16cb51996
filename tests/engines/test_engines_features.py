"""Concurrency coverage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from daxfuzz.engines.entry_states import EntryState, EntryStates
from daxfuzz.engines.features import Collector, Family, family, features_of
from daxfuzz.engines.page_states import PageState, PageStates
from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import Case, KernelSpec, Program, Setup
from daxfuzz.program.dax_file import default_mms, load_case
from daxfuzz.program.simulation import Simulation
from daxfuzz.search import SparseReplay
from daxfuzz.sim import SparseSchedule
from daxfuzz.triage.bench import Bench, KernelChoice

CASES = Path(__file__).parents[2] / "corpus" / "flaws"


def program(tasks: Mapping[str, Sequence[str]], **setup: object) -> Program:
    calls = {name: tuple(parse_call(text) for text in texts) for name, texts in tasks.items()}
    return Program(calls, Setup(**{"mms": default_mms(calls), **setup}))


def collector(tasks: Mapping[str, Sequence[str]], protocol: str = "pin-wait-fixed", **setup: object) -> Collector:
    return Collector(Bench(program(tasks, **setup), KernelChoice(KernelSpec(protocol))))


def run(subject: Collector, *switches: tuple[int, int]) -> tuple[int, ...]:
    return subject.run(SparseReplay(SparseSchedule(switches)))[1]


def families(features: Sequence[int]) -> set[Family]:
    return {family(feature) for feature in features}


PIN = {"a": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "b": ["truncate(file0, 0)"]}


def test_another_interleaving_has_other_features():
    subject = collector(PIN)
    after = run(subject)
    # The truncate comes while the page is pinned, waits, and is woken.
    between = run(subject, (19, 1))
    assert families(after) == {Family.READS_FROM, Family.PAGE}
    assert families(between) == {Family.READS_FROM, Family.WAKE, Family.PAGE}
    # The truncate keeps out the fault of a pin that did not get the page.
    assert Family.HAND_OVER in families(run(subject, (12, 1)))
    assert set(between) - set(after)
    assert run(subject) == after
    assert list(after) == sorted(set(after))


def test_a_bench_that_has_run_is_as_good_as_a_new_one():
    bench = Bench(program(PIN), KernelChoice(KernelSpec("pin-wait-fixed")))
    # The page is gone from its file at the end.
    bench.run(SparseReplay(SparseSchedule(((19, 1),))))
    assert run(Collector(bench)) == run(collector(PIN))


def test_a_task_alone_meets_nobody():
    subject = collector({"a": ["truncate(file0, 0)"]})
    assert families(run(subject)) == {Family.PAGE}


def test_names_do_not_matter():
    plain = run(collector(PIN, files={"file0": 1}), (19, 1))
    renamed = {name: [text.replace("file0", "data") for text in texts] for name, texts in PIN.items()}
    other = run(collector({f"task_{name}": texts for name, texts in renamed.items()}, files={"data": 1}), (19, 1))
    assert other == plain


def test_operations_matter():
    getter = {"a": ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"], "b": ["truncate(file0, 0)"]}
    assert set(run(collector(getter))) != set(run(collector(PIN)))


def test_features_are_the_same_in_every_process():
    path = CASES / "pin-wait-f02-lost-wakeup.dax"
    script = (
        "import sys; from daxfuzz.engines.features import features_of; from daxfuzz.program.dax_file import load_case;"
        "from pathlib import Path; print(features_of(load_case(Path(sys.argv[1]))))"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        printed = subprocess.run(
            [sys.executable, "-c", script, str(path)], env=environment, capture_output=True, text=True, check=True
        )
        assert printed.stdout == f"{features_of(load_case(path))}\n"


def test_a_case_without_schedule_runs_by_default():
    subject = program(PIN)
    assert features_of(Case(subject, KernelSpec("pin-wait-fixed"))) == run(collector(PIN))


def test_listening_changes_no_trace():
    for path in sorted(CASES.glob("*.dax"))[::7]:
        case = load_case(path)
        kernel = KernelChoice(case.kernel)
        schedule = SparseReplay(SparseSchedule(((5, 1), (9, 0))))
        plain = Bench(case.program, kernel).run(schedule)
        observed, _ = Collector(Bench(case.program, kernel)).run(schedule)
        assert observed.digest() == plain.digest()


def states(tasks: Mapping[str, Sequence[str]], *switches: tuple[int, int], **setup: object) -> list[PageState]:
    bench = Bench(program(tasks, **setup), KernelChoice(KernelSpec("pin-wait-fixed")))
    seen = PageStates(bench.sim)
    bench.run(SparseReplay(SparseSchedule(switches)))
    return list(seen.seen)


def test_states_of_a_page_that_is_pinned_and_truncated():
    found = states(PIN, (19, 1))
    assert any(state.pins == 1 and state.mapped == 1 for state in found)
    assert any(state.waiters == 1 for state in found)
    assert found[-1].entry == 0
    assert found[-1].mapped == 0


def test_states_of_a_page_that_is_mapped_by_faults():
    found = states({"a": ["store(file0, 0)"]}, prefault=False)
    # The entry is locked while its page gets mapped, and dirty afterwards.
    assert {state.mapped for state in found} >= {0, 1}
    assert any(state.entry & 2 for state in found)
    assert any(state.entry & 4 for state in found)


def test_states_begin_anew_with_each_execution():
    bench = Bench(program(PIN), KernelChoice(KernelSpec("pin-wait-fixed")))
    seen = PageStates(bench.sim)
    bench.run(SparseReplay(SparseSchedule(((19, 1),))))
    waited = list(seen.seen)
    bench.run(SparseReplay(SparseSchedule()))
    assert not any(state.waiters for state in seen.seen)
    bench.run(SparseReplay(SparseSchedule(((19, 1),))))
    assert list(seen.seen) == waited


def entry_states(subject: EntryStates, bench: Bench, *switches: tuple[int, int]) -> list[EntryState]:
    bench.run(SparseReplay(SparseSchedule(switches)))
    return list(subject.seen)


def test_states_of_an_entry_that_tasks_wait_for():
    faults = {name: ["load(file0, 0)"] for name in "abc"}
    bench = Bench(program(faults, prefault=False), KernelChoice(KernelSpec("pin-wait-fixed")))
    subject = EntryStates(bench.sim)
    assert entry_states(subject, bench) == []
    # The first fault has locked the entry when the other two come.
    points = [repr(step.point) for step in bench.run(SparseReplay(SparseSchedule())).steps()]
    locked = points.index("file0.i_pages.xa_lock.unlock") + 1
    turns = bench.run(SparseReplay(SparseSchedule(((locked, 1),)))).turns
    asleep = turns.index(0, locked)
    found = entry_states(subject, bench, (locked, 1), (asleep, 2))
    waiters = [(state.exclusive, state.others, state.strangers) for state in found if state.entry & 2]
    assert waiters[:2] == [(1, 0, 0), (2, 0, 0)]
    assert found[-1].exclusive == 0
    assert entry_states(subject, bench) == []
    # They are features beside those of pages.
    pages = PageStates(bench.sim)
    features = run(Collector(bench), (locked, 1), (asleep, 2))
    of_states = [feature for feature in features if family(feature) is Family.PAGE]
    assert len(of_states) == len(pages.seen) + len(subject.seen) > len(pages.seen)


def test_an_entry_is_no_page_with_the_same_numbers(monkeypatch: pytest.MonkeyPatch):
    subject = collector(PIN)
    bench = subject.bench
    execution = bench.run(SparseReplay(SparseSchedule()))
    numbers = (1, 2, 0, 0, 1)
    monkeypatch.setattr(subject._pages, "seen", {PageState(*numbers): None})
    monkeypatch.setattr(subject._entries, "seen", {EntryState(*numbers): None})
    assert sum(family(feature) is Family.PAGE for feature in subject.of_last(execution)) == 2


def test_waiters_for_something_else_are_no_state_of_an_entry():
    sim = Simulation(program(PIN), KernelChoice(KernelSpec("pin-wait-fixed")).composed().subsystems, "ext4")
    subject = EntryStates(sim)
    (queue, *_) = sim.kernel.dax_waitqueues.heads
    assert queue.on_wake is not None
    for key in (None, 7, (7, 0), (1, 2, 3)):
        queue.on_wake(queue, key, 1, [])
    assert subject.seen == {}
    queue.on_wake(queue, (sim.kernel.inodes["file0"].i_mapping.address, 0), 1, [])
    assert len(subject.seen) == 1
