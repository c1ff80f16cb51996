"""pytest collects .dax files as tests: a case must show what it declares.

A plugin of pytest, loaded wherever daxfuzz is installed; it imports the rest of daxfuzz only when there is a case.

With ``--daxfuzz-patch`` all cases are run with that patch on top. Then one that declares a finding may also show it no
more, which the summary tells; one that must stay clean still must, and what shows anything else fails that it does not
show without the patch. A case whose kernel the patch does not fit is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from daxfuzz.program.case import KernelSpec
    from daxfuzz.triage.bench import KernelChoice
    from daxfuzz.triage.replay import Replayed

OPTION = "--daxfuzz-patch"

REPAIRED = "daxfuzz_repaired"
"""Property of a report: the case no longer shows what it declares."""


class CaseFailed(Exception):
    """A case does not show what it declares. The first line says how; the interleaving follows."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("daxfuzz").addoption(
        OPTION,
        action="append",
        default=[],
        metavar="NAME|FILE.py[:Class]",
        help="run .dax cases with this patch on top; repeatable",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> DaxFile | None:
    """Every .dax file is one."""
    return DaxFile.from_parent(parent, path=file_path) if file_path.suffix == ".dax" else None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The cases that a patch has repaired."""
    repaired = [
        report.nodeid for report in terminalreporter.getreports("passed") if (REPAIRED, True) in report.user_properties
    ]
    if repaired:
        terminalreporter.section(f"repaired by {' + '.join(config.getoption(OPTION))}")
        for nodeid in repaired:
            terminalreporter.line(nodeid)


class DaxFile(pytest.File):
    """A file with one case."""

    def collect(self) -> Iterator[DaxItem]:
        yield DaxItem.from_parent(self, name=self.path.stem)


class DaxItem(pytest.Item):
    """The test of a case."""

    def runtest(self) -> None:
        from daxfuzz.program.dax_file import load_case
        from daxfuzz.triage.bench import KernelChoice
        from daxfuzz.triage.declared import judge, judge_patched

        case = load_case(self.path)
        patches = self.config.getoption(OPTION)
        plain = KernelChoice(case.kernel)
        judged = judge_patched(case, self.patched(case.kernel, patches), plain) if patches else judge(case, plain)
        if judged.repaired:
            self.user_properties.append((REPAIRED, True))
        if judged.problem:
            raise CaseFailed(f"{judged.problem}\n\n{interleaving(judged.replayed)}")

    def patched(self, spec: KernelSpec, patches: list[str]) -> KernelChoice:
        """The kernel of a case with patches on top; one that they do not fit skips the test."""
        from daxfuzz.protocols.compose import ComposeError
        from daxfuzz.triage.user_choice import with_patches

        try:
            return with_patches(spec, patches)
        except ComposeError as error:
            pytest.skip(f"does not fit {spec}: {error}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What a reader of the case needs; anything that is no fault of daxfuzz has a message of its own."""
        from daxfuzz.program.errors import InputError
        from daxfuzz.protocols.registry import UnknownName
        from daxfuzz.protocols.user_patches import PatchFileError

        if isinstance(excinfo.value, CaseFailed | InputError | UnknownName | PatchFileError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


def interleaving(replayed: Replayed) -> str:
    """The steps as a table."""
    from daxfuzz.triage.render import text_table

    return text_table(replayed.bench, replayed.execution)
