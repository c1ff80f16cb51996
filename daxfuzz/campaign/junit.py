"""The outcome of a campaign as JUnit XML, which CI systems show as a list of tests."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from daxfuzz.campaign.directory import Directory
from daxfuzz.campaign.findings import REPORT, Known

if TYPE_CHECKING:
    from junitparser import TestCase

NAME = "daxfuzz campaign"


def junit(directory: Directory, failing: Collection[str]) -> str:
    """The text: a test for the canary, one for each kernel, and one for each finding.

    failing: signatures of findings that count; the others are shown as skipped.
    """
    # Importing it takes longer than most commands.
    from junitparser import JUnitXml, TestSuite

    suite = TestSuite(NAME)
    if directory.config.canary is not None:
        suite.add_testcase(of_canary(directory, directory.config.canary.bug))
    known = directory.findings.known.values()
    for kernel in directory.kernels:
        here = [each for each in known if each.kernel == kernel]
        suite.add_testcase(of_kernel(directory, kernel, [each.signature for each in here if each.signature in failing]))
    for each in known:
        suite.add_testcase(of_finding(directory, each, each.signature in failing))
    xml = JUnitXml(NAME)
    xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call]
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call]
    return text.decode()


def of_canary(directory: Directory, bug: str) -> TestCase:
    """Whether the planted bug was found."""
    from junitparser import Error, TestCase

    state = directory.totals.canary
    case = TestCase("the canary is alive", NAME)
    if not state.alive:
        case.result = [Error(f"{bug} was not found in {state.last_executions:,} executions")]
    return case


def of_kernel(directory: Directory, kernel: str, failing: list[str]) -> TestCase:
    """Whether a kernel has a finding that counts."""
    from junitparser import Failure, Skipped, TestCase

    past = directory.totals.by_kernel.get(kernel)
    case = TestCase("no finding that counts", kernel, time=0.0 if past is None else round(past.seconds, 3))
    if failing:
        case.result = [Failure(", ".join(failing))]
    elif past is None:
        case.result = [Skipped("no slice of it was run")]
    return case


def of_finding(directory: Directory, known: Known, counts: bool) -> TestCase:
    """One finding, with its table."""
    from junitparser import Failure, Skipped, TestCase

    case = TestCase(known.signature, known.kernel)
    if not counts:
        case.result = [Skipped("stale" if known.stale else "known")]
        return case
    failure = Failure(printable(known.message), known.kind)
    failure.text = printable((directory.findings.path(known) / REPORT).read_text(encoding="utf-8"))
    case.result = [failure]
    return case


def printable(text: str) -> str:
    """Without what cannot stand in XML."""
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)
