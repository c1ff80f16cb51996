"""repro, minimize and corpus check."""

from __future__ import annotations

import json
import signal
from importlib import import_module
from pathlib import Path

import pytest
from cli_kit import CLEAN, F01, assert_one_line, run, run_json, written

from daxfuzz.program.dax_file import load_case, loads_case
from daxfuzz.triage.formats import FORMATS

command = import_module("daxfuzz.cli.minimize")

INTERRUPTS = pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])

REPAIR = "fix-idle-on-refcount"
MOVED = """\
daxfuzz = 1
protocol = "refcount-1-fixed"
finding = "none"

[setup]
files = {file0 = 2}
huge = true

[tasks]
mapper = ["mremap(file0)"]

[schedule]
steps = ""
"""
MINE = """\
from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Patch


class NeverBusy(Patch):
    '''Nothing is ever busy.'''

    class dax(Dax):
        def page_busy(self, refcount):
            return False
"""


def with_lines(*lines: str) -> str:
    return F01.replace("finding =", "\n".join([*lines, "finding ="]))


def test_default_schedule_shows_it(tmp_path: Path) -> None:
    path = written(tmp_path, F01)
    result = run("repro", path)
    assert result.exit_code == 1
    assert "ext4_remove_space" in result.stdout
    assert "block 0 freed" in result.stdout or "freed" in result.stdout
    assert "Repaired by fix-idle-on-refcount" in result.stdout
    document = run_json("repro", path)
    assert {"reproduced", "kind", "signature", "host", "via", "digest", "rows"} <= set(document)
    assert document["reproduced"] is True
    assert document["signature"] == f"freed-while-referenced/ext4_remove_space/{REPAIR}"
    assert (document["host"], document["via"]) == ("trio", "default")
    assert [row["turn"] for row in document["rows"]] == list(range(len(document["rows"])))
    assert {"turn", "task", "function", "access", "object", "value", "changed"} <= set(document["rows"][0])
    assert "block 0 freed" in document["rows"][-1]["changed"]
    assert any("page0.refcount 1 -> 2" in row["changed"] for row in document["rows"])
    assert "dax_pinned_page" in {row["function"] for row in document["rows"]}


def test_format_into_a_file(tmp_path: Path) -> None:
    path, target = written(tmp_path, F01), tmp_path / "shown"
    for name in ("table", "json"):
        result = run("repro", path, "--format", name, "--output", target)
        assert (result.exit_code, result.output) == (1, "")
        assert REPAIR in target.read_text()
    assert json.loads(run("repro", path, "--format", "json").stdout) == run_json("repro", path)
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, target.name}


def test_the_cause_is_proved(tmp_path: Path) -> None:
    path = written(tmp_path, F01)
    result = run("repro", path, "--prove")
    assert result.exit_code == 1
    assert "1 constraint; all" in result.stdout
    assert "1. getter:pte_unchanged.read#2 < truncator:zap_pte_range.write" in result.stdout
    assert "without it, this one passes: truncator*" in result.stdout
    proof = run_json("repro", path, "--prove")["proof"]
    assert proof["exhausted"] is True
    assert proof["interleavings"] > 1000
    assert [each["without"]["shows"] for each in proof["constraints"]] == ["none"]
    assert run_json("repro", path)["proof"] is None


def test_nothing_to_prove(tmp_path: Path) -> None:
    assert_one_line(run("repro", written(tmp_path, CLEAN), "--prove"), "--prove needs a case that shows its finding")


def test_table_in_a_file_is_plain_text(tmp_path: Path) -> None:
    target = tmp_path / "table.txt"
    assert run("repro", written(tmp_path, F01), "-o", target).exit_code == 1
    lines = target.read_text().splitlines()
    assert max(map(len, lines)) <= 120
    assert "\x1b" not in target.read_text()
    assert any("block 0 freed" in line for line in lines)


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_format_of_next_to_nothing(tmp_path: Path, name: str) -> None:
    for calls in ("", '"load(file0, 0)"'):
        case = f'daxfuzz = 1\nprotocol = "pin-wait"\nfinding = "none"\n\n[tasks]\na = [{calls}]\n'
        result = run("repro", written(tmp_path, case), "--format", name)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout


