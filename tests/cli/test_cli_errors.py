"""Wrong inputs: one line and exit code 2, whatever they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from cli_kit import CLEAN, F01, assert_one_line, run, written

from daxfuzz.cli import errors

MALFORMED = {
    "empty": (b"", "missing"),
    "binary": (bytes(range(256)) * 10, "UTF-8"),
    "large": (b"# x\n" * 2_621_440, "256 KiB"),
    "deep": (b"a = " + b"[" * 100_000 + b"]" * 100_000, "nested"),
    "truncated": (F01[:-30].encode(), ":10:"),
    "unknown key": (F01.replace("finding =", "findings =").encode(), 'did you mean "finding"'),
    "unknown operation": (F01.replace("truncate(", "truncat(").encode(), ":10: tasks.truncator[0]"),
    "wrong type": (F01.replace('"ext4"', "4").encode(), ":4: filesystem"),
    "unknown protocol": (F01.replace("pin-wait", "pin-wit").encode(), "did you mean pin-wait"),
    "unknown patch": (F01.replace("finding", 'patches = ["nope"]\nfinding', 1).encode(), "'nope'"),
    "unknown file system": (F01.replace("ext4", "ext9").encode(), "'ext9'"),
    "unknown bug": (F01.replace("finding", 'bugs = ["evict-ignores-pin"]\nfinding', 1).encode(), "evict-ignores-pins"),
    "missing patch file": (F01.replace("finding", 'patches = ["my.py:A"]\nfinding', 1).encode(), "my.py:A"),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("command", ["repro", "minimize"])
def test_malformed_case(tmp_path: Path, command: str, name: str) -> None:
    data, part = MALFORMED[name]
    assert_one_line(run(command, written(tmp_path, data)), part)


@pytest.mark.parametrize("name", ["missing.dax", ".", "\0"])
def test_unreadable_case(tmp_path: Path, name: str) -> None:
    assert_one_line(run("repro", f"{tmp_path}/{name}"), "cannot be read")


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["--protocol", "nope"], "'nope'"),
        (["--protocol", "series-v1:99"], "series-v1"),
        (["--filesystem", "ext3"], "ext4"),
        (["--patch", "fix-maping-mapped"], "fix-mapping-mapped"),
        (["--bug", "evict-ignores-pin"], "did you mean evict-ignores-pins"),
        (["--bug", "evict-ignores-pins", "--protocol", "refcount-1"], "refcount-1-fixed"),
        (["--bug", "evict-ignores-pins", "--bug", "paused-iterator-skips-waited-entry"], "no protocol in common"),
        (["--patch", "nowhere.py"], "nowhere.py: no such file"),
        (["--patch", "fix-mapping-mapped", "--protocol", "pin-wait-fixed"], "twice"),
        (["--time", "soon"], "60s"),
        (["--time", "0"], "60s"),
        (["--time", "-3"], "60s"),
        (["--executions", "0"], "x>=1"),
        (["--seed", "x"], "--seed"),
        (["--workers", "0"], "--workers"),
        (["--strategy", "luck"], "pct-2"),
        (["--engine", "afl"], "portfolio"),
        (["--engine", "atheris", "--strategy", "pos"], "--strategy is for --engine portfolio"),
        (["--engine", "atheris", "--against"], "--against is for --engine portfolio"),
        (["--nonsense"], "--nonsense"),
        (["stray"], "stray"),
    ],
)
def test_fuzz_usage(args: list[str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_one_line(run("fuzz", "--time", "1", *args), part)


def test_findings_directory_is_a_file(tmp_path: Path) -> None:
    assert_one_line(run("fuzz", "--findings", written(tmp_path, "x")), "case.dax")
    assert_one_line(run("fuzz", "--findings", written(tmp_path, "x") / "below"), "case.dax")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = (", "mine.py:1:"),
        ("\nraise KeyError('a')", "mine.py:2: KeyError"),
        ("x = 1", "defines no Patch"),
        ("from daxfuzz.protocols.patch import Patch\nclass A(Patch):\n    class nope: pass", "no subsystem nope"),
    ],
)
def test_patch_file(tmp_path: Path, text: str, part: str) -> None:
    assert_one_line(run("fuzz", "--patch", written(tmp_path, text, "mine.py")), part)


def test_patch_file_without_the_class(tmp_path: Path) -> None:
    path = written(tmp_path, "from daxfuzz.protocols.patch import Patch\nclass A(Patch): pass", "mine.py")
    assert_one_line(run("fuzz", "--patch", f"{path}:B"), "no patch B; there is A")


def test_usage_of_the_group() -> None:
    assert_one_line(run("nonsense"), "nonsense")
    assert_one_line(run("--nonsense"), "--nonsense")
    assert_one_line(run("list", "nonsense"), "nonsense")
    assert_one_line(run("repro"), "CASE")


def test_corpus_directories(tmp_path: Path) -> None:
    assert_one_line(run("corpus", "check", tmp_path / "nowhere"), "no such file or directory")
    assert_one_line(run("corpus", "check", tmp_path), "no .dax file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        assert_one_line(run("corpus", "check", tmp_path), "Permission denied")
    finally:
        tmp_path.chmod(0o700)


def test_bisect_skips_what_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("repro", "--bisect", "nowhere.dax").exit_code == 125
    assert run("repro", "nowhere.dax", "--bisect", "--nonsense").exit_code == 125
    assert run("repro", "--bisect", written(tmp_path, F01.replace("freed-while-referenced", "leak"))).exit_code == 125
    assert run("repro", "--bisect", written(tmp_path, F01)).exit_code == 1
    assert run("repro", "--bisect", written(tmp_path, CLEAN)).exit_code == 0


def test_internal_error_leaves_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: str) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules["daxfuzz.cli.repro"], "load_case", broken)
    assert_one_line(run("repro", "x.dax"), "ZeroDivisionError", "daxfuzz-crash-", code=errors.INTERNAL)
    (report,) = tmp_path.glob("daxfuzz-crash-*.txt")
    assert "Traceback" in report.read_text()
    assert run("repro", "--bisect", "x.dax").exit_code == 125


RAISES = '''\
from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Patch


class Raises(Patch):
    """dax: Ask for what there is not."""

    class dax(Dax):
        def page_busy(self, refcount: int) -> bool:
            return self.nonsense
'''


@pytest.mark.parametrize(
    ("text", "line", "part"), [(RAISES, 10, "nonsense"), ("import nowhere_at_all\n", 1, "nowhere")]
)
def test_a_patch_that_raises_is_the_users_fault(
    tmp_path: Path, text: str, line: int, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However slow the machine is.
    monkeypatch.setattr("daxfuzz.cli.fuzz_display.STATUS_EVERY", 1e9)
    patch = tmp_path / "my_patch.py"
    patch.write_text(text)
    args = ["fuzz", "--patch", patch, "--protocol", "refcount-1", "--executions", "200", "--workers", "1"]
    result = run(*args, "--findings", tmp_path / "findings")
    assert_one_line(result, f"my_patch.py:{line}: ")
    assert part in result.stderr
