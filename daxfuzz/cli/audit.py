"""``daxfuzz audit``."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from daxfuzz.bench.audit.mutants import Mutant, live_in, mutant_named, mutants_in, mutants_of, texts_of
from daxfuzz.bench.audit.reasons import RESULTS, LastAudit, file_name, reason_for
from daxfuzz.bench.audit.run import (
    KILLED,
    OPEN,
    UNDECIDED,
    Audit,
    AuditSettings,
    OtherRun,
    Outcome,
    outcomes,
    summary,
)
from daxfuzz.cli.audit_display import audit_look, report
from daxfuzz.cli.bench.common import seed_option, workers_option
from daxfuzz.cli.errors import INTERRUPTED, OneLineError
from daxfuzz.cli.fuzz_display import display
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.signals import TERMINATED, Terminated, termination
from daxfuzz.protocols.registry import unknown

EXAMPLES = """
\b
Examples:
  daxfuzz audit refcount-1-fixed
  daxfuzz audit refcount-1-fixed --function dax_unlock_entry --all
  daxfuzz audit refcount-1-fixed --mutant Gup.gup_pte:drop-recheck:2 --diff
  daxfuzz audit series-v1-fixed --sample 400 --json > audit.json
"""


@click.command(epilog=EXAMPLES)
@click.argument("protocol")
@click.option("--mutant", "names", multiple=True, metavar="NAME", help="Only this one. Repeatable.")
@click.option("--function", "functions", multiple=True, metavar="NAME", help="Only the mutants of it. Repeatable.")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Only N of them, drawn evenly; --seed draws others."
)
@click.option(
    "--executions", type=click.IntRange(1), default=50_000, show_default=True, help="Of the workload, for each mutant."
)
@seed_option
@workers_option
@click.option(
    "--results",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where results are saved as they come, and taken up again.  [default: audit-PROTOCOL.json]",
)
@click.option("--fresh", is_flag=True, help="Start anew, whatever that file has.")
@click.option("--list", "only_list", is_flag=True, help="Name the mutants, and run nothing.")
@click.option("--diff", is_flag=True, help="Show what is changed in the model, and run nothing.")
@click.option("--all", "every", is_flag=True, help="Show the mutants that were killed, too.")
@click.option("--save", is_flag=True, help="Keep the share that was killed in the package, for fuzz to print.")
@json_option
def audit(
    protocol: str,
    names: tuple[str, ...],
    functions: tuple[str, ...],
    sample: int | None,
    executions: int,
    seed: int,
    processes: int,
    path: Path | None,
    fresh: bool,
    only_list: bool,
    diff: bool,
    every: bool,
    save: bool,
    as_json: bool,
) -> int:
    """Which steps of a protocol does nobody miss?

    Makes mutants of the model: wakes, checks, locks, retries and references are dropped, weakened or moved, one at a
    time. A mutant dies when an execution of the default workload, on all file systems that run the function, shows a
    finding. One that lives is equivalent, for a reason that is shown, or a hole in the oracles or the workload. Those
    with a reason get 2,000 executions at most, which shows most reasons that are wrong.

    Exit code: 0 if all mutants die that are not equivalent, else 1; 130 after Ctrl-C, and the next run goes on.
    """
    mutants = chosen(protocol, names, functions)
    if sample is not None:
        mutants = drawn(mutants, sample, seed)
    if only_list or diff:
        show(protocol, mutants, diff, as_json)
        return 0
    if save and (names or functions or sample):
        raise click.UsageError("--save is for an audit of all mutants")
    path = path or Path(f"audit-{file_name(protocol)}.json")
    if fresh:
        path.unlink(missing_ok=True)
    with display(audit_look(protocol)) as live:
        try:
            running = Audit(AuditSettings(protocol, mutants, executions, seed, processes, path), live.update)
        except OtherRun as error:
            raise OneLineError(str(error)) from None
        interrupted = run(running)
    found, figures = outcomes(running), summary(running)
    if save and not interrupted:
        keep(figures)
    if as_json:
        print_json(document(figures, found, seed))
    else:
        report(found, figures, every)
    return interrupted or (1 if any(each.outcome in OPEN for each in found) else 0)


def run(running: Audit) -> int:
    """Run until the end or a signal: the exit code if it was a signal."""
    try:
        with termination():
            running.run()
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    return 0


def chosen(protocol: str, names: Sequence[str], functions: Sequence[str]) -> tuple[Mutant, ...]:
    """The mutants that are asked for, all if none is. Raises UnknownName."""
    if not names and not functions:
        return mutants_of(protocol)
    found = [mutant_named(protocol, name) for name in names]
    for function in functions:
        lives = [live for live in live_in(protocol) if function in (live.name, live.function.__name__)]
        if not lives:
            raise unknown("function", function, sorted({live.function.__name__ for live in live_in(protocol)}))
        found += [mutant for live in lives for mutant in mutants_in(live)]
    return tuple({mutant.name: mutant for mutant in found}.values())


def drawn(mutants: Sequence[Mutant], number: int, seed: int) -> tuple[Mutant, ...]:
    """So many mutants, each as likely as any other; a larger sample has those of a smaller one."""
    return tuple(sorted(mutants, key=lambda mutant: hashlib.sha256(f"{seed}:{mutant.name}".encode()).digest())[:number])


def show(protocol: str, mutants: Sequence[Mutant], diff: bool, as_json: bool) -> None:
    """The mutants, with what they change if that is asked for."""
    if as_json:
        entries = [listed(protocol, each) | ({"diff": difference(each)} if diff else {}) for each in mutants]
        print_json({"mutants": entries})
        return
    for mutant in mutants:
        click.echo(f"{mutant.name}  {mutant.file}:{mutant.line}  {mutant.text}")
        if diff:
            click.echo(difference(mutant))


def difference(mutant: Mutant) -> str:
    """What a mutant changes, as a diff of the function. Comments and layout of the source are lost."""
    before, after = (text.splitlines() for text in texts_of(mutant))
    return "\n".join(list(difflib.unified_diff(before, after, lineterm="", n=2))[2:])


def keep(figures: LastAudit) -> None:
    """Write the figures into the package."""
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / f"{file_name(figures.protocol)}.json"
    target.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")


def document(figures: LastAudit, found: Sequence[Outcome], seed: int) -> dict[str, Any]:
    """An audit as JSON."""
    return {
        "protocol": figures.protocol,
        "seed": seed,
        "executions": figures.executions,
        "complete": not any(each.outcome == UNDECIDED for each in found),
        "mutants_not_equivalent": figures.mutants,
        "killed": figures.killed,
        "share_killed": figures.share,
        "mutants": [entry(figures.protocol, each) for each in found],
    }


def entry(protocol: str, outcome: Outcome) -> dict[str, Any]:
    """One mutant and what came of it as JSON."""
    killed = outcome.outcome == KILLED
    return listed(protocol, outcome.mutant) | {
        "outcome": outcome.outcome,
        "executions": outcome.executions,
        "executions_run": outcome.ran,
        "kind": outcome.kind if killed else None,
        "where": outcome.where if killed else None,
        "filesystem": outcome.filesystem if killed else None,
    }


def listed(protocol: str, mutant: Mutant) -> dict[str, Any]:
    """One mutant as JSON."""
    return {
        "mutant": mutant.name,
        "operator": mutant.operator,
        "function": mutant.function,
        "file": mutant.file,
        "line": mutant.line,
        "source": mutant.text,
        "reason": reason_for(protocol, mutant.name) or None,
    }