def test_what_is_no_format(tmp_path: Path) -> None:
    path = written(tmp_path, F01)
    assert_one_line(run("repro", path, "--format", "xml"), "xml", "table", "json")
    assert_one_line(run("repro", path, "--format", "table", "--json"), "--json means --format json")
    assert_one_line(run("repro", path, "--output", tmp_path / "none" / "shown"), str(tmp_path / "none"))


def test_repaired_kernel_is_clean(tmp_path: Path) -> None:
    assert run("repro", written(tmp_path, F01), "--patch", REPAIR).exit_code == 0


def test_something_else(tmp_path: Path) -> None:
    result = run("repro", written(tmp_path, F01.replace("freed-while-referenced", "leak")))
    assert result.exit_code == 3
    assert "Not as declared" in result.stdout
    assert run("repro", written(tmp_path, F01.replace("freed-while-referenced", "none"))).exit_code == 3


def test_clean_case(tmp_path: Path) -> None:
    path = written(tmp_path, CLEAN)
    assert run("repro", path).exit_code == 0
    assert run_json("repro", path)["reproduced"] is True


def test_both_places_of_a_mapping_that_moves_have_names(tmp_path: Path) -> None:
    objects = [row["object"] for row in run_json("repro", written(tmp_path, MOVED))["rows"]]
    moved = [each for each in objects if each in ("mm0.pmd[file0 0]", "mm0.pmd[file0 0, moved]")]
    assert len(set(moved)) == 2


def test_order_after_steps_that_do_not_fit(tmp_path: Path) -> None:
    order = 'order = ["getter:try_grab_folio.add < truncator:ext4_setattr.lock"]'
    text = f'{F01}[schedule]\nsteps = "truncator*500 getter"\n{order}\n'
    document = run_json("repro", written(tmp_path, text))
    assert document["reproduced"] is True
    assert document["via"] == "order"
    assert document["diverged"].startswith("at turn ")


def test_what_cannot_be_replayed(tmp_path: Path) -> None:
    text = F01.replace(REPAIR, "").replace('repaired_by = [""]\n', "").replace("pin-wait", "pin-wait-fixed")
    assert run("repro", written(tmp_path, f'{text}[schedule]\nsteps = "getter*500 truncator"\n')).exit_code == 125
    order = 'order = ["getter:nowhere.read < truncator:truncate_setsize.write"]'
    assert run("repro", written(tmp_path, f"{text}[schedule]\n{order}\n")).exit_code in (0, 125)


def test_patch_of_the_user(tmp_path: Path) -> None:
    mine = written(tmp_path, MINE, "mine.py")
    case = (
        CLEAN.replace("pin-wait-fixed", "refcount-1-fixed")
        .replace('"none"', '"freed-while-referenced"')
        .replace(', "put_page(r0)"', "")
    )
    case = (
        case.replace("finding", 'patches = ["mine.py:NeverBusy"]\nfinding', 1) + 'truncator = ["truncate(file0, 0)"]\n'
    )
    path = written(tmp_path, case)
    assert run("repro", path).exit_code == 2
    assert run("repro", path, "--patch", mine).exit_code == 1
    # A patch that the case does not name is applied on top.
    path = written(tmp_path, case.replace('patches = ["mine.py:NeverBusy"]\n', ""))
    assert run("repro", path).exit_code == 0
    assert run("repro", path, "--patch", mine).exit_code == 1
    assert run("repro", path, "--patch", f"{mine}:NeverBusy").exit_code == 1


