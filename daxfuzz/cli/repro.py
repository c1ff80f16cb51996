"""``daxfuzz repro``: replay a case and show how it happens."""

from __future__ import annotations

from typing import Any

import click

from daxfuzz.cli.errors import CANNOT_REPLAY
from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.cli.output import plural, stdout_console
from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.render import Row, rows, shown_function, table
from daxfuzz.triage.replay import NONE, Replayed, replay_case
from daxfuzz.triage.user_choice import with_patches

SOMETHING_ELSE = 3

EXAMPLES = """
\b
Examples:
  daxfuzz repro findings/lost-wakeup.dax
  daxfuzz repro case.dax --patch my_patch.py
  git bisect run daxfuzz repro --bisect case.dax
"""


@click.command(epilog=EXAMPLES)
@click.argument("case", metavar="CASE")
@patch_option("A file whose patches the case names, or something to apply on top. Repeatable.")
@click.option("--bisect", is_flag=True, help="Exit with 125, which git bisect skips, in place of 2, 3 and 70.")
@json_option
def repro(case: str, patches: tuple[str, ...], bisect: bool, as_json: bool) -> int:
    """Replay a case as Trio tasks and print the interleaving.

    By its steps; if they do not show the finding, by its order; without a schedule, by the default one and then by
    up to 1,000 random ones.

    Exit code: 0 it is clean, 1 it shows what it declares, 3 it shows something else, 125 it cannot be replayed.
    """
    loaded = load_case(case)
    replayed = replay_case(loaded, with_patches(loaded.kernel, patches))
    steps = rows(replayed.bench, replayed.execution)
    if as_json:
        print_json(document(loaded, replayed, steps))
    else:
        show(loaded, replayed, steps)
    return exit_code(loaded, replayed)


def exit_code(case: Case, replayed: Replayed) -> int:
    """What the outcome means."""
    if replayed.found is not None and replayed.kind == case.finding:
        return 1
    if replayed.impossible:
        return CANNOT_REPLAY
    return 0 if replayed.found is None else SOMETHING_ELSE


def signature(case: Case, replayed: Replayed) -> str:
    """As `fuzz` writes it, with the explanation that the case declares."""
    found = replayed.found
    if found is None:
        return ""
    parts = [found.kind, found.function, found.channel, "+".join(case.kernel.bugs + case.repaired_by) or "new"]
    return "/".join(part for part in parts if part)


def document(case: Case, replayed: Replayed, steps: list[Row]) -> dict[str, Any]:
    """The replay as JSON."""
    return {
        "reproduced": exit_code(case, replayed) == int(case.finding != NONE),
        "kind": replayed.kind,
        "signature": signature(case, replayed),
        "message": "" if replayed.found is None else replayed.found.message,
        "host": "trio",
        "via": replayed.via,
        "executions": replayed.tried,
        "diverged": replayed.diverged,
        "cannot_replay": replayed.impossible,
        "digest": replayed.execution.digest(),
        "rows": [row_document(row) for row in steps],
    }


def row_document(row: Row) -> dict[str, Any]:
    """One step as JSON."""
    return {
        "turn": row.turn,
        "task": row.task,
        "call": row.call,
        "function": row.function,
        "access": row.access,
        "object": row.object,
        "value": row.value,
        "changed": list(row.changed),
    }


def show(case: Case, replayed: Replayed, steps: list[Row]) -> None:
    """The replay for a reader."""
    spec = replayed.bench.kernel.spec
    console = stdout_console()
    console.print(f"{spec} on {spec.filesystem}", style="bold")
    console.print()
    console.print(table(steps, list(case.program.tasks)))
    console.print()
    console.print(verdict_line(case, replayed), style="bold")
    console.print(how(replayed))


def verdict_line(case: Case, replayed: Replayed) -> str:
    """What it shows, in a sentence."""
    found = replayed.found
    if found is None and case.finding == NONE:
        return "Clean, as the case declares."
    if found is None:
        outcome = f"Clean: {case.finding}, which the case declares, does not happen."
    else:
        renames = replayed.bench.kernel.composed().renames
        where = f", in {shown_function(found.function, renames)}" if found.function else ""
        outcome = f"{found.kind}: {found.message}{where}."
        if found.kind != case.finding:
            declared = "must stay clean" if case.finding == NONE else f"declares {case.finding}"
            outcome = f"Not as declared (the case {declared}): {outcome}"
        elif case.repaired_by:
            outcome += f" Repaired by {' + '.join(case.repaired_by)}."
        elif case.kernel.bugs:
            outcome += f" Not so without {' + '.join(case.kernel.bugs)}."
        else:
            outcome += " The case names no repair that explains it."
    if replayed.impossible:
        return f"Cannot be replayed: {replayed.impossible}. What ran instead: {outcome}"
    return outcome


def how(replayed: Replayed) -> str:
    """How it was replayed."""
    steps = f"The steps do not fit {replayed.diverged}. " if replayed.diverged else ""
    tried = plural(replayed.tried, "linearisation" if replayed.via == "order" else "execution")
    extra = f", {tried}" if replayed.via != "steps" else ""
    turns = plural(len(replayed.execution.turns), "turn")
    return f"{steps}Replayed on Trio by {replayed.via}{extra}: {turns}, digest {replayed.execution.digest()}."
