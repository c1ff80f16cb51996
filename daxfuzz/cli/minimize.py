"""``daxfuzz minimize``: a smaller program, a simpler schedule, fewer constraints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.cli.output import Progress, plural
from daxfuzz.cli.signals import sigterm_as_ctrl_c
from daxfuzz.program.case import Case, Schedule
from daxfuzz.program.dax_file import dumps_case, load_case, rewrite_case, save_case
from daxfuzz.search import sparsify
from daxfuzz.triage.bench import Bench, KernelChoice
from daxfuzz.triage.finding import triage
from daxfuzz.triage.formats.proved import proof_document
from daxfuzz.triage.formats.proved import proved as proved_text
from daxfuzz.triage.order import constraints_of
from daxfuzz.triage.proof import NoProof, Proof
from daxfuzz.triage.proof import prove as proof_of
from daxfuzz.triage.replay import replay_case, steps_of
from daxfuzz.triage.reproduce import QUICK, Failure, Goal, hints_of, replay, search
from daxfuzz.triage.user_choice import with_patches

EXAMPLES = """
\b
Examples:
  daxfuzz minimize findings/lost-wakeup.dax
  daxfuzz minimize big.dax -o small.dax
"""

Size = tuple[int, int, int, int, int]
"""Tasks, operations, preemptions, choices, steps: what minimal means, in this order."""


@click.command(epilog=EXAMPLES)
@click.argument("case", metavar="CASE")
@click.option("-o", "--output", metavar="OUT", help="Write here. [default: CASE, in place]")
@patch_option("A file whose patches the case names. Repeatable.")
@click.option(
    "--prove/--no-prove",
    default=True,
    show_default=True,
    help="Make its order the smallest set of constraints with which every interleaving fails, if that can be shown.",
)
@json_option
def minimize(case: str, output: str | None, patches: tuple[str, ...], prove: bool, as_json: bool) -> int:
    """Make a failing case smaller: tasks, operations, preemptions, choices, steps, constraints, in this order.

    Comments stay where they can. Ctrl-C and SIGTERM keep the best so far.

    Exit code: 0 it is as small as it gets, 1 it does not fail any more.
    """
    with sigterm_as_ctrl_c() as codes:
        code = minimize_file(case, output, patches, prove, as_json)
    return codes[0] if code is None else code


def minimize_file(case: str, output: str | None, patches: tuple[str, ...], prove: bool, as_json: bool) -> int | None:
    """Minimize the case of a file: the exit code, None if that was interrupted."""
    loaded = load_case(case)
    kernel = with_patches(loaded.kernel, patches)
    failure = failing(loaded, kernel)
    if failure is None:
        click.echo(f"{case}: does not show {loaded.finding} any more", err=True)
        if as_json:
            print_json({"case": case, "minimized": False, "interrupted": False})
        return 1
    before = with_schedule(loaded, failure)
    progress = Progress()
    smaller, interrupted = minimized(before, failure, kernel, progress)
    best = smaller if size(smaller, kernel) <= size(before, kernel) else before
    target = output or case
    source = save(Path(case), Path(target), best)
    proof = None
    if prove and not interrupted:
        proof, interrupted = proved(best, kernel, progress)
        if proof is not None and proof.exhausted:
            best = replace(best, schedule=replace(best.schedule, order=proof.constraints))
            save(source, Path(target), best)
    told = {"case": target, "minimized": True, "interrupted": interrupted}
    names = list(best.program.tasks)
    if as_json:
        told["proof"] = None if proof is None else proof_document(proof, names)
        print_json(told | {"before": sizes(size(before, kernel)), "after": sizes(size(best, kernel))})
    else:
        click.echo(f"{target}: {in_words(size(best, kernel))} (before: {in_words(size(before, kernel))})")
        if proof is not None:
            click.echo(proved_text(proof, names))
    return None if interrupted else 0


def failing(case: Case, kernel: KernelChoice) -> Failure | None:
    """The failure that a case declares, None if it does not show it."""
    replayed = replay_case(case, kernel)
    if replayed.found is None or replayed.kind != case.finding:
        return None
    return Failure(case.program, kernel, replayed.execution, replayed.found)


def minimized(case: Case, failure: Failure, kernel: KernelChoice, progress: Progress) -> tuple[Case, bool]:
    """The smaller case, and whether Ctrl-C ended the search for it."""
    smallest: list[Failure] = []

    def told(smaller: Failure) -> None:
        smallest.append(smaller)
        operations = sum(len(calls) for calls in smaller.program.tasks.values())
        progress(f"{plural(len(smaller.program.tasks), 'task')}, {plural(operations, 'operation')}")

    try:
        finding = triage(failure, kernel, told)
    except KeyboardInterrupt:
        return (so_far(case, smallest[-1], kernel) if smallest else case), True
    return finding.case if finding.case.kernel == kernel.spec else case, False


def proved(case: Case, kernel: KernelChoice, progress: Progress) -> tuple[Proof | None, bool]:
    """The cause of what a case shows, None if there is no proof of it, and whether Ctrl-C ended the search for one."""
    failure = failing(case, kernel)
    if failure is None:
        return None, False
    try:
        return proof_of(failure, told=progress), False
    except NoProof:
        return None, False
    except KeyboardInterrupt:
        return None, True


def so_far(case: Case, smaller: Failure, kernel: KernelChoice) -> Case:
    """The case with a smaller failure, if that shows on the case's own kernel, too."""
    again = replay(smaller.program, kernel, smaller.execution.turns)
    if again is None or again.violation.kind != case.finding:
        again = search(smaller.program, kernel, Goal(case.finding), QUICK, hints_of(smaller))
    return case if again is None else with_schedule(replace(case, program=again.program), again)


def with_schedule(case: Case, failure: Failure) -> Case:
    """The case with the schedule of a failure of its program."""
    steps = steps_of(failure.program, failure.execution.turns)
    return replace(case, schedule=Schedule(steps, constraints_of(failure)))


def size(case: Case, kernel: KernelChoice) -> Size:
    """How large a case with steps is."""
    names = list(case.program.tasks)
    turns = [names.index(name) for name, count in case.schedule.steps for _ in range(count)]
    switches = sparsify(Bench(case.program, kernel).sim.world, turns)
    operations = sum(len(calls) for calls in case.program.tasks.values())
    return len(names), operations, switches.preemptions, switches.choices, len(turns)


def sizes(numbers: Size) -> dict[str, Any]:
    """A size as JSON."""
    return dict(zip(("tasks", "operations", "preemptions", "choices", "steps"), numbers, strict=True))


def in_words(numbers: Size) -> str:
    """A size for a reader."""
    nouns = ("task", "operation", "preemption", "choice", "step")
    return ", ".join(plural(number, noun) for number, noun in zip(numbers, nouns, strict=True))


def save(source: Path, target: Path, case: Case) -> Path:
    """Write the case, over the text that there is, so that its comments stay; where it is now."""
    same = target.exists() and target.samefile(source)
    save_case(target, rewrite_case(source.read_text(encoding="utf-8"), case) if same else dumps_case(case))
    return target
