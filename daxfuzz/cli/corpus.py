"""``daxfuzz corpus``: the committed cases."""

from __future__ import annotations

from pathlib import Path

import click

from daxfuzz.cli.errors import INPUT_ERRORS, USAGE, OneLineError
from daxfuzz.cli.options import json_option, patch_option, print_json, with_patches
from daxfuzz.cli.output import plural
from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import load_case
from daxfuzz.search import Replay
from daxfuzz.triage.replay import NONE, Replayed, replay_case
from daxfuzz.triage.reproduce import THOROUGH, Failure, Goal, hints_of, search

EXAMPLES = """
\b
Example:
  daxfuzz corpus check corpus
  daxfuzz corpus check corpus/bugs my.dax
"""


@click.group(epilog=EXAMPLES)
def corpus() -> None:
    """The committed corpus of cases."""


@corpus.command(epilog=EXAMPLES)
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@patch_option("A file whose patches the cases name. Repeatable.")
@json_option
def check(places: tuple[Path, ...], patches: tuple[str, ...], as_json: bool) -> int:
    """Replay cases, and all those below directories: on both hosts, without their repairs and with them, with their
    bugs and without.

    Exit code: 0 all are as declared, 1 some are not; 2 if any cannot be read.
    """
    paths = [path for place in places for path in ([place] if place.is_file() else cases_below(place))]
    failing: list[dict[str, str]] = []
    status = 0
    for number, path in enumerate(paths, 1):
        click.echo(f"[{number}/{len(paths)}] {path}", err=True)
        try:
            problem = check_case(load_case(path), patches)
            code = 1 if problem else 0
        except INPUT_ERRORS as error:
            problem, code = str(error), USAGE
        status = max(status, code)
        if problem:
            failing.append({"case": str(path), "problem": problem})
            if not as_json:
                click.echo(problem if problem.startswith(str(path)) else f"{path}: {problem}")
    if as_json:
        print_json({"cases": len(paths), "failing": failing})
    elif not failing:
        click.echo(f"{plural(len(paths), 'case')}, all as declared")
    return status


def cases_below(directory: Path) -> list[Path]:
    """Every .dax file below a directory, sorted. Raises OneLineError if there is none."""
    if not directory.is_dir():
        raise OneLineError(f"{directory}: no such file or directory")
    # Unlike rglob, listing reports a directory that cannot be read.
    list(directory.iterdir())
    paths = sorted(path for path in directory.rglob("*.dax") if path.is_file())
    if not paths:
        raise OneLineError(f"{directory}: holds no .dax file")
    return paths


def check_case(case: Case, patches: tuple[str, ...]) -> str:
    """What is not as the case declares, in one line; empty if all is."""
    kernel = with_patches(case.kernel, patches)
    replayed = replay_case(case, kernel)
    if replayed.kind != case.finding:
        why = f" ({replayed.impossible})" if replayed.impossible else ""
        return f"declares {case.finding}, shows {replayed.kind}{why}"
    if replayed.diverged and replayed.via == "steps":
        return f"the steps do not fit {replayed.diverged}"
    on_stepper = replayed.bench.run(Replay(replayed.execution.turns))
    if on_stepper.digest() != replayed.execution.digest():
        return "the two hosts give different digests"
    return "" if case.finding == NONE else check_repairs(case, replayed)


def check_repairs(case: Case, replayed: Replayed) -> str:
    """Whether the repairs that a case names silence it, and nothing is left to see without its bugs."""
    assert replayed.found is not None
    kernel = replayed.bench.kernel
    hints = hints_of(Failure(case.program, kernel, replayed.execution, replayed.found))
    for how, repairs, goal in (("with", case.repaired_by, Goal(case.finding)), ("without", case.kernel.bugs, Goal())):
        still = search(case.program, kernel.plus(repairs), goal, THOROUGH, hints) if repairs else None
        if still is not None:
            return f"still shows {still.violation.kind} {how} {' + '.join(repairs)}"
    return ""
