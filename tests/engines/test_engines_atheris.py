"""What the atheris engine does with inputs, apart from libFuzzer itself."""

from __future__ import annotations

import gc
import io
import json
import statistics
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_kit import program

from daxfuzz.engines.atheris import harness, program_edits, schedule_edits
from daxfuzz.engines.atheris.environment import options
from daxfuzz.engines.atheris.harness import CORE, AtherisMissing, load_atheris, with_defaults
from daxfuzz.engines.atheris.inputs import Inputs, Recent
from daxfuzz.engines.atheris.job import Job, Report
from daxfuzz.engines.atheris.mutator import ROUND, Mutator
from daxfuzz.engines.atheris.target import Finding, Target
from daxfuzz.engines.atheris.worker import Watched, follow
from daxfuzz.engines.fuzz import FuzzSettings
from daxfuzz.engines.jobs import ModelError, symptom_of
from daxfuzz.engines.registry import FUZZERS, Engine, make_fuzzer
from daxfuzz.program import operations
from daxfuzz.program.bytes_form import canonical, decode, encode
from daxfuzz.program.calls import check_calls
from daxfuzz.program.case import KernelSpec, Program
from daxfuzz.program.dax_file import load_case, loads_case
from daxfuzz.program.generator import generate
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.protocols.compose import ComposeError
from daxfuzz.protocols.registry import UnknownName
from daxfuzz.protocols.user_patches import PatchFileError
from daxfuzz.search import SparseReplay
from daxfuzz.sim import Execution, Scheduler, SparseSchedule
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.replay import replay_case

FIXED = KernelChoice(KernelSpec("pin-wait-fixed"))
CANARY = KernelChoice(KernelSpec("refcount-1-fixed", bugs=("truncate-ignores-dma-pins",)))

