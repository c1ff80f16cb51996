"""The pytest plugin, run as pytest itself runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "corpus"
F02 = CORPUS / "flaws/pin-wait-f02-lost-wakeup.dax"
CLEAN = CORPUS / "seeds/pin-wait-waits-for-pin.dax"
BROKEN = '''
from daxfuzz.protocols.patch import Patch
from daxfuzz.protocols.series_v1.patch02_maybe_dma_pinned import UsePageMaybeDmaPinned


class NeverBusy(Patch):
    """dax: Wait for nobody."""

    class dax(UsePageMaybeDmaPinned.dax):
        def page_busy(self, refcount: int) -> bool:
            return False
'''

pytest_plugins = ["pytester"]


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


@pytest.fixture
def corpus(pytester: pytest.Pytester) -> Path:
    (pytester.path / "f02.dax").write_bytes(F02.read_bytes())
    (pytester.path / "clean.dax").write_bytes(CLEAN.read_bytes())
    return pytester.path


def test_cases_are_tests(pytester: pytest.Pytester, corpus: Path) -> None:
    result = run(pytester, "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*f02.dax::f02 PASSED*"])


def test_a_case_that_is_not_as_declared(pytester: pytest.Pytester, corpus: Path) -> None:
    text = F02.read_text()
    (corpus / "wrong.dax").write_text(text.replace('finding = "lost-wakeup"', 'finding = "leak"'))
    (corpus / "dirty.dax").write_text(text.replace('finding = "lost-wakeup"', 'finding = "none"'))
    (corpus / "bad.dax").write_text(text.replace("daxfuzz = 1", "daxfuzz = 1\ncolour = 2"))
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(["*bad.dax:*: colour*"])
    result.stdout.fnmatch_lines(
        ["declares none, shows lost-wakeup", "*put_page(r2)*", "declares leak, shows lost-wakeup"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_patch_that_repairs(pytester: pytest.Pytester, corpus: Path) -> None:
    result = run(pytester, "--daxfuzz-patch", "fix-wake-on-threshold")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*repaired by fix-wake-on-threshold*", "f02.dax::f02"])


def test_a_patch_that_breaks(pytester: pytest.Pytester, corpus: Path) -> None:
    text = CLEAN.read_text().replace(', "unpin_user_pages(r0)"', "")
    (corpus / "kept.dax").write_text(text)
    (corpus / "broken.py").write_text(BROKEN)
    result = run(pytester, "--daxfuzz-patch", "broken.py")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["declares none, shows freed-while-pinned*"])


def test_a_patch_that_does_not_fit(pytester: pytest.Pytester, corpus: Path) -> None:
    result = run(pytester, "--daxfuzz-patch", "request-folios-insert-references", "-rs")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*does not fit pin-wait: *"])


def test_a_patch_that_there_is_not(pytester: pytest.Pytester, corpus: Path) -> None:
    result = run(pytester, "--daxfuzz-patch", "nonsense")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*nonsense*"])
    result.stdout.no_fnmatch_line("*Traceback*")
