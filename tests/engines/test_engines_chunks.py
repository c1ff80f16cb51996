"""Chunks of executions: what workers do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daxfuzz.engines import jobs
from daxfuzz.engines.jobs import SCHEDULES_PER_PROGRAM, ChunkJob, ModelError, RawFailure, run_cause, run_chunk
from daxfuzz.engines.points import all_places
from daxfuzz.kernel.gup import Gup
from daxfuzz.program.case import KernelSpec
from daxfuzz.protocols.user_patches import PatchFileError
from daxfuzz.search import STRATEGIES
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.reproduce import replay

PIN_WAIT = KernelChoice(KernelSpec("pin-wait"))
WEIGHTS = dict.fromkeys(STRATEGIES, 1.0)

BROKEN = '''
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.protocols.patch import Patch


class Crash(Patch):
    """ext4: Crash in fsync."""

    class ext4(Ext4):
        async def fsync(self, inode):
            await inode.i_size.read()
            raise ZeroDivisionError("no such thing")
'''


def job(kernel: KernelChoice = PIN_WAIT, seed: int = 1, start: int = 0, count: int = 400, repairs=()) -> ChunkJob:
    return ChunkJob(kernel, seed, start, count, repairs, WEIGHTS)


@pytest.fixture
def crashing(tmp_path) -> KernelChoice:
    path = tmp_path / "crash.py"
    path.write_text(BROKEN)
    return KernelChoice(KernelSpec("pin-wait", ("crash.py:Crash",)), (str(path),))


def test_a_chunk_depends_on_nothing_but_its_job() -> None:
    assert run_chunk(job()) == run_chunk(job())
    assert run_chunk(job()) != run_chunk(job(seed=2))


def test_two_halves_make_the_whole() -> None:
    whole = run_chunk(job())
    first, second = run_chunk(job(count=200)), run_chunk(job(start=200, count=200))
    assert whole.executions == first.executions + second.executions == 400
    assert whole.steps == first.steps + second.steps
    assert whole.stuck == first.stuck + second.stuck
    assert whole.places == first.places | second.places
    assert {raw.symptom for raw in whole.failures} == {raw.symptom for raw in (*first.failures, *second.failures)}


def test_failures_replay_and_name_their_execution() -> None:
    result = run_chunk(job())
    assert result.failures
    assert len({(raw.symptom, raw.kernel) for raw in result.failures}) == len(result.failures)
    for raw in result.failures:
        assert 0 <= raw.index < 400
        assert raw.strategy in STRATEGIES
        failure = replay(raw.program, raw.kernel, raw.turns)
        assert failure is not None
        assert jobs.symptom_of(failure.violation) == raw.symptom


def test_repairs_are_on_in_every_second_program_only() -> None:
    repairs = tuple(PIN_WAIT.repairs())
    kinds = {raw.index // SCHEDULES_PER_PROGRAM % 2 for raw in run_chunk(job(repairs=repairs)).failures}
    assert kinds == {0}
    plain = {raw.index // SCHEDULES_PER_PROGRAM % 2 for seed in range(3) for raw in run_chunk(job(seed=seed)).failures}
    assert 1 in plain


def test_the_points_that_are_reached_are_some_of_those_there_are() -> None:
    reached = run_chunk(job(count=1_000)).places
    assert reached
    assert reached <= all_places(PIN_WAIT.composed(), "ext4")


def test_an_exception_of_the_model_names_the_execution(monkeypatch) -> None:
    def broken(self: Gup, refcount: int) -> bool:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(Gup, "page_maybe_dma_pinned", broken)
    with pytest.raises(ModelError, match=r"execution \d+: ZeroDivisionError: no such thing"):
        run_chunk(job(count=2_000))


def test_an_exception_of_the_users_patch_names_its_line(crashing) -> None:
    with pytest.raises(PatchFileError, match=r"crash\.py:\d+: ZeroDivisionError: no such thing"):
        run_chunk(job(crashing, count=2_000))


def test_a_failure_that_does_not_replay_is_a_fault_of_the_fuzzer() -> None:
    raw = run_chunk(job()).failures[0]
    with pytest.raises(ModelError, match="does not replay"):
        run_cause(replace(raw, turns=()) if not fails_by_default(raw) else harmless(raw), ())


def fails_by_default(raw: RawFailure) -> bool:
    return replay(raw.program, raw.kernel, ()) is not None


def harmless(raw: RawFailure) -> RawFailure:
    return replace(raw, kernel=KernelChoice(KernelSpec("pin-wait-fixed")))