PIN = program({"t0": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"], "t1": ["truncate(file0, 0)"]})

PINNED = SparseSchedule(((19, 1),))
"""The truncate comes while the page is pinned."""

OPERATIONS = tuple(SIGNATURES)


SHARED = Bench(PIN, FIXED)


def failing() -> bytes:
    return encode(PIN, PINNED)


# -- mutations of programs -----------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120), st.binary(max_size=120), st.integers(0, 2**32))
def test_mutations_of_any_program_are_valid(data: bytes, other: bytes, seed: int) -> None:
    rng = Random(seed)
    edited = decode(data)[0]
    for _ in range(4):
        edited = program_edits.edited(rng, edited, OPERATIONS)
        check_calls(edited)
        assert canonical(edited) == edited
        assert decode(encode(edited, SparseSchedule()))[0] == edited
    spliced = program_edits.spliced(rng, edited, decode(other)[0])
    check_calls(spliced)
    assert decode(encode(spliced, SparseSchedule()))[0] == spliced


def calls_of(subject: Program) -> dict[str, list[str]]:
    return {name: [str(call) for call in calls] for name, calls in subject.tasks.items()}


def reachable(edit: program_edits.Edit, subject: Program, operations: tuple[str, ...] = OPERATIONS) -> list[Program]:
    return [
        program_edits.mended(Random(seed), edit(Random(seed), canonical(subject), operations)) for seed in range(60)
    ]


def test_remove_takes_what_needs_the_call_with_it() -> None:
    found = [calls_of(each) for each in reachable(program_edits.remove, PIN)]
    assert {"t0": [], "t1": ["truncate(file0, 0)"]} in found
    assert {"t0": ["r0 = pin_user_pages_fast(file0, 0)"], "t1": ["truncate(file0, 0)"]} in found


def test_insert_adds_an_operation_of_those_allowed() -> None:
    found = [calls_of(each) for each in reachable(program_edits.insert, PIN, ("fsync",))]
    assert {"t0": calls_of(PIN)["t0"], "t1": ["fsync(file0)", "truncate(file0, 0)"]} in found
    names = {call.partition("(")[0].rpartition(" ")[2] for each in found for calls in each.values() for call in calls}
    assert names == {"fsync", "pin_user_pages_fast", "unpin_user_pages", "truncate"}


def test_duplicate_and_swap() -> None:
    twice = [calls_of(each) for each in reachable(program_edits.duplicate, PIN)]
    assert {"t0": calls_of(PIN)["t0"], "t1": ["truncate(file0, 0)"] * 2} in twice
    swapped = [calls_of(each) for each in reachable(program_edits.swap, PIN)]
    assert {"t0": ["truncate(file0, 0)"], "t1": ["r0 = pin_user_pages_fast(file0, 0)"]} in swapped


def test_retarget_changes_one_argument() -> None:
    found = [calls_of(each) for each in reachable(program_edits.retarget, PIN)]
    assert {"t0": calls_of(PIN)["t0"], "t1": ["truncate(file0, 1)"]} in found
    assert all(len(each["t1"]) == 1 for each in found)


def test_most_programs_give_back_what_they_hold() -> None:
    holder = canonical(program({"t0": ["r0 = pin_user_pages(file0, 0)", "r1 = get_user_pages(file0, 0)"], "t1": []}))
    found = [calls_of(program_edits.finished(Random(seed), holder))["t0"][2:] for seed in range(40)]
    assert 25 < found.count(["unpin_user_pages(r0)", "put_page(r1)"]) < 40
    assert [] in found


def test_tasks_come_and_go() -> None:
    assert {len(each.tasks) for each in reachable(program_edits.add_task, PIN)} == {3}
    assert {len(each.tasks) for each in reachable(program_edits.remove_task, PIN)} == {1}
    other = program({"t0": ["fsync(file0)"], "t1": ["load(file0, 0)"]})
    spliced = [calls_of(program_edits.spliced(Random(seed), canonical(PIN), canonical(other))) for seed in range(40)]
    assert {**calls_of(PIN), "t2": ["fsync(file0)"]} in spliced
    assert {**calls_of(PIN), "t1": ["load(file0, 0)"]} in spliced


def test_setup_and_machine_change() -> None:
    setups = [each.setup for each in reachable(program_edits.change_setup, PIN)]
    assert {each.prefault for each in setups} == {True, False}
    assert {sum(each.files.values()) for each in setups} > {1, 2}
    assert {len(each.mms) for each in setups} == {1, 2}
    assert {each.machine.tlb for each in reachable(program_edits.change_machine, PIN)} > {PIN.machine.tlb}


# -- mutations of schedules ----------------------------------------------------------------------------------------


def steps_of(schedule: SparseSchedule) -> list[str]:
    execution = SHARED.run(SparseReplay(schedule))
    return [f"{step.task} {step.point!r}" for step in execution.steps()]


def test_a_flip_turns_two_accesses_round() -> None:
    execution = SHARED.run(SparseReplay(SparseSchedule()))
    steps = steps_of(SparseSchedule())
    read = steps.index("1 page0.refcount.read")
    unpin = len(steps) - 1 - steps[::-1].index("0 page0.refcount.update")
    assert unpin < read
    first = []
    for seed in range(60):
        flipped = schedule_edits.flipped(Random(seed), SparseSchedule(), execution)
        assert flipped is not None
        after = steps_of(flipped)
        unpin = len(after) - 1 - after[::-1].index("0 page0.refcount.update")
        first.append(after.index("1 page0.refcount.read") < unpin)
    assert any(first)


def test_nobody_to_flip_with() -> None:
    alone = Bench(program({"t0": ["truncate(file0, 0)"], "t1": []}), FIXED).run(SparseReplay(SparseSchedule()))
    assert schedule_edits.flipped(Random(0), SparseSchedule(), alone) is None


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 1)), max_size=30))
def test_mutations_of_schedules_are_valid(seed: int, switches: list[tuple[int, int]]) -> None:
    rng = Random(seed)
    schedule = schedule_edits.ascending(switches)
    execution = SHARED.run(SparseReplay(schedule))
    for made in (
        schedule_edits.edited(rng, schedule, execution, 2),
        schedule_edits.crossed(rng, schedule, PINNED, 2),
        schedule_edits.flipped(rng, schedule, execution) or schedule,
    ):
        assert decode(encode(PIN, made))[1] == made


