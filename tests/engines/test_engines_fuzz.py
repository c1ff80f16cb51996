"""The built-in engine: repeatable, finds what it should, is silent on fixed kernels, and writes before it reports."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from daxfuzz.engines.fuzz import FIRST_ROUND, Fuzzer, FuzzSettings, Status
from daxfuzz.engines.jobs import ChunkJob, run_chunk
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import dumps_case, load_case
from daxfuzz.protocols.user_patches import PatchFileError
from daxfuzz.search import STRATEGIES
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import replay_case

PIN_WAIT = KernelChoice(KernelSpec("pin-wait"))

CANARY = '''
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.protocols.patch import Patch


class PutTwice(Patch):
    """mm: Drop every FOLL_GET reference twice."""

    class memremap(Memremap):
        async def put_page(self, page):
            await super().put_page(page)
            await super().put_page(page)
'''

CRASH = '''
from daxfuzz.kernel.fs.ext4 import Ext4
from daxfuzz.protocols.patch import Patch


class Crash(Patch):
    """ext4: Crash in truncation."""

    class ext4(Ext4):
        async def do_truncate(self, inode, size):
            await inode.i_size.read()
            raise ZeroDivisionError("no such thing")
'''


def settings(kernel: KernelChoice = PIN_WAIT, executions: int = 800, workers: int = 1, **more) -> FuzzSettings:
    return FuzzSettings(kernel, seed=9, seconds=None, executions=executions, workers=workers, **more)


@cache
def run(workers: int) -> Status:
    return Fuzzer(replace(settings(workers=workers), seed=1)).run()


def user_patch(tmp_path, text: str, name: str) -> KernelChoice:
    path = tmp_path / "user_patch.py"
    path.write_text(text)
    return KernelChoice(KernelSpec("pin-wait-fixed", (f"user_patch.py:{name}",)), (str(path),))


def summary(status: Status) -> list[tuple[str, int, str]]:
    return [(each.finding.signature, each.executions_to_find, dumps_case(each.finding.case)) for each in status.found]


def test_findings_do_not_depend_on_the_number_of_workers() -> None:
    one, two = run(1), run(2)
    assert summary(one)
    assert summary(one) == summary(two)
    assert (one.executions, one.steps, one.stuck, one.repeats, one.places) == (
        two.executions,
        two.steps,
        two.stuck,
        two.repeats,
        two.places,
    )


def test_pin_waits_known_flaws_are_found_and_told_apart() -> None:
    # Seed 1, 800 executions.
    found = {(each.finding.kind, each.finding.explained_by) for each in run(1).found}
    assert ("freed-while-referenced", ("fix-idle-on-refcount",)) in found
    assert len([explained for kind, explained in found if kind == "freed-while-referenced"]) >= 2
    assert all(explained for _, explained in found)


def test_each_signature_is_reported_once_and_after_as_many_executions_as_it_took() -> None:
    status = run(1)
    signatures = [each.finding.signature for each in status.found]
    assert len(signatures) == len(set(signatures))
    assert all(1 <= each.executions_to_find <= status.executions for each in status.found)
    assert status.executions == 800
    assert status.places_total >= len(status.places) > 0


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "pin-wait-fixed"])
def test_fixed_kernels_show_nothing(protocol) -> None:
    # .ci/run goes on with more of them.
    job = ChunkJob(KernelChoice(KernelSpec(protocol)), 3, 0, 2_000, (), dict.fromkeys(STRATEGIES, 1.0))
    result = run_chunk(job)
    assert result.executions == 2_000
    assert [(raw.symptom, raw.index) for raw in result.failures] == []
    assert result.stuck


def test_a_planted_bug_is_found_in_the_first_round_and_is_on_disk_before_it_is_reported(tmp_path) -> None:
    reported = []

    def update(status: Status) -> None:
        for each in status.found[len(reported) :]:
            assert each.path is not None
            assert load_case(each.path).finding == each.finding.kind
            assert each.path.read_text() == dumps_case(each.finding.case)
            reported.append(each.finding.kind)

    kernel = user_patch(tmp_path, CANARY, "PutTwice")
    status = Fuzzer(settings(kernel, FIRST_ROUND, directory=tmp_path / "findings"), update).run()
    assert {"refcount-underflow", "refcount-mismatch"} & set(reported)
    assert len(reported) == len(status.found)
    assert all(each.finding.explained_by == () for each in status.found)
    assert sorted(tmp_path.joinpath("findings").iterdir()) == sorted(each.path for each in status.found if each.path)


def test_an_exception_in_a_worker_surfaces(tmp_path) -> None:
    with pytest.raises(PatchFileError, match=r"\.py:\d+: ZeroDivisionError: no such thing"):
        Fuzzer(settings(user_patch(tmp_path, CRASH, "Crash"), 40)).run()


def test_a_limit_of_executions_is_rounded_up_to_whole_programs() -> None:
    assert list(Fuzzer(settings(executions=405)).rounds()) == [(0, 400), (400, 20)]
    assert sum(count for _, count in Fuzzer(settings(executions=10_000)).rounds()) == 10_000


def test_what_there_was_no_time_to_minimize_is_written_as_it_was_found(tmp_path, monkeypatch) -> None:
    # Time is up when the first chunk is back, so that nothing is minimized.
    monkeypatch.setattr("daxfuzz.engines.fuzz.GRACE", 0.0)
    monkeypatch.setattr(Fuzzer, "dropped", lambda self, future: False)
    limited = FuzzSettings(PIN_WAIT, seed=12, seconds=0.01, workers=1, directory=tmp_path / "findings")
    status = Fuzzer(limited).run()
    assert status.executions == FIRST_ROUND
    assert not status.found
    assert len({each.raw.symptom.kind for each in status.left}) >= 2
    assert sorted(tmp_path.joinpath("findings").iterdir()) == sorted(each.path for each in status.left if each.path)
    for each in status.left:
        assert each.path is not None
        case = load_case(each.path)
        assert case == each.case()
        replayed = replay_case(case, KernelChoice(case.kernel))
        assert (replayed.via, replayed.kind) == ("steps", each.raw.symptom.kind)


def test_triage_under_way_has_a_little_time_beyond_the_limit(tmp_path, monkeypatch) -> None:
    waited = []

    def patient(self: Fuzzer, grace: bool = False) -> bool:
        waited.append(grace)
        return not grace

    monkeypatch.setattr(Fuzzer, "out_of_time", patient)
    monkeypatch.setattr(Fuzzer, "dropped", lambda self, future: False)
    canary = user_patch(tmp_path, CANARY, "PutTwice")
    status = Fuzzer(FuzzSettings(canary, seed=1, seconds=1.0, workers=1)).run()
    assert status.executions == FIRST_ROUND
    assert status.found
    assert not status.left
    assert True in waited