def test_minimize_keeps_comments(tmp_path: Path) -> None:
    larger = F01.replace('["truncate(file0, 0)"]', '["load(file0, 0)", "truncate(file0, 0)"]')
    larger += 'mapper = ["load(file0, 0)"]\n'
    path = written(tmp_path, larger)
    result = run("minimize", path)
    assert result.exit_code == 0, result.output
    assert "2 tasks, 2 operations, 0 preemptions" in result.stdout
    assert path.read_text().startswith("# found by hand")
    assert run("repro", path).exit_code == 1
    assert load_case(path).schedule.steps
    assert [str(each) for each in load_case(path).schedule.order] == [
        "getter:pte_unchanged.read#2 < truncator:zap_pte_range.write"
    ]
    assert "1 constraint; all" in result.stdout


@INTERRUPTS
def test_minimize_interrupted_keeps_the_best_so_far(tmp_path: Path, monkeypatch, number: int, code: int) -> None:
    larger = F01.replace('["truncate(file0, 0)"]', '["load(file0, 0)", "truncate(file0, 0)"]')
    path = written(tmp_path, larger + 'mapper = ["load(file0, 0)"]\n')
    triage = command.triage

    def interrupted(failure, kernel, progress):
        def told(smaller) -> None:
            progress(smaller)
            signal.raise_signal(number)

        return triage(failure, kernel, told)

    monkeypatch.setattr(command, "triage", interrupted)
    assert run("minimize", path).exit_code == code
    assert sum(map(len, load_case(path).program.tasks.values())) == 3
    assert run("repro", path).exit_code == 1


@INTERRUPTS
def test_minimize_interrupted_in_the_proof_keeps_the_minimum(tmp_path: Path, monkeypatch, number, code) -> None:
    def interrupted(*_, **__):
        signal.raise_signal(number)

    monkeypatch.setattr(command, "proof_of", interrupted)
    path = written(tmp_path, F01 + 'mapper = ["load(file0, 0)"]\n')
    assert run("minimize", path).exit_code == code
    assert list(load_case(path).program.tasks) == ["getter", "truncator"]


def test_minimize_into_another_file(tmp_path: Path) -> None:
    path = written(tmp_path, F01)
    document = run_json("minimize", path, "-o", tmp_path / "small.dax")
    assert path.read_text() == F01
    assert document["after"]["tasks"] == 2
    assert load_case(tmp_path / "small.dax").finding == loads_case(F01).finding


def test_minimize_what_does_not_fail(tmp_path: Path) -> None:
    path = written(tmp_path, F01)
    assert run("minimize", path, "--patch", REPAIR).exit_code == 1
    assert path.read_text() == F01


def test_corpus(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    written(tmp_path, F01, "below/a.dax")
    written(tmp_path, CLEAN, "b.dax")
    result = run("corpus", "check", tmp_path)
    assert result.exit_code == 0, result.output
    written(tmp_path, F01.replace(REPAIR, "fix-skip-locked"), "c.dax")
    written(tmp_path, F01.replace("freed-while-referenced", "leak"), "d.dax")
    result = run("corpus", "check", tmp_path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(":")[0].rpartition("/")[2] for line in lines] == ["c.dax", "d.dax"]
    result = run("corpus", "check", tmp_path / "b.dax", tmp_path / "below", tmp_path / "c.dax")
    assert result.exit_code == 1
    assert "[3/3]" in result.stderr
    assert "d.dax" not in result.output
    buggy = F01.replace('"pin-wait"', '"pin-wait-fixed"').replace('repaired_by = ["fix-idle-on-refcount"]\n', "")
    written(tmp_path, buggy.replace("finding", 'bugs = ["pin-only-idle-test"]\nfinding', 1), "b.dax")
    result = run("corpus", "check", tmp_path)
    assert result.exit_code == 1
    assert [line.split(":")[0].rpartition("/")[2] for line in result.stdout.splitlines()] == ["c.dax", "d.dax"]
    written(tmp_path, "x", "e.dax")
    assert run("corpus", "check", tmp_path).exit_code == 2