def test_preemptions_are_added_moved_and_dropped() -> None:
    execution = Bench(PIN, FIXED).run(SparseReplay(PINNED))
    found = [schedule_edits.edited(Random(seed), PINNED, execution, 2).switches for seed in range(200)]
    assert () in found
    assert any(len(each) == 2 and PINNED.switches[0] in each for each in found)
    assert any(len(each) == 1 and each[0][1] == 1 and 0 < abs(each[0][0] - 19) <= 16 for each in found)


def test_a_task_alone_has_no_schedule() -> None:
    execution = Bench(PIN, FIXED).run(SparseReplay(PINNED))
    assert schedule_edits.edited(Random(0), PINNED, execution, 1) == SparseSchedule()


# -- inputs ------------------------------------------------------------------------------------------------------


def test_only_what_was_asked_for_last_is_kept() -> None:
    kept: Recent[str, int] = Recent(2)
    made = []
    for key in "abacab":
        kept.get(key, lambda key=key: made.append(key) or 1)
    assert made == ["a", "b", "c", "b"]


def test_inputs_of_one_program_share_what_runs_it() -> None:
    inputs = Inputs(FIXED)
    one, other = inputs.decoded(failing()), inputs.decoded(encode(PIN, SparseSchedule()))
    assert inputs.subject(one) is inputs.subject(other)
    assert inputs.run(one)[1] != inputs.run(other)[1]
    again = inputs.with_schedule(other, PINNED)
    assert again.data == failing()
    assert inputs.execution(again) is inputs.execution(one)


