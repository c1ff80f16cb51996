"""Historical bugs: each composes where it says, shows in its case, and not without it."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import daxfuzz
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.oracles.registry import ORACLES
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import load_case
from daxfuzz.protocols.registry import BUGS, PATCHES, PROTOCOLS, ComposeError, UnknownName, build
from daxfuzz.search import sparsify
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.reproduce import QUICK, Failure, Goal, hints_of, search

PACKAGE = Path(daxfuzz.__file__).parent
CORPUS = PACKAGE.parent / "corpus" / "bugs"

KINDS = {kind for oracle in ORACLES for kind in oracle.kinds} | {"use-after-free"}


@pytest.mark.parametrize("name", BUGS)
def test_bug_says_what_it_is(name: str) -> None:
    bug = BUGS[name]
    assert bug.title().endswith(".")
    assert all((bug.number, bug.fix, bug.release, bug.category, bug.protocols, bug.filesystems, bug.kinds))
    assert set(bug.kinds) <= KINDS
    assert set(bug.filesystems) <= set(FILESYSTEMS)
    assert bug.hunks() or bug.reopens, "either a patch or a flaw without its repair"


@pytest.mark.parametrize("name", BUGS)
def test_bug_is_a_few_lines(name: str) -> None:
    lines = [line for hunk in BUGS[name].hunks().values() for line in inspect.getsource(hunk).splitlines()]
    assert len([line for line in lines if line.strip()]) <= 20


def test_bugs_are_in_the_order_of_their_numbers() -> None:
    order = [(bug.number.rstrip("0123456789"), int(bug.number.lstrip("CS"))) for bug in BUGS.values()]
    assert order == sorted(set(order))
    assert [number for prefix, number in order if not prefix] == list(range(1, 29))
    assert [number for prefix, number in order if prefix == "S"] == list(range(1, 9))


@pytest.mark.parametrize(("name", "protocol"), [(name, each) for name, bug in BUGS.items() for each in bug.protocols])
def test_bug_composes(name: str, protocol: str) -> None:
    assert protocol in PROTOCOLS
    applied = build(protocol, (), bugs=(name,)).patches
    assert applied[-1] is BUGS[name]
    assert not set(BUGS[name].reopens) & set(applied)


def test_bug_on_a_kernel_that_lacks_its_repair_is_refused() -> None:
    with pytest.raises(ComposeError, match="refcount-1 has no fix-skip-locked that it could leave out"):
        build("refcount-1", (), bugs=("scan-skips-locked-entry",))
    with pytest.raises(UnknownName, match="did you mean scan-skips-locked-entry"):
        build("refcount-1-fixed", (), bugs=("scan-skips-locked-entri",))


def test_bug_is_repaired_by_its_absence() -> None:
    clean = KernelChoice(KernelSpec("refcount-1-fixed"))
    buggy = KernelChoice(KernelSpec("refcount-1-fixed", bugs=("evict-ignores-pins",)))
    assert list(buggy.repairs()) == ["evict-ignores-pins"]
    assert buggy.plus(("evict-ignores-pins",)) == clean
    assert clean.plus(("evict-ignores-pins",)) == clean


@pytest.mark.parametrize("name", BUGS)
def test_case_shows_the_bug_and_is_clean_without_it(name: str) -> None:
    case = load_case(CORPUS / f"{name}.dax")
    assert case.kernel.bugs == (name,)
    assert not case.kernel.patches
    assert case.finding in BUGS[name].kinds
    replayed = replay_case(case, KernelChoice(case.kernel))
    assert (replayed.kind, replayed.via) == (case.finding, "steps")
    assert replayed.found is not None
    switches = sparsify(replayed.bench.sim.world, replayed.execution.turns)
    assert len(case.program.tasks) <= 4
    assert switches.preemptions <= 2
    failure = Failure(case.program, replayed.bench.kernel, replayed.execution, replayed.found)
    without = replayed.bench.kernel.plus((name,))
    assert search(case.program, without, Goal(), QUICK, hints_of(failure)) is None


def test_every_case_is_of_a_bug() -> None:
    assert sorted(path.stem for path in CORPUS.glob("*.dax")) == sorted(BUGS)


def test_nothing_that_searches_names_a_bug_or_a_flaw() -> None:
    names = [*BUGS, *PATCHES]
    names += [patch.__name__ for patch in (*BUGS.values(), *PATCHES.values())]
    words = re.compile("|".join([r"\b[FNC]-\d\d", *map(re.escape, names)]))
    searched = [path for folder in ("search", "engines", "program") for path in (PACKAGE / folder).rglob("*.py")]
    assert searched
    for path in searched:
        found = words.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name} names {found[0]}"
