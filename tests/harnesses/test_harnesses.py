"""The harnesses as libFuzzer targets: what its users expect of one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("atheris")

ROOT = Path(__file__).parents[2]
HARNESSES = sorted((ROOT / "harnesses").glob("*_fuzzer.py"))
PIN_WAIT = ROOT / "harnesses" / "pin_wait_fuzzer.py"
CANARY = ROOT / "harnesses" / "canary_fuzzer.py"

CRASH = 77
TIMEOUT = 70


@dataclass(frozen=True)
class Done:
    """A run of a harness."""

    status: int
    output: str

    @property
    def features(self) -> list[int]:
        """How many libFuzzer knew, line by line."""
        return [int(found) for found in re.findall(r"ft: (\d+)", self.output)]


def run(harness: Path, *arguments: object, cwd: Path, **environment: str) -> Done:
    """Run a harness as an executable file, which finds this interpreter first."""
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(harness), *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **paths, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    return Done(done.returncode, done.stdout)


def inputs(directory: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in directory.iterdir())


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input on which the canary fails."""
    where = tmp_path_factory.mktemp("canary")
    done = run(CANARY, "-seed=4", "-runs=20000", "-artifact_prefix=found-", cwd=where)
    assert done.status == CRASH, done.output[-2000:]
    (path,) = where.glob("found-crash-*")
    assert re.fullmatch(r"found-crash-[0-9a-f]{40}", path.name)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs that a short run has kept."""
    where = tmp_path_factory.mktemp("corpus")
    done = run(PIN_WAIT, "-seed=1", "-runs=200", where, cwd=where.parent)
    assert done.status == 0
    assert len(inputs(where)) > 5
    return where


@pytest.mark.parametrize("harness", HARNESSES, ids=lambda path: path.stem)
def test_every_harness_runs(harness: Path, tmp_path: Path) -> None:
    done = run(harness, "-runs=3", "-seed=1", cwd=tmp_path)
    assert done.status in ((0, CRASH) if harness == CANARY else (0,)), done.output[-2000:]


def test_there_is_one_for_each_kernel() -> None:
    names = {path.stem.removesuffix("_fuzzer") for path in HARNESSES}
    assert names == {"pin_wait", "series_v1", "refcount_0", "all_operations", "device_dax", "canary"}


def test_features_reach_libfuzzer(tmp_path: Path) -> None:
    guided = run(PIN_WAIT, "-runs=200", "-seed=1", cwd=tmp_path)
    assert guided.features == sorted(guided.features)
    assert len(set(guided.features)) > 5
    unguided = run(PIN_WAIT, "-runs=200", "-seed=1", cwd=tmp_path, DAXFUZZ_FEATURES="0")
    assert set(unguided.features) == {1}


def test_a_crash_is_replayed_by_naming_its_file(tmp_path: Path, crash: Path) -> None:
    done = run(CANARY, crash, cwd=tmp_path)
    assert done.status == CRASH
    said = re.search(r"Finding: (\S+?)/(\S+): ", done.output)
    assert said is not None
    assert f'finding = "{said[1]}"' in done.output
    assert 'bugs = ["truncate-ignores-dma-pins"]' in done.output


def test_what_was_no_crash_is_none_when_named(tmp_path: Path, corpus: Path) -> None:
    done = run(PIN_WAIT, *sorted(corpus.iterdir())[:2], cwd=tmp_path)
    assert done.status == 0
    assert done.output.count("Executed ") == 2


def test_merge_keeps_the_features(tmp_path: Path, corpus: Path) -> None:
    merged = tmp_path / "merged"
    merged.mkdir()
    done = run(PIN_WAIT, "-merge=1", merged, corpus, cwd=tmp_path)
    assert done.status == 0
    assert 0 < len(inputs(merged)) <= len(inputs(corpus))
    before, after = (run(PIN_WAIT, "-runs=0", each, cwd=tmp_path) for each in (corpus, merged))
    assert after.features[-1] == before.features[-1]


def test_minimize_crash(tmp_path: Path, crash: Path) -> None:
    done = run(CANARY, "-minimize_crash=1", "-seed=1", "-runs=100", "-artifact_prefix=small-", crash, cwd=tmp_path)
    assert done.status == 0, done.output[-2000:]
    smaller = list(tmp_path.glob("small-minimized-from-*"))
    assert min(map(len, map(Path.read_bytes, smaller))) < len(crash.read_bytes())


def test_fork(tmp_path: Path) -> None:
    done = run(CANARY, "-fork=1", "-max_total_time=150", "-artifact_prefix=forked-", cwd=tmp_path)
    assert done.status == CRASH
    assert list(tmp_path.glob("forked-crash-*"))


def test_jobs(tmp_path: Path, corpus: Path) -> None:
    done = run(PIN_WAIT, "-jobs=2", "-workers=2", "-runs=20", corpus, cwd=tmp_path)
    assert done.status == 0
    logs = [path.read_text() for path in tmp_path.glob("fuzz-*.log")]
    assert len(logs) == 2
    assert all("DONE" in log for log in logs)


def test_a_limit_of_time(tmp_path: Path) -> None:
    done = run(PIN_WAIT, "-max_total_time=1", cwd=tmp_path)
    assert done.status == 0
    assert "DONE" in done.output


def test_a_dictionary(tmp_path: Path) -> None:
    (tmp_path / "words.dict").write_text('pin="\\x21\\x00"\ntruncate="\\x0a\\x00"\n')
    done = run(PIN_WAIT, "-dict=words.dict", "-runs=5", cwd=tmp_path)
    assert done.status == 0
    assert "Dictionary: 2 entries" in done.output


def test_a_timeout(tmp_path: Path) -> None:
    slow = tmp_path / "slow_fuzzer.py"
    slow.write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import sys, time
            from daxfuzz.engines.atheris import harness
            from daxfuzz.engines.atheris.inputs import Inputs
            from daxfuzz.program.case import KernelSpec
            from daxfuzz.triage.bench import KernelChoice
            atheris = harness.load_atheris()
            inputs = Inputs(KernelChoice(KernelSpec()))
            harness.run(atheris, inputs, lambda data: time.sleep(10), ("load",), sys.argv)
            """)
    )
    slow.chmod(0o755)
    done = run(slow, "-timeout=1", cwd=tmp_path)
    assert done.status == TIMEOUT
    assert list(tmp_path.glob("timeout-*"))


def test_a_kernel_that_there_is_not(tmp_path: Path) -> None:
    done = run(PIN_WAIT, "-runs=1", cwd=tmp_path, DAXFUZZ_PROTOCOL="pinwait")
    assert done.status == 2
    assert "did you mean pin-wait?" in done.output
    assert done.output.count("\n") == 1


def test_another_kernel_by_the_environment(tmp_path: Path, crash: Path) -> None:
    there: Mapping[str, str] = {"DAXFUZZ_PROTOCOL": "refcount-1-fixed", "DAXFUZZ_BUGS": "truncate-ignores-dma-pins"}
    assert run(PIN_WAIT, crash, cwd=tmp_path, **there).status == CRASH
    assert run(PIN_WAIT, crash, cwd=tmp_path).status == 0