def test_programs_that_are_not_kept_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without the collector of cyclic garbage, which comes by too rarely."""
    monkeypatch.setattr("daxfuzz.engines.atheris.inputs.MOST_SUBJECTS", 1)
    inputs = Inputs(FIXED)
    rng = Random(1)

    def run() -> int:
        inputs.run(inputs.decoded(encode(generate(rng, "ext4"), SparseSchedule())))
        return len(gc.get_objects())

    run()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        kept = Inputs(FIXED)
        kept.run(kept.decoded(encode(generate(rng, "ext4"), SparseSchedule())))
        size = len(gc.get_objects()) - before
        first = run()
        assert [run() for _ in range(10)][-1] - first < 2 * size
    finally:
        gc.enable()


def test_half_of_the_programs_run_with_repairs() -> None:
    inputs = Inputs(KernelChoice(KernelSpec("pin-wait")))
    inputs.repairs = ("fix-wake-on-threshold",)
    repaired = [bool(inputs.kernel_of(inputs.decoded(bytes([0, 0, 0, 0, seed]))).spec.patches) for seed in range(1, 40)]
    assert 8 < sum(repaired) < 32


def test_a_schedule_of_a_strategy_is_one_execution(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, again = Inputs(FIXED), Inputs(FIXED)
    runs: list[Scheduler] = []
    plain = Bench.run

    def counted(bench: Bench, scheduler: Scheduler) -> Execution:
        runs.append(scheduler)
        return plain(bench, scheduler)

    given = inputs.decoded(encode(PIN, SparseSchedule()))
    long = 0
    for seed in range(60):
        made = inputs.searched(given, seed)
        with monkeypatch.context() as patched:
            patched.setattr(Bench, "run", counted)
            ahead = inputs.run(made)
        replayed, features = again.run(again.decoded(made.data))
        assert (ahead[0].turns, ahead[0].digest(), ahead[1]) == (replayed.turns, replayed.digest(), features)
        long += len(made.schedule.switches) > 12
    assert not runs
    assert 4 < long < 60
    # What has been run since is not what was drawn.
    made = inputs.searched(given, 1)
    inputs.run(given)
    assert decode(made.data)[1] == made.schedule
    assert inputs.run(made)[0].digest() == again.run(again.decoded(made.data))[0].digest()


def test_a_schedule_that_was_drawn_for_another_kernel() -> None:
    """Repairs come between the mutation and the run of what it has made."""
    inputs = Inputs(KernelChoice(KernelSpec("pin-wait")))
    given = next(
        found
        for found in map(inputs.decoded, (failing() + bytes([0, 0, n]) for n in range(1, 9)))
        if crc32(found.head) % 2
    )
    made = inputs.searched(given, 1)
    inputs.repairs = ("fix-wake-on-threshold",)
    assert inputs.run(made)[0].digest() == Inputs(inputs.kernel_of(made)).run(made)[0].digest()
    assert inputs.subject(made).kernel.spec.patches == inputs.repairs


def test_what_fails_while_a_schedule_is_drawn_fails_when_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = Inputs(FIXED)
    given = inputs.decoded(encode(PIN, SparseSchedule()))

    async def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(operations.OPERATIONS, "truncate", broken)
    made = inputs.searched(given, 3)
    assert made.head == given.head
    with pytest.raises(ZeroDivisionError):
        inputs.run(made)


def test_without_features_nothing_is_looked_at() -> None:
    inputs = Inputs(FIXED, observed=False)
    assert inputs.run(inputs.decoded(failing()))[1] == ()


# -- the mutator -------------------------------------------------------------------------------------------------


def mutator(close: bool = False) -> Mutator:
    return Mutator(Inputs(FIXED), CORE, lambda data, size: b"bytes"[:size], close)


def test_mutation_is_repeatable_and_fits() -> None:
    one, other = mutator(), mutator()
    data = failing()
    for seed in range(80):
        made = one.mutate(data, 60, seed)
        assert made == other.mutate(data, 60, seed)
        assert len(made) <= 60
    assert len({one.mutate(data, 60, seed) for seed in range(80)}) > 40


def test_an_empty_input_becomes_a_program_of_the_generator() -> None:
    made = [decode(mutator().mutate(b"", 4096, seed)) for seed in range(20)]
    assert sum(len(each.tasks) > 1 for each, _ in made) > 10
    # By default tasks run one after the other, which shows little.
    assert sum(bool(schedule.switches) for _, schedule in made) > 10


def test_what_is_too_long_is_left_to_libfuzzer() -> None:
    assert all(len(mutator().mutate(failing(), 3, seed)) <= 3 for seed in range(30))
    assert b"byt" in {mutator().mutate(failing(), 3, seed) for seed in range(30)}


def test_inputs_come_in_rounds_with_one_program_each() -> None:
    subject = mutator()
    programs = [decode(subject.mutate(failing(), 4096, seed))[0] for seed in range(40 * ROUND)]
    lengths = [len(list(group)) for _, group in groupby(programs)]
    # libFuzzer's own mutation comes in between.
    assert statistics.median(lengths) >= ROUND / 3
    assert max(lengths) <= 3 * ROUND
    assert programs.count(canonical(PIN)) > ROUND
    assert len(lengths) > 30


def names_in(subject: Program) -> set[str]:
    return {call.name for calls in subject.tasks.values() for call in calls}


def test_what_is_to_stay_close_does() -> None:
    subject = mutator(close=True)
    others = (PIN, program({"t0": ["fsync(file0)"], "t1": ["load(file0, 0)"]}), program({"t0": ["unlink(file0)"]}))
    for seed in range(120):
        given = others[seed % 3]
        data = subject.mutate(encode(given, SparseSchedule()), 4096, seed)
        if data.startswith(b"byt"):
            continue
        # One call is new, at most, and what gives back a reference that it takes.
        assert len(names_in(decode(data)[0]) - names_in(given)) <= 2
        assert names_in(decode(data)[0]) & names_in(given) or given is others[2]


def test_crossover_takes_from_both() -> None:
    subject = mutator(close=True)
    other = program({"t0": ["fsync(file0)"], "t1": ["load(file0, 0)"]})
    made = [decode(subject.cross(failing(), encode(other, SparseSchedule()), 4096, seed))[0] for seed in range(60)]
    names = [{call.name for calls in each.tasks.values() for call in calls} for each in made]
    assert {"pin_user_pages_fast", "unpin_user_pages", "truncate", "fsync"} in names
    one, two = encode(PIN, SparseSchedule(((5, 1), (30, 0)))), encode(PIN, SparseSchedule(((9, 1), (40, 0))))
    crossed = {decode(subject.cross(one, two, 4096, seed))[1].switches for seed in range(30)}
    assert ((5, 1), (40, 0)) in crossed


# -- the target --------------------------------------------------------------------------------------------------


def test_a_finding_names_its_signature_and_holds_its_case(tmp_path: Path) -> None:
    shown: list[tuple[int, ...]] = []
    with pytest.raises(Finding) as raised:
        Target(Inputs(CANARY), shown.append)(failing())
    first, _, text = str(raised.value).partition("\n\n")
    kind = raised.value.failure.violation.kind
    assert first.startswith(f"{kind}/{raised.value.failure.violation.function}")
    case = loads_case(text)
    assert (case.finding, case.kernel) == (kind, CANARY.spec)
    assert replay_case(case, CANARY).kind == kind
    assert len(shown) == 1
    assert shown[0]


def test_what_is_no_finding_is_none() -> None:
    Target(Inputs(FIXED), lambda features: None)(failing())


# -- the environment and options ---------------------------------------------------------------------------------


def test_the_environment_says_which_kernel(tmp_path: Path) -> None:
    mine = tmp_path / "my patch.py"
    mine.write_text(
        "from daxfuzz.kernel.dax import Dax\n"
        "from daxfuzz.protocols.patch import Patch\n\n\n"
        'class Mine(Patch):\n    """dax: Nothing new."""\n\n'
        "    class dax(Dax):\n"
        "        def page_busy(self, refcount):\n            return super().page_busy(refcount)\n"
    )
    spec = KernelSpec("pin-wait-fixed")
    assert options(spec, {}).kernel == KernelChoice(spec)
    assert options(spec, {}).features
    there = {
        "DAXFUZZ_PROTOCOL": "refcount-1-fixed",
        "DAXFUZZ_FILESYSTEM": "xfs",
        "DAXFUZZ_BUGS": "truncate-ignores-dma-pins evict-ignores-pins",
        "DAXFUZZ_PATCHES": f"'{mine}'",
        "DAXFUZZ_FEATURES": "0",
    }
    found = options(spec, there)
    bugs = ("truncate-ignores-dma-pins", "evict-ignores-pins")
    assert found.kernel.spec == KernelSpec("refcount-1-fixed", ("my patch.py:Mine",), bugs, "xfs")
    assert not found.features


@pytest.mark.parametrize(
    ("there", "error"),
    [
        ({"DAXFUZZ_PROTOCOL": "pinwait"}, UnknownName),
        ({"DAXFUZZ_FILESYSTEM": "ext"}, UnknownName),
        ({"DAXFUZZ_BUGS": "nothing"}, UnknownName),
        ({"DAXFUZZ_PATCHES": "nothing"}, UnknownName),
        ({"DAXFUZZ_PATCHES": "nowhere.py"}, PatchFileError),
        ({"DAXFUZZ_BUGS": "gup-put-skips-fsdax-wake"}, ComposeError),
    ],
)
def test_a_kernel_that_there_is_not(there: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error):
        options(KernelSpec("pin-wait-fixed"), there)


@pytest.mark.parametrize(
    ("options", "close"), [((), False), (("-minimize_crash=1",), True), (("-minimize_crash_internal_step=1",), True)]
)
def test_what_is_made_smaller_stays_close(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], close: bool
) -> None:
    set_up: dict[str, Any] = {}
    atheris = SimpleNamespace(Setup=lambda argv, target, **more: set_up.update(more), Fuzz=lambda: None)
    monkeypatch.setattr(harness, "gc", SimpleNamespace(freeze=lambda: None, set_threshold=lambda *numbers: None))
    harness.run(atheris, Inputs(FIXED), lambda data: None, CORE, ["x", *options, "crash"])
    assert set_up["custom_mutator"].__self__.close is close
    assert set_up["custom_crossover"].__self__.close is close


def test_what_is_given_is_no_default() -> None:
    assert with_defaults(["x", "-runs=3"]) == ["x", "-len_control=0", "-runs=3"]
    assert with_defaults(["x", "-len_control=9"]) == ["x", "-len_control=9"]


def test_without_atheris(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "atheris", None)
    with pytest.raises(AtherisMissing, match="pip install atheris"):
        load_atheris()
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(AtherisMissing, match="Linux x86_64 only, and this is Linux aarch64"):
        load_atheris()


# -- workers -----------------------------------------------------------------------------------------------------


def watched(tmp_path: Path, executions: int | None = None) -> tuple[Watched, io.StringIO]:
    out = io.StringIO()
    return Watched(Job(CANARY, executions, str(tmp_path)), Inputs(CANARY), lambda features: None, out), out


def reports(out: io.StringIO) -> list[Report]:
    return [Report.loads(line) for line in out.getvalue().splitlines()]


def test_a_worker_goes_on_after_a_failure(tmp_path: Path) -> None:
    target, out = watched(tmp_path, executions=3)
    target(failing())
    target(failing())
    target(encode(PIN, SparseSchedule()))
    said = reports(out)
    assert said[-1].total == 3
    assert sum(report.repeats for report in said) == 1
    assert sum(report.steps for report in said) > 100
    assert any("gup" in function.lower() for report in said for function, _ in report.places)
    ((crash,),) = [report.crashes for report in said if report.crashes]
    data = (tmp_path / crash.name).read_bytes()
    assert data == failing()
    failure = crash.failure(data, CANARY, 7)
    execution = Bench(failure.program, failure.kernel).run(SparseReplay(PINNED))
    found = verdict(execution)
    assert found is not None
    assert symptom_of(found) == failure.symptom
    assert (failure.index, failure.turns) == (7, tuple(execution.turns))


def test_a_worker_applies_repairs_and_ends_with_its_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    target, _ = watched(tmp_path)
    follow(target, io.StringIO(json.dumps(["truncate-ignores-dma-pins"]) + "\n"))
    target(failing())
    assert target.inputs.repairs == ("truncate-ignores-dma-pins",)
    assert ended == [0]


def test_jobs_and_reports_survive_json() -> None:
    job = Job(KernelChoice(KernelSpec("pin-wait", ("a.py:B",), ("c",), "xfs"), ("x/a.py",)), 5, "/tmp", False)
    assert Job.loads(job.dumps()) == job
    report = Report(3, 0.5, 4, 5, 6, (("f", 7),))
    assert Report.loads(report.dumps()) == report


# -- the whole engine --------------------------------------------------------------------------------------------


def test_engines_by_name() -> None:
    assert list(FUZZERS) == list(Engine)
    assert type(make_fuzzer(Engine.PORTFOLIO, FuzzSettings(FIXED))) is FUZZERS[Engine.PORTFOLIO]


def test_atheris_finds_a_bug_and_writes_its_case(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    chosen = FuzzSettings(CANARY, 4, None, 250, workers=1, directory=tmp_path)
    status = make_fuzzer(Engine.ATHERIS, chosen).run()
    assert status.executions == 250
    assert status.steps > 250
    assert len(status.places) > 100
    found = status.found[0]
    assert found.finding.explained_by == ("truncate-ignores-dma-pins",)
    assert 0 < found.executions_to_find <= 250
    assert found.path is not None
    case = load_case(found.path)
    assert replay_case(case, CANARY).kind == case.finding


def test_a_fault_of_a_patch_is_reported_as_one(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from daxfuzz.kernel.fs.ext4 import Ext4\n"
        "from daxfuzz.protocols.patch import Patch\n\n\n"
        'class Crash(Patch):\n    """ext4: Crash in truncation."""\n\n'
        "    class ext4(Ext4):\n"
        "        async def do_truncate(self, inode, size):\n"
        "            await inode.i_size.read()\n"
        '            raise ZeroDivisionError("no such thing")\n'
    )
    kernel = KernelChoice(KernelSpec("pin-wait-fixed", ("mine.py:Crash",)), (str(mine),))
    with pytest.raises(PatchFileError, match="ZeroDivisionError"):
        make_fuzzer(Engine.ATHERIS, FuzzSettings(kernel, 1, None, 2_000, workers=1)).run()


def test_a_worker_that_ends_is_an_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("atheris")
    monkeypatch.setattr("daxfuzz.engines.atheris.crew.OPTIONS", ("-no_such_option_but_a_file_that_is_not_there",))
    start = subprocess.Popen

    def broken(command: list[str], **more: object) -> subprocess.Popen[str]:
        return start([sys.executable, "-c", "raise SystemExit('ValueError: broken')"], **more)

    monkeypatch.setattr("daxfuzz.engines.atheris.crew.subprocess.Popen", broken)
    with pytest.raises(ModelError, match="status 1: ValueError: broken"):
        make_fuzzer(Engine.ATHERIS, FuzzSettings(FIXED, 1, None, 10, workers=1)).run()
