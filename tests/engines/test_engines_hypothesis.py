"""hypothesis as an engine: it finds, keeps examples of what fails, and begins with them the next time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import run
from hypothesis import Phase, given, settings

from daxfuzz.engines.hypothesis.chunk import ExamplesJob, run_examples
from daxfuzz.engines.hypothesis.observed import Observed, Sleepers
from daxfuzz.engines.jobs import ChunkResult, ModelError, Symptom, replayed
from daxfuzz.program.case import KernelSpec
from daxfuzz.search import SparseReplay
from daxfuzz.strategies import Trial, case, cases
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.user_choice import with_patches

OPEN = KernelChoice(KernelSpec("pin-wait"))
"""Has many flaws."""

FAULTY = """
from daxfuzz.kernel.truncate import Truncate
from daxfuzz.kernel.inode import AddressSpace
from daxfuzz.protocols.patch import Patch


class Faulty(Patch):
    \"\"\"truncate: Divide by zero.\"\"\"

    class truncate(Truncate):
        async def truncate_pagecache(self, mapping: AddressSpace, size: int) -> None:
            raise ZeroDivisionError
"""


def chunk(kernel: KernelChoice, examples: Path | None, count: int, start: int = 0) -> ChunkResult:
    return run_examples(ExamplesJob(kernel, 1, start, count, (), {"pct-3": 1.0}, examples))


def symptoms(result: ChunkResult) -> set[Symptom]:
    return {raw.symptom for raw in result.failures}


def test_it_finds_and_begins_with_what_it_has_found(tmp_path: Path) -> None:
    first = chunk(OPEN, tmp_path / "examples", 600)
    assert first.executions == 600
    assert first.steps > 600
    assert first.places
    assert first.failures
    assert all(replayed(raw) for raw in first.failures)
    again = chunk(OPEN, tmp_path / "examples", 100)
    soon = [raw for raw in again.failures if raw.index < 20 * len(first.failures)]
    assert symptoms(first) & {raw.symptom for raw in soon}
    # Only the first chunk of a run does that.
    later = chunk(OPEN, tmp_path / "examples", 40, start=2_000)
    assert later.executions == 40
    assert all(raw.index >= 2_000 for raw in later.failures)


def test_a_chunk_is_repeatable() -> None:
    one, other = chunk(OPEN, None, 200), chunk(OPEN, None, 200)
    assert one == other


def test_a_fault_of_a_patch_ends_it(tmp_path: Path) -> None:
    file = tmp_path / "faulty.py"
    file.write_text(FAULTY)
    with pytest.raises(Exception, match="ZeroDivisionError") as caught:
        chunk(with_patches(KernelSpec("refcount-1-fixed"), [str(file)]), None, 1_000)
    assert not isinstance(caught.value, ModelError)


def test_what_hypothesis_is_told() -> None:
    program = case(
        "refcount-1-fixed",
        {"t0": ["r0 = get_user_pages(file0, 0)"] * 1 + ["r1 = get_user_pages(file0, 0)"], "t1": ["truncate(file0, 0)"]},
        bias=4,
    ).program
    bench = Bench(program, KernelChoice(KernelSpec("refcount-1-fixed")))
    observed, sleepers = Observed(bench), Sleepers(SparseReplay(Trial(bench.kernel, program).schedule))
    observed.note(bench.run(sleepers), sleepers.most)
    assert observed.kinds == ["user-held wait"]
    assert observed.headroom < 4
    assert sleepers.most == observed.sleepers
    told: list[str] = []

    @settings(max_examples=20, phases=[Phase.generate, Phase.target], database=None, deadline=None)
    @given(cases(["refcount-1-fixed"], roles=["pinner", "truncator"]))
    def test(trial: Trial) -> None:
        trial.check()
        # A second one in a test is not in the way of the first.
        trial.check()
        told.append("checked")

    test()
    assert told


def test_the_command(tmp_path: Path) -> None:
    result = run("fuzz", "--engine", "hypothesis", "--protocol", "pin-wait-fixed", "--executions", "40",
                    "--workers", "1", "--findings", str(tmp_path / "findings"))  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "No finding in 40 executions" in result.stdout


def test_a_test_of_hypothesis_is_a_target_of_atheris(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    target = tmp_path / "target.py"
    target.write_text(
        "import atheris, sys\n"
        "from hypothesis import given, settings\n"
        "from daxfuzz.strategies import cases\n"
        "@settings(database=None, deadline=None)\n"
        "@given(cases(['refcount-1-fixed'], bugs=['truncate-ignores-dma-pins'], roles=['pinner', 'truncator']))\n"
        "def test(case):\n"
        "    case.check()\n"
        "atheris.Setup(sys.argv, test.hypothesis.fuzz_one_input)\n"
        "atheris.Fuzz()\n"
    )
    made = subprocess.run(
        [sys.executable, str(target), "-runs=3000", "-seed=1", "-len_control=0", "-max_len=512",
             # It takes the most that the process which began it has ever had for its own.
             "-rss_limit_mb=0",
         f"-artifact_prefix={tmp_path}/"],
        capture_output=True, text=True, check=False, env={**os.environ}, cwd=tmp_path,
    )  # fmt: skip
    assert made.returncode == 77, made.stderr[-2000:]
    assert "Found: freed-while-" in made.stdout + made.stderr
    assert list(tmp_path.glob("crash-*"))
