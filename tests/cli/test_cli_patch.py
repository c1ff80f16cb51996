"""patch new and patch check."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from cli_kit import assert_one_line, run, run_json, written

from daxfuzz.kernel.gup import Gup
from daxfuzz.protocols.conflicts import every_protocol
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.protocols.repairs.skip_locked import FixSkipLocked

RULES_OUT = '''\
from daxfuzz.kernel.dax import Dax
from daxfuzz.protocols.patch import Patch


class RulesOut(Patch):
    """dax: Override what fix-skip-locked overrides."""

    class dax(Dax):
        async def wait_scanned_entry(self, mapping, xas, entry):
            return None
'''


def test_new_writes_what_check_accepts(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    result = run("patch", "new", "gup.pte_unchanged", "-o", path)
    assert (result.exit_code, result.output) == (0, "")
    text = path.read_text()
    assert text == run("patch", "new", "gup.pte_unchanged").stdout
    assert inspect.getsource(Gup.pte_unchanged).splitlines()[-1].strip() in text
    result = run("patch", "check", path)
    assert result.exit_code == 0, result.output
    assert f"0 conflicts in {len(every_protocol())} combinations" in result.stdout
    for name in every_protocol():
        assert f"\n{name} " in f"\n{result.stdout}"


def test_new_overwrites_nothing_unless_told(tmp_path: Path) -> None:
    path = written(tmp_path, "mine", "mine.py")
    assert_one_line(run("patch", "new", "gup.pte_unchanged", "-o", path), "mine.py: exists; --force")
    assert path.read_text() == "mine"
    assert run("patch", "new", "gup.pte_unchanged", "-o", path, "--force").exit_code == 0
    assert "class PteUnchanged(Patch):" in path.read_text()


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("gup.pte_unchangd", "did you mean gup.pte_unchanged"),
        ("pte_unchanged", "did you mean gup.pte_unchanged"),
        ("gpu.pte_unchanged", "did you mean gup.pte_unchanged"),
        ("xyz.abc", "one of cow,"),
        ("", "list functions"),
        ("gup.__init__", "unknown function"),
    ],
)
def test_new_unknown_function(name: str, part: str) -> None:
    assert_one_line(run("patch", "new", name), part)


def test_new_output(tmp_path: Path) -> None:
    assert_one_line(run("patch", "new", "gup.pte_unchanged", "-o", tmp_path / "mine.txt"), "mine.txt", ".py")
    assert_one_line(run("patch", "new", "gup.pte_unchanged", "-o", tmp_path / "no" / "mine.py"), "mine.py")
    assert_one_line(run("patch", "new", "gup.pte_unchanged", "-o", tmp_path), str(tmp_path))
    assert_one_line(run("patch", "new"), "SUBSYSTEM.FUNCTION")


def test_check_names_the_protocols_and_the_reason(tmp_path: Path) -> None:
    path = written(tmp_path, RULES_OUT, "mine.py")
    result = run("patch", "check", path)
    assert result.exit_code == 1
    fixed = [name for name, each in PROTOCOLS.items() if FixSkipLocked in each.patches]
    assert f"mine.py:RulesOut on {', '.join(fixed)}:" in result.stdout
    assert "FixSkipLocked in replaces" in result.stdout
    document = run_json("patch", "check", path)
    assert set(document) == {"file", "ok", "results"}
    assert not document["ok"]
    conflicts = {each["protocol"]: each["reason"] for each in document["results"] if not each["ok"]}
    assert {name for name, reason in conflicts.items() if "fix-skip-locked" in reason} == set(fixed)
    since_6_15 = {name for name in PROTOCOLS if name.startswith("refcount-0")}
    assert {name for name, reason in conflicts.items() if "dont-skip-locked-entries" in reason} == since_6_15
    assert set(conflicts) == {*fixed, *since_6_15}
    assert all(each["reason"] is None for each in document["results"] if each["ok"])


def test_check_several_patches_alone_and_together(tmp_path: Path) -> None:
    second = RULES_OUT.partition("class RulesOut")[2].replace("(Patch)", "class Again(Patch)", 1)
    path = written(tmp_path, f"{RULES_OUT}\n\n{second}", "mine.py")
    results = run_json("patch", "check", path)["results"]
    on_base = {each["patch"]: each["reason"] for each in results if each["protocol"] == "refcount-1"}
    assert list(on_base) == ["mine.py:RulesOut", "mine.py:Again", "mine.py"]
    assert on_base["mine.py:RulesOut"] is None
    assert on_base["mine.py:Again"] is None
    assert "again: dax.wait_scanned_entry overrides what rules-out did" in on_base["mine.py"]


HEAD = "from daxfuzz.protocols.patch import Patch\nfrom daxfuzz.kernel.dax import Dax\n"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("x = (", "mine.py:1:"),
        ("\n\nx = 1 +\n", "mine.py:3:"),
        ("\0", "mine.py: "),
        ("\nraise KeyError('a')", "mine.py:2: KeyError"),
        ("\nimport sys\nsys.exit(0)", "mine.py:3: SystemExit"),
        ("\nopen('nowhere.txt')", "mine.py:2: FileNotFoundError"),
        ("x = 1", "mine.py: defines no Patch"),
    ],
)
def test_check_a_file_that_cannot_be_loaded(text: str, part: str, tmp_path: Path) -> None:
    assert_one_line(run("patch", "check", written(tmp_path, text, "mine.py")), part)


def test_check_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "dir.py").mkdir()
    assert_one_line(run("patch", "check", tmp_path / "nowhere.py"), "nowhere.py: no such file")
    assert_one_line(run("patch", "check", tmp_path / "dir.py"), "dir.py: Is a directory")
    assert_one_line(run("patch", "check", tmp_path), "ends in .py")
    assert_one_line(run("patch", "check"), "FILE.py")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ("    adds = ('x',)\n", "adds maps"),
        ("    adds = {'dax': 'x'}\n", "adds maps"),
        ("    adds = {'dax': ('x',)}\n", "no hunk"),
        ("    replaces = None\n", "replaces is a tuple"),
        ("    replaces = ('A',)\n", "replaces is a tuple"),
        ("    renames = ['a']\n", "renames maps"),
        ("    class nope: pass\n", "no subsystem nope"),
        ("    class dax(Dax):\n        def page_bussy(self, refcount): return False\n", "page_bussy overrides nothing"),
        ("    class dax(Dax):\n        def page_busy(self): return False\n", "changes the parameters"),
    ],
)
def test_check_a_patch_that_fits_nowhere(body: str, part: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEAD}class A(Patch):\n{body}", "mine.py")
    results = run_json("patch", "check", path)["results"]
    assert len(results) == len(every_protocol())
    assert all(part in each["reason"] for each in results)
    assert run("patch", "check", path).exit_code == 1
    assert_one_line(run("fuzz", "--executions", "20", "--patch", path), part)
