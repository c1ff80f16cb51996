"""Mutation testing: what the operators make, who dies, what is skipped, and that a run goes on where it stopped."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cli_kit import assert_one_line, run, run_json

from daxfuzz.bench.audit import reasons, roles, workload
from daxfuzz.bench.audit.mutants import (
    MutantChoice,
    ProbedChoice,
    fingerprint,
    live_in,
    mutant_named,
    mutants_in,
    texts_of,
)
from daxfuzz.bench.audit.operators import OPERATORS
from daxfuzz.bench.audit.run import Audit, AuditSettings, OtherRun, model_digest, outcome_of
from daxfuzz.bench.audit.source import Edit, Source
from daxfuzz.bench.audit.workload import Death, Part, ProgramRun, Runner, Verdict, death_in, judge, look
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.generator import generate
from daxfuzz.protocols.registry import PROTOCOLS
from daxfuzz.search import make_scheduler
from daxfuzz.triage.bench import Bench, KernelChoice

PROTOCOL = "refcount-1-fixed"

wake_up_var: Any = None

# -- operators on small functions ------------------------------------------------------------------------------------


class Small:
    """Functions as the model has them."""

    a: Any
    b: Any

    async def locked(self) -> None:
        await self.a.lock.acquire()
        await self.b.store(1)
        await self.a.lock.release()

    async def marks(self, xas: Any) -> None:
        await self.a.lock.acquire()
        await xas.store(1)
        await self.a.set_mark(2)
        await self.a.lock.release()

    async def unlocks(self, both: bool) -> None:
        if both:
            await self.b.lock.release()
        await self.a.lock.release()

    async def sleeps(self, queue: Any, waiter: Any) -> None:
        await queue.prepare_to_wait(waiter)
        await self.a.lock.release()
        await queue.schedule()
        await self.a.lock.acquire()

    async def puts(self, page: Any, refs: int) -> None:
        if await page.refcount.add_return(-refs) == 1:
            await wake_up_var(self.a, page.refcount_address)

    async def unpins(self, page: Any) -> None:
        if page.large:
            await page.pincount.add(-1)
        await self.put_page(page)

    async def scans(self, page: Any) -> int:
        await self.unmap_mapping_pages(page, 0, 4)
        return await self.scan(page)

    async def waits(self) -> None:
        while await self.a.read():
            await self.b.wake(None, 0)
            if await self.b.refcount.read() > 1:
                continue
            await self.a.write(0)

    async def unchanged(self, page: Any, slot: Any, pte: int) -> bool:
        if not await self.try_grab_page(page):
            return False
        if await slot.read() != pte:
            return False
        return await self.b.read() == pte and await self.a.read() == 1

    async def put_page(self, page: Any) -> None: ...

    async def unmap_mapping_pages(self, page: Any, first: int, count: int) -> None: ...

    async def scan(self, page: Any) -> int: ...

    async def try_grab_page(self, page: Any) -> bool: ...


def made(operator: str, function: Callable[..., Any]) -> list[str]:
    """For each change of an operator the statements of the changed function."""
    source = Source(function)  # type: ignore[arg-type]
    found = []
    for change in OPERATORS[operator](source):
        edit = Edit(source)
        change.apply(edit)
        edit.function()
        _, *body = fingerprint(edit.tree).splitlines()
        found.append("; ".join(line.strip() for line in body if line.strip() != "pass"))
    return found


LOCK, STORE, UNLOCK = "await self.a.lock.acquire()", "await self.b.store(1)", "await self.a.lock.release()"
QUEUE, SLEEP = "await queue.prepare_to_wait(waiter)", "await queue.schedule()"
LAST = "if await page.refcount.add_return(-refs) == 1:"
WAKE = "await wake_up_var(self.a, page.refcount_address)"
LARGE, PINS, PUT = "if page.large:", "await page.pincount.add(-1)", "await self.put_page(page)"
UNMAP = "await self.unmap_mapping_pages(page, 0, 4)"
GRAB, SAME = "if not await self.try_grab_page(page):", "if await slot.read() != pte:"
NO, BOTH = "return False", "return await self.b.read() == pte and await self.a.read() == 1"


@pytest.mark.parametrize(
    ("operator", "function", "changed"),
    [
        ("drop-lock", Small.locked, [[STORE]]),
        ("late-lock", Small.locked, [[STORE, LOCK, UNLOCK]]),
        ("early-unlock", Small.locked, [[LOCK, UNLOCK, STORE]]),
        ("drop-unlock", Small.locked, [[LOCK, STORE]]),
        ("drop-entry", Small.locked, [[LOCK, UNLOCK]]),
        ("swap", Small.locked, []),
        ("swap", Small.marks, []),
        ("early-unlock", Small.unlocks, []),
        ("keep-lock", Small.sleeps, [[QUEUE, SLEEP]]),
        ("drop-relock", Small.sleeps, [[QUEUE, UNLOCK, SLEEP]]),
        ("early-unlock", Small.sleeps, [[UNLOCK, QUEUE, SLEEP, LOCK]]),
        ("skip-wait", Small.sleeps, [[UNLOCK, SLEEP, LOCK], [QUEUE, UNLOCK, LOCK]]),
        ("drop-wake", Small.puts, [[LAST]]),
        (
            "early-wake",
            Small.puts,
            [["if await page.refcount.read() + -refs == 1:", WAKE, "await page.refcount.add_return(-refs)"]],
        ),
        ("wake-other-key", Small.puts, [[LAST, WAKE.replace("refcount_address", "address")]]),
        ("wake-one", Small.puts, [[LAST, WAKE.replace("wake_up_var", "__variants__.wake_up_var_one")]]),
        ("weaken-comparison", Small.puts, []),
        ("drop-recheck", Small.puts, []),
        ("drop-put", Small.unpins, [[LARGE, PINS], [LARGE, PUT]]),
        ("double-put", Small.unpins, [[LARGE, PINS, PUT, PUT], [LARGE, PINS, PINS, PUT]]),
        (
            "late-step",
            Small.unpins,
            [["late_ = False", LARGE, "late_ = True", PUT, "if late_:", PINS, "late_ = False"]],
        ),
        ("swap", Small.scans, [["result_ = await self.scan(page)", UNMAP, "return result_"]]),
        ("short-range", Small.scans, [[UNMAP.replace("4", "4 - 1"), "return await self.scan(page)"]]),
        ("drop-get", Small.unchanged, [["if not True:", NO, SAME, NO, BOTH]]),
        (
            "drop-recheck",
            Small.unchanged,
            [["if False:", NO, SAME, NO, BOTH], [GRAB, NO, f"{SAME[:-1]} and False:", NO, BOTH]],
        ),
        (
            "early-recheck",
            Small.unchanged,
            [
                ["early_ = await slot.read()", GRAB, NO, "if early_ != pte:", NO, BOTH],
                ["early_ = await self.b.read()", GRAB, NO, SAME, NO, BOTH.replace("await self.b.read()", "early_")],
            ],
        ),
        (
            "drop-condition",
            Small.unchanged,
            [
                [GRAB, NO, SAME, NO, "return (await self.b.read() == pte or True) and await self.a.read() == 1"],
                [GRAB, NO, SAME, NO, "return await self.b.read() == pte and (await self.a.read() == 1 or True)"],
            ],
        ),
        ("answer-yes", Small.unchanged, [[GRAB, NO, SAME, NO, f"return {BOTH[7:]} or True"]]),
    ],
)
def test_an_operator_makes_these_changes(operator: str, function: Callable[..., Any], changed: list[list[str]]) -> None:
    assert sorted(made(operator, function)) == sorted("; ".join(each) for each in changed)


def test_a_loop_is_run_once() -> None:
    (text,) = made("no-retry", Small.waits)
    assert "continue" not in text
    assert text.endswith("await self.a.write(0); break")


def test_a_wake_of_all_becomes_one_of_one() -> None:
    (text,) = made("wake-one", Small.waits)
    assert "await self.b.wake(None, 1)" in text


def test_a_count_is_off_by_one() -> None:
    (text,) = made("weaken-comparison", Small.waits)
    assert "if await self.b.refcount.read() >= 1:" in text


# -- the mutants that the analysis asks for --------------------------------------------------------------------------

SUGGESTED = {
    "no re-check in GUP-fast": (PROTOCOL, "Gup.gup_pte:drop-recheck:1"),
    "re-check before the count": (PROTOCOL, "Gup.gup_pte:early-recheck:1"),
    "wake before the decrement": (PROTOCOL, "Memremap.put_devmap_managed_page_refs:early-wake:1"),
    "condition before enqueueing": (PROTOCOL, "FixRescanAfterWake.dax.wait_page_idle:check-first:1"),
    "the old key": (PROTOCOL, "Memremap.put_devmap_managed_page_refs:wake-other-key:1"),
    "invalidate_lock kept while waiting": (PROTOCOL, "Ext4.ext4_wait_dax_page:keep-lock:1"),
    "no rescan after waking": (PROTOCOL, "Ext4.ext4_break_layouts:no-retry:1"),
    "no recheck after a lease wait": (PROTOCOL, "XfsReflink.xfs_break_layouts:no-retry:1"),
    "put_unlocked_entry does nothing": (PROTOCOL, "Dax.put_unlocked_entry:drop-wake:1"),
    "WAKE_NEXT on removal": (PROTOCOL, "Dax._dax_invalidate_entry:wake-one:1"),
    "non-aligned PMD key": (PROTOCOL, "Dax.dax_entry_waitqueue:wake-other-key:1"),
    "unlock with a locked value": (PROTOCOL, "DaxFault.dax_insert_pfn_mkwrite:lock-bit:1"),
    "no flush before the scan": (PROTOCOL, "TlbFlush.tlb_finish_mmu:drop-flush:1"),
    "entries deleted before the wait": (PROTOCOL, "Ext4.ext4_setattr:early-unmap:1"),
    "blocks freed before the entries go": (PROTOCOL, "Ext4.ext4_setattr:swap:2"),
    "fault without invalidate_lock": (PROTOCOL, "Ext4.ext4_dax_huge_fault:drop-lock:1"),
    "refcount before pincount": (PROTOCOL, "Gup.gup_put_folio:late-step:1"),
    "no transient reference": ("refcount-0-fixed", "ProperlyRefcountFsDaxPages.dax_fault.insert_pfn:drop-get:1"),
    "share not dropped": ("refcount-0-fixed", "FixStaleShare.dax.dax_folio_put:drop-put:1"),
    "signal beats the condition": (PROTOCOL, "FixRescanAfterWake.dax.wait_page_idle:signal-first:1"),
    "invalidate_lock not taken again": (PROTOCOL, "Ext4.ext4_wait_dax_page:drop-relock:1"),
    "memory_failure waits exclusively": (PROTOCOL, "DaxLock.wait_entry_unlocked:exclusive-wait:1"),
    "scan before unmap": (PROTOCOL, "Dax.dax_layout_busy_page:swap:1"),
    "undo with a plain put": (PROTOCOL, "Gup.gup_put_folio:drop-recheck:1"),
    "one of two truncators woken": (PROTOCOL, "Memremap.put_devmap_managed_page_refs:wake-one:1"),
    "range end rounded down": (PROTOCOL, "Dax.dax_layout_busy_page:short-range:1"),
    "unlocked before the pte is there": (PROTOCOL, "DaxFault.dax_insert_pfn_mkwrite:swap:1"),
    "a dirty entry is dropped": (PROTOCOL, "Dax._dax_invalidate_entry:drop-condition:2"),
    "pinned flag after the pin": (PROTOCOL, "Gup.internal_get_user_pages_fast:swap:1"),
    "equal in place of crossing": (
        "pin-wait-fixed",
        "FixWakeOnThreshold.memremap.page_ref_sub_return:weaken-comparison:1",
    ),
}
"""What kernel-protocols 11.2 and the catalogue of bugs suggest."""


@pytest.mark.parametrize("what", SUGGESTED)
def test_a_suggested_mutation_is_made(what: str) -> None:
    protocol, name = SUGGESTED[what]
    mutant = mutant_named(protocol, name)
    source = Path(workload.__file__).parents[3] / mutant.file
    assert source.read_text().splitlines()[mutant.line - 1].strip() == mutant.text


def test_no_mutant_of_a_function_is_like_another_or_like_the_function() -> None:
    for live in live_in(PROTOCOL):
        if live.name.startswith("Gup."):
            found = mutants_in(live)
            assert len({mutant.digest for mutant in found}) == len(found)
            assert len({mutant.name for mutant in found}) == len(found)


def test_what_only_warns_makes_no_mutants() -> None:
    (live,) = (live for live in live_in(PROTOCOL) if live.name == "HugeMemory.insert_pfn_pmd")
    lines = [mutant.text for mutant in mutants_in(live) if mutant.operator in ("drop-recheck", "drop-condition")]
    assert any("old.pfn == new.pfn" in line for line in lines)
    assert not any("elif not isinstance(old, Pte)" in line for line in lines)


def test_reasons_are_about_mutants_that_exist() -> None:
    for protocol, table in reasons.reasons().items():
        assert protocol == reasons.ANY or protocol in PROTOCOLS
        for name, reason in table.items():
            assert reason.strip()
            protocols = PROTOCOLS if protocol == reasons.ANY else [protocol]
            assert any(exists(each, name) for each in protocols if each.endswith("-fixed")), name


def exists(protocol: str, pattern: str) -> bool:
    """Whether a protocol has a mutant whose name matches."""
    function = pattern.partition(":")[0]
    return any(
        reasons.matches(mutant.name, pattern)
        for live in live_in(protocol)
        if reasons.matches(live.name, function)
        for mutant in mutants_in(live)
    )


# -- kernels with mutants --------------------------------------------------------------------------------------------


def parts(mutant: str, filesystem: str, count: int) -> tuple[Part, ...]:
    """The executions of so many programs that come by a mutant."""
    programs = tuple(ProgramRun(filesystem, number) for number in range(count))
    found = mutant_named(PROTOCOL, mutant)
    reached = look(PROTOCOL, frozenset({found.function}), 0, programs)
    return tuple(part for part in (each.part(found.sites) for each in reached) if part is not None)


@pytest.mark.parametrize(
    ("mutant", "filesystem", "kind"),
    [
        ("Dax.dax_unlock_entry:drop-wake:1", "ext4", "lost-wakeup"),
        ("Gup.gup_pte:drop-put:1", "ext4", "leak"),
        ("Ext4.ext4_wait_dax_page:drop-relock:1", "ext4", "crash"),
    ],
)
def test_a_mutant_dies(mutant: str, filesystem: str, kind: str) -> None:
    wanted = parts(mutant, filesystem, 40)
    verdict = judge(PROTOCOL, mutant, 0, wanted)
    assert verdict.death is not None
    assert verdict.death.kind == kind or kind == "crash"
    before = [(part.program, number + 1) for part in wanted for number, _ in part.executions]
    assert before[verdict.ran - 1] == (verdict.death.program, verdict.death.executions)


def test_an_equivalent_mutant_lives() -> None:
    # It holds xa_lock for longer than it has to.
    mutant = "DaxWriteback.dax_writeback_mapping_range:keep-lock:1"
    wanted = parts(mutant, "ext4", 10)
    assert wanted
    assert judge(PROTOCOL, mutant, 0, wanted).death is None


def test_probes_change_nothing_and_note_what_is_run() -> None:
    functions = frozenset({"Gup.gup_pte", "Dax.dax_unlock_entry", "Xfs.xfs_setattr_size"})
    probed = ProbedChoice(KernelSpec(PROTOCOL), functions=functions)
    program = generate(Random(0), "ext4")
    digests = [
        [bench.run(make_scheduler("random", Random(seed), 300)).digest() for seed in range(20)]
        for bench in (Bench(program, KernelChoice(KernelSpec(PROTOCOL))), Bench(program, probed))
    ]
    assert digests[0] == digests[1]
    (reach,) = look(PROTOCOL, functions, 0, (ProgramRun("ext4", 0),))
    assert {name for name, _, _ in reach.sites} <= functions - {"Xfs.xfs_setattr_size"}
    assert reach.sites
    assert reach.silent


@pytest.mark.parametrize(
    "mutant", ["Gup.gup_pte:drop-put:1", "Gup.gup_pte:drop-recheck:1", "Gup.follow_page_pte:drop-unlock:1"]
)
def test_executions_that_come_by_no_change_run_the_same(mutant: str) -> None:
    found = mutant_named(PROTOCOL, mutant)
    spec = KernelSpec(PROTOCOL)
    skipped = 0
    for number in range(12):
        program = ProgramRun("ext4", number)
        (reach,) = look(PROTOCOL, frozenset({found.function}), 0, (program,))
        plain = Runner(KernelChoice(spec), 0, program)
        changed = Runner(MutantChoice(spec, mutant=mutant), 0, program)
        part = reach.part(found.sites)
        run = () if part is None else part.executions
        for each in enumerate(reach.bounds):
            if each not in run:
                skipped += 1
                assert changed.run(*each).digest() == plain.run(*each).digest()
    assert skipped


def test_a_look_at_a_condition_is_kept_and_counts_where_it_comes_out_otherwise() -> None:
    mutant = mutant_named(PROTOCOL, "Gup.gup_pte:drop-recheck:1")
    ((_, _, outcome),) = mutant.sites
    assert outcome == "true"
    before, after = map(ast.unparse, map(ast.parse, texts_of(mutant)))
    assert len(re.findall("await", before)) == len(re.findall("await", after))


def test_an_endless_loop_is_a_death(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "PATIENCE", 0.05)

    def forever(self: Bench, scheduler: object, limit: int = 0) -> None:
        while True:
            pass

    monkeypatch.setattr(Bench, "run", forever)
    part = Part(ProgramRun("ext4", 0), ((3, 200),))
    assert death_in(KernelChoice(KernelSpec(PROTOCOL)), 0, part) == (1, Death(part.program, 4, "endless", ""))


# -- runs ------------------------------------------------------------------------------------------------------------

LIVES = "Gup.gup_pmd_range:no-retry:1"
DIES = "Dax.dax_unlock_entry:drop-wake:1"


def audit(path: Path, executions: int) -> Audit:
    mutants = tuple(mutant_named(PROTOCOL, name) for name in (LIVES, DIES))
    return Audit(AuditSettings(PROTOCOL, mutants, executions, 0, 1, path))


def test_an_audit_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "reasons", lambda: {})
    path = tmp_path / "audit.json"
    first = audit(path, 160)
    first.run()
    assert [outcome_of(first, mutant).outcome for mutant in first.settings.mutants] == ["survived", "killed"]
    asked: list[tuple[str, tuple[Part, ...]]] = []
    inline(monkeypatch, asked)
    second = audit(path, 240)
    second.run()
    assert second.records[DIES] == first.records[DIES]
    assert {name for name, _ in asked} == {LIVES}
    wanted = {part.program for _, job in asked for part in job}
    assert wanted
    assert all(program.number >= 2 for program in wanted), "two programs on each of four file systems were run"
    assert second.records[LIVES].decided == 12


def inline(monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, tuple[Part, ...]]]) -> None:
    """Note what is asked of workers."""
    real = Audit.submit

    def submit(self: Audit, pool: Any, mutant: Any, goal: int, running: Any) -> None:
        class Noting:
            def submit(self, function: Any, *args: Any) -> Any:
                asked.append((args[1], args[3]))
                return pool.submit(function, *args)

        real(self, Noting(), mutant, goal, running)  # type: ignore[arg-type]

    monkeypatch.setattr(Audit, "submit", submit)


def test_what_is_known_is_saved_when_a_run_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.json"
    running = audit(path, 160)
    mutant = running.settings.mutants[1]
    running.take(mutant, 4, Verdict(2, Death(ProgramRun("xfs", 0), 3, "leak", "f")))

    def stop(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "look_at", stop)
    with pytest.raises(KeyboardInterrupt):
        running.run()
    again = audit(path, 160)
    assert again.records[DIES] == running.records[DIES]
    assert again.records[DIES].executions == 3 * 20 + 3, "xfs is the last of four file systems"


def test_results_of_another_model_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    running = audit(path, 160)
    running.save()
    document = json.loads(path.read_text())
    assert document["model"] == model_digest()
    path.write_text(json.dumps(document | {"model": "another"}))
    with pytest.raises(OtherRun, match="version of the model"):
        audit(path, 160)
    path.write_text("{")
    with pytest.raises(OtherRun, match="no results"):
        audit(path, 160)


def test_a_mutant_that_means_something_else_by_now_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.json"
    running = audit(path, 160)
    running.records[DIES].decided = 5
    running.records[DIES].digest = "before"
    running.save()
    assert audit(path, 160).records[DIES].decided == 0


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_reports_and_fails_if_one_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "reasons", lambda: {reasons.ANY: {}})
    options = ("--mutant", LIVES, "--mutant", DIES, "--executions", 80, "--workers", 1)
    result = run("audit", PROTOCOL, *map(str, options), "--results", tmp_path / "a.json")
    assert result.exit_code == 1
    assert LIVES in result.stdout.replace("\n", "")
    assert "1 of 2 mutants of refcount-1-fixed killed (50.0 %, 80 executions each); 1 survived." in result.stdout
    assert "1 killed by lost-wakeup" in result.stdout
    monkeypatch.setattr(reasons, "reasons", lambda: {reasons.ANY: {LIVES: "why"}})
    document = run_json("audit", PROTOCOL, *map(str, options), "--results", tmp_path / "a.json")
    assert document["share_killed"] == 1
    assert [each["outcome"] for each in document["mutants"]] == ["equivalent", "killed"]
    assert document["mutants"][0]["reason"] == "why"
    assert document["mutants"][1]["kind"] == "lost-wakeup"


def test_mutants_are_listed_and_shown() -> None:
    document = run_json("audit", PROTOCOL, "--function", "dax_unlock_entry", "--list")
    assert {DIES} < {each["mutant"] for each in document["mutants"]}
    result = run("audit", PROTOCOL, "--mutant", DIES, "--diff")
    assert "-    await self.dax_wake_entry(mapping, xas.index, entry, WakeMode.WAKE_NEXT)" in result.stdout


def test_a_sample_is_drawn_by_the_seed() -> None:
    def sample(number: int, seed: int) -> set[str]:
        options = ("--function", "dax_unlock_entry", "--sample", str(number), "--seed", str(seed))
        return {each["mutant"] for each in run_json("audit", PROTOCOL, *options, "--list")["mutants"]}

    assert len(sample(3, 0)) == 3
    assert sample(3, 0) < sample(5, 0)
    assert len({frozenset(sample(3, seed)) for seed in range(5)}) > 1


@pytest.mark.parametrize(
    "options",
    [("refcount-7",), (PROTOCOL, "--mutant", "Dax.f:drop-wake:1"), (PROTOCOL, "--function", "dax_unlok_entry")],
)
def test_unknown_names_are_refused(options: tuple[str, ...]) -> None:
    assert_one_line(run("audit", *options), options[-1])


def test_the_last_audit_stands_beside_a_run_without_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "RESULTS", tmp_path)
    fuzz = ("fuzz", "--protocol", PROTOCOL, "--executions", "20", "--findings", tmp_path / "findings")
    assert "Last audit" not in run(*fuzz).stdout
    assert run_json(*fuzz)["mutants_killed"] is None
    figures = {"protocol": PROTOCOL, "executions": 50_000, "mutants": 200, "killed": 193}
    (tmp_path / f"{PROTOCOL}.json").write_text(json.dumps(figures))
    said = "Last audit: 193 of 200 mutants of refcount-1-fixed killed (96.5 %, 50,000 executions each)."
    assert said in run(*fuzz).stdout
    assert run_json(*fuzz)["mutants_killed"] == pytest.approx(0.965)
    silent = ("bench", "silent", "--protocol", PROTOCOL, "--filesystem", "ext4", "--executions", "20")
    assert said in run(*silent, "--findings", tmp_path / "findings").stdout


def test_the_source_of_every_function_can_be_made_again() -> None:
    for live in live_in(PROTOCOL):
        source = Source(live.function)
        assert ast.unparse(Edit(source).tree) == ast.unparse(source.tree)
        assert Edit(source).function().__code__.co_qualname == live.name


@pytest.mark.parametrize("protocol", ["refcount-1-fixed", "refcount-0-fixed"])
def test_a_wait_that_is_skipped_returns_what_the_real_one_may(protocol: str) -> None:
    seen = 0
    for live in live_in(protocol):
        answer = roles.SKIPPED_WAITS.get(live.function.__name__)
        if answer is not None:
            seen += 1
            assert ("tuple[" in live.function.__annotations__["return"]) == answer.startswith("("), live.name
    assert seen > 8
