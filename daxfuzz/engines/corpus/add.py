"""A case on its way into a corpus: minimized, and compared with those that are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import load_case
from daxfuzz.program.errors import InputError
from daxfuzz.sim import Violation
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import Finding, triage
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.reproduce import Failure
from daxfuzz.triage.user_choice import with_patches


def minimized(case: Case, kernel: KernelChoice) -> Finding | None:
    """The finding that a case shows, minimized and attributed; None if it does not show what it declares."""
    replayed = replay_case(case, kernel)
    if replayed.found is None or replayed.kind != case.finding:
        return None
    return triage(Failure(case.program, kernel, replayed.execution, replayed.found), kernel)


def same(finding: Finding, paths: Iterable[Path], patches: Sequence[str]) -> Path | None:
    """A case that shows the same on the same kernel; None if there is none. What cannot be read is passed over."""
    for path in paths:
        try:
            case = load_case(path)
            alike = (case.kernel, case.finding) == (finding.case.kernel, finding.kind)
            if not alike or set(case.repaired_by) != set(finding.case.repaired_by):
                continue
            found = replay_case(case, with_patches(case.kernel, patches)).found
        except InputError:
            continue
        if found is not None and finding.signature == signature(found, finding.explained_by):
            return path
    return None


def signature(violation: Violation, explained_by: Sequence[str]) -> str:
    """The signature of a finding that is explained so."""
    parts = (violation.kind, violation.function, violation.channel, "+".join(explained_by) or "new")
    return "/".join(part for part in parts if part)
