"""``daxfuzz candidates``: small changes under which a case does not fail any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from daxfuzz.bench.candidates import Candidates, NoFailure, Tried, candidates_for
from daxfuzz.bench.candidates.operators import OPERATORS
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.cli.output import Progress, plural
from daxfuzz.cli.signals import sigterm_as_ctrl_c
from daxfuzz.program.case import Case
from daxfuzz.program.dax_file import load_case
from daxfuzz.search import Bounds
from daxfuzz.triage.replay import NONE
from daxfuzz.triage.user_choice import with_patches

EXECUTIONS = 5_000
"""Of the exhaustive search of the case under one candidate."""

SHOWN = 10
"""Candidates that are printed."""

CAUTION = "Candidates, not repairs: each hides this case from the model. Read the code before you believe one."

EXAMPLES = """
\b
Examples:
  daxfuzz candidates findings/lost-wakeup.dax
  daxfuzz candidates case.dax --corpus corpus/flaws
"""


@click.command(epilog=EXAMPLES)
@click.argument("case", metavar="CASE")
@patch_option("A file whose patches the case names, or something to apply on top. Repeatable.")
@click.option(
    "--corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Cases that must not get worse; those of the same protocol and file system count. [default: ./corpus]",
)
@click.option(
    "--executions",
    type=click.IntRange(min=1),
    default=EXECUTIONS,
    show_default=True,
    metavar="N",
    help="Of the search of all interleavings under one candidate.",
)
@json_option
def candidates(case: str, patches: tuple[str, ...], corpus: Path | None, executions: int, as_json: bool) -> int:
    """Try small changes of the functions that run in a case, and rank those under which it does not fail any more.

    Wakes are added, checks repeated, references held, keys of waits exchanged, and adjacent steps reordered: one change
    at a time, on the kernel with the repairs of all other known flaws. What passes is tried on the corpus. Ctrl-C
    and SIGTERM print what was found so far.

    Exit code: 0 something passes and no case of the corpus gets worse, 1 nothing does.
    """
    loaded = load_case(case)
    if loaded.finding == NONE:
        raise OneLineError(f"{case}: declares no finding that could be repaired")
    kernel = with_patches(loaded.kernel, patches)
    directory = corpus or (Path("corpus") if Path("corpus").is_dir() else None)
    cases = {} if directory is None else cases_in(directory)
    found = Candidates()
    interrupted = 0
    try:
        with sigterm_as_ctrl_c() as codes:
            candidates_for(loaded, kernel, cases, Bounds(executions=executions), found, Progress())
    except KeyboardInterrupt:
        interrupted = codes[0]
    except NoFailure as error:
        raise OneLineError(f"{case}: {error}") from None
    if as_json:
        print_json(document(found, bool(interrupted)))
    else:
        show(found, bool(interrupted))
    if interrupted:
        return interrupted
    return 0 if any(not each.broken for each in found.passing) else 1


def cases_in(directory: Path) -> dict[str, Case]:
    """All cases below a directory."""
    return {str(path): load_case(str(path)) for path in sorted(directory.rglob("*.dax"))}


def show(found: Candidates, interrupted: bool) -> None:
    """The best ones for a reader."""
    ranked = found.ranked()
    for number, each in enumerate(ranked[:SHOWN], start=1):
        candidate = each.candidate
        click.echo(f"{number}. {candidate.function}: {OPERATORS[candidate.operator].summary}")
        click.echo(f"   {candidate.file}:{candidate.line}: {candidate.text}")
        for line in candidate.diff:
            click.echo(f"     {line}")
        click.echo(f"   {evidence(each, found.corpus)}")
    if len(ranked) > SHOWN:
        click.echo(f"... and {len(ranked) - SHOWN:,} more (--json has all)")
    cut = ", interrupted" if interrupted else ""
    click.echo(f"{found.tried:,} of {plural(found.total, 'change')} tried, {len(ranked):,} pass{cut}. {CAUTION}")


def evidence(each: Tried, corpus: int) -> str:
    """What speaks for a candidate, and against it."""
    interleavings = f"all interleavings of the case pass ({plural(each.states, 'state')})"
    parts = [
        interleavings if each.exhausted else f"no interleaving of the case fails in {plural(each.states, 'state')}"
    ]
    if corpus:
        cases = plural(corpus, "case")
        parts.append(f"{cases} of the corpus no worse" if not each.broken else f"breaks {', '.join(each.broken)}")
    if each.mended:
        parts.append(f"also mends {', '.join(each.mended)}")
    return "; ".join(parts)


def document(found: Candidates, interrupted: bool) -> dict[str, Any]:
    """All of them as JSON."""
    return {
        "tried": found.tried,
        "changes": found.total,
        "corpus": found.corpus,
        "interrupted": interrupted,
        "candidates": [
            {
                "operator": each.candidate.operator,
                "summary": OPERATORS[each.candidate.operator].summary,
                "function": each.candidate.function,
                "file": each.candidate.file,
                "line": each.candidate.line,
                "text": each.candidate.text,
                "diff": list(each.candidate.diff),
                "exhausted": each.exhausted,
                "states": each.states,
                "breaks": list(each.broken),
                "mends": list(each.mended),
            }
            for each in found.ranked()
        ],
    }
