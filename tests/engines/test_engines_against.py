"""A kernel without and with patches: what is new, gone or in both, and how a run on two kernels goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from daxfuzz.engines.against import Compared, Comparer, Comparison, Group, fixed_form, shows_too
from daxfuzz.engines.fuzz import FIRST_ROUND, Found, FuzzSettings
from daxfuzz.engines.jobs import ModelError
from daxfuzz.program.case import Case, KernelSpec
from daxfuzz.program.dax_file import dumps_case, load_case
from daxfuzz.protocols.registry import PATCHES, PROTOCOLS, protocol
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.finding import Finding

CORPUS = Path(__file__).parents[2] / "corpus" / "flaws"
WAKE = "fix-wake-on-threshold"
PIN_WAIT = KernelChoice(KernelSpec("pin-wait"))
FIXED = KernelChoice(KernelSpec("pin-wait-fixed"))

PATCHES_OF_MINE = '''
from daxfuzz.kernel.dax import Dax
from daxfuzz.kernel.memremap import Memremap
from daxfuzz.protocols.patch import Patch


class PutTwice(Patch):
    """mm: Drop every FOLL_GET reference twice."""

    class memremap(Memremap):
        async def put_page(self, page):
            await super().put_page(page)
            await super().put_page(page)


class Nothing(Patch):
    """mm: Change nothing."""

    class memremap(Memremap):
        async def put_page(self, page):
            await super().put_page(page)


class RulesOut(Patch):
    """dax: Override what fix-skip-locked overrides, in a way that it knows nothing of."""

    class dax(Dax):
        async def wait_scanned_entry(self, mapping, xas, entry):
            return await self.get_unlocked_entry(mapping, xas)
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PATCHES_OF_MINE)
    return path


def with_patch(base: KernelChoice, file: Path, name: str) -> KernelChoice:
    return KernelChoice(KernelSpec(base.spec.protocol, (*base.spec.patches, f"{file.name}:{name}")), (str(file),))


def comparer(patched: KernelChoice, without: KernelChoice, executions: int | None, **more) -> Comparer:
    settings = FuzzSettings(patched, 3, more.get("seconds"), executions, (), 1, more.get("directory"))
    return Comparer(settings, without, more.get("on_update"))


def finding_of(case: Case, explained_by: tuple[str, ...]) -> Finding:
    signature = "/".join((case.finding, "+".join(explained_by) or "new"))
    return Finding(case.finding, signature, explained_by, "", case, 2, 4, 1, 0, 72)


@pytest.fixture(scope="module")
def lost() -> Case:
    """F-02: a wake-up that fix-wake-on-threshold brings back."""
    return load_case(CORPUS / "pin-wait-f02-lost-wakeup.dax")


# -- verification --------------------------------------------------------------------------------------------------


def test_a_flaw_that_the_other_kernel_has_too_is_in_both(lost, mine) -> None:
    assert shows_too(finding_of(lost, (WAKE,)), PIN_WAIT, with_patch(PIN_WAIT, mine, "Nothing"))


def test_a_flaw_that_a_patch_repairs_does_not_show_on_the_other_kernel(lost) -> None:
    repaired = KernelChoice(KernelSpec("pin-wait", (WAKE,)))
    assert not shows_too(finding_of(lost, (WAKE,)), PIN_WAIT, repaired)
    assert not shows_too(finding_of(lost, (WAKE,)), PIN_WAIT, KernelChoice(KernelSpec("refcount-1")))


def test_what_nothing_explains_is_not_the_known_flaw_that_looks_like_it(lost) -> None:
    assert not shows_too(finding_of(lost, ()), PIN_WAIT, PIN_WAIT)


def test_the_reason_must_be_the_same(lost) -> None:
    assert not shows_too(finding_of(lost, ("fix-mapping-mapped",)), PIN_WAIT, PIN_WAIT)


def test_a_repair_that_the_patch_rules_out_does_not_stop_verification(mine) -> None:
    locked = load_case(next(CORPUS.glob("pin-wait-f08*.dax")))
    other = with_patch(PIN_WAIT, mine, "RulesOut")
    assert locked.repaired_by == ("fix-skip-locked",)
    assert shows_too(finding_of(locked, locked.repaired_by), PIN_WAIT, other)


def test_a_finding_that_does_not_replay_is_a_fault_of_the_model(lost) -> None:
    clean = Case(lost.program, FIXED.spec, lost.finding, (), lost.schedule)
    with pytest.raises(ModelError, match="does not replay"):
        shows_too(finding_of(clean, (WAKE,)), FIXED, PIN_WAIT)


def test_repairs_that_a_patch_rules_out_are_not_tried(mine) -> None:
    everything = PIN_WAIT.repairs()
    left = with_patch(PIN_WAIT, mine, "RulesOut").repairs()
    assert set(everything) - set(left) == {"fix-skip-locked"}


# -- groups --------------------------------------------------------------------------------------------------------


def files_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("group", [Group.UNVERIFIED, Group.NEW, Group.GONE])
def test_what_the_other_kernel_shows_later_is_in_both_after_all(lost, mine, tmp_path, group) -> None:
    run = comparer(with_patch(PIN_WAIT, mine, "Nothing"), PIN_WAIT, 20, directory=tmp_path / "findings")
    finding = finding_of(lost, (WAKE,))
    name = finding.file_name()
    run.put(Compared(group, Found(finding, 7, None), PIN_WAIT))
    assert files_in(tmp_path / "findings") == [f"{group}/{name}"]
    run.take(Found(finding, 9, None), PIN_WAIT)
    assert [found.executions_to_find for found in run.status.of(group)] == [7]
    run.take(Found(finding, 9, None), run.patched.settings.kernel)
    assert [found.executions_to_find for found in run.status.of(Group.BOTH)] == [7]
    assert run.status.of(group) == []
    assert files_in(tmp_path / "findings") == [f"both/{name}"]
    assert [each.group for each in run.status.history] == [group, Group.BOTH]


# -- runs ----------------------------------------------------------------------------------------------------------


def test_a_planted_bug_is_new_and_nothing_else_is(mine, tmp_path) -> None:
    directory = tmp_path / "findings"
    seen: list[Compared] = []

    def update(status: Comparison) -> None:
        for each in status.history[len(seen) :]:
            seen.append(each)
            assert each.found.path is not None
            assert each is not status.found[each.found.finding.signature] or each.found.path.exists()

    patched = with_patch(FIXED, mine, "PutTwice")
    status = comparer(patched, FIXED, 2 * FIRST_ROUND, directory=directory, on_update=update).run()
    new = status.of(Group.NEW)
    assert {"refcount-underflow", "refcount-mismatch"} & {found.finding.kind for found in new}
    assert [status.of(group) for group in (Group.GONE, Group.BOTH, Group.UNVERIFIED)] == [[], [], []]
    assert [each.group for each in seen[: len(new)]] == [Group.UNVERIFIED] * len(new)
    assert files_in(directory) == sorted(f"new/{found.finding.file_name()}" for found in new)
    for found in new:
        assert found.path is not None
        assert found.path.read_text() == dumps_case(found.finding.case)
        assert load_case(found.path).kernel.patches == ("mine.py:PutTwice",)
    assert status.without.executions == status.patched.executions == FIRST_ROUND


def test_taking_a_bug_away_makes_its_findings_gone(mine) -> None:
    status = comparer(FIXED, with_patch(FIXED, mine, "PutTwice"), 2 * FIRST_ROUND).run()
    assert {"refcount-underflow", "refcount-mismatch"} & {found.finding.kind for found in status.of(Group.GONE)}
    assert [status.of(group) for group in (Group.NEW, Group.BOTH, Group.UNVERIFIED)] == [[], [], []]


def test_a_patch_that_changes_nothing_has_the_same_executions_and_findings(mine) -> None:
    status = comparer(with_patch(PIN_WAIT, mine, "Nothing"), PIN_WAIT, 400).run()
    assert status.of(Group.BOTH)
    assert [status.of(group) for group in (Group.NEW, Group.GONE, Group.UNVERIFIED)] == [[], [], []]
    assert status.without.steps == status.patched.steps > 0
    assert [found.finding.signature for found in status.without.found] == [
        found.finding.signature for found in status.patched.found
    ]
    assert status.executions == 400


def test_half_of_an_odd_limit_is_rounded_up_to_whole_programs(mine) -> None:
    status = comparer(with_patch(FIXED, mine, "Nothing"), FIXED, 41).run()
    assert (status.without.executions, status.patched.executions) == (40, 40)


def test_a_limit_of_time_leaves_both_with_the_same_executions(mine) -> None:
    status = comparer(with_patch(FIXED, mine, "Nothing"), FIXED, None, seconds=0.5).run()
    assert status.without.executions == status.patched.executions > 0
    assert status.steps == status.without.steps + status.patched.steps


def test_an_interrupted_run_keeps_what_it_has_found(mine, tmp_path) -> None:
    def update(status: Comparison) -> None:
        if status.found:
            raise KeyboardInterrupt

    directory = tmp_path / "findings"
    run = comparer(with_patch(FIXED, mine, "PutTwice"), FIXED, None, seconds=60.0, directory=directory)
    run.on_update = update
    with pytest.raises(KeyboardInterrupt):
        run.run()
    (found,) = run.status.of(Group.UNVERIFIED)
    assert found.path is not None
    assert load_case(found.path).finding == found.finding.kind


def test_the_fixed_form_of_a_protocol() -> None:
    assert fixed_form("pin-wait") == ("pin-wait-fixed", ())
    assert fixed_form("pin-wait-fixed") == ("pin-wait-fixed", ())
    name, repairs = fixed_form("series-v1:1")
    assert name == "series-v1:1"
    assert set(repairs) == {each.slug() for each in protocol("series-v1:1").repairs} <= set(PATCHES)
    for each in PROTOCOLS:
        spec = KernelSpec(*fixed_form(each))
        assert KernelChoice(spec).repairs() == {}
