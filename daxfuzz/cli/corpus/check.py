"""``daxfuzz corpus check``."""

from __future__ import annotations

from pathlib import Path

import click

from daxfuzz.cli.corpus.places import files_of
from daxfuzz.cli.errors import INPUT_ERRORS, USAGE
from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.engines.fuzz import workers as pool
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.declared import judge
from daxfuzz.triage.user_choice import with_patches

EXAMPLES = """
\b
Example:
  daxfuzz corpus check corpus
  daxfuzz corpus check corpus/bugs my.dax
"""


@click.command(epilog=EXAMPLES)
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@patch_option("A file whose patches the cases name. Repeatable.")
@click.option("--workers", type=click.IntRange(1, 4096), metavar="N", help="Processes. [default: one per core]")
@json_option
def check(places: tuple[Path, ...], patches: tuple[str, ...], workers: int | None, as_json: bool) -> int:
    """Replay cases, and all those below directories: on both hosts, without their repairs and with them, with their
    bugs and without.

    Exit code: 0 all are as declared, 1 some are not; 2 if any cannot be read.
    """
    paths = files_of(places)
    failing: list[dict[str, str]] = []
    status = 0
    with pool(min(workers or 0, len(paths))) as executor:
        started = [executor.submit(judged, path, patches) for path in paths]
        for number, (path, future) in enumerate(zip(paths, started, strict=True), 1):
            problem, code = future.result()
            click.echo(f"[{number}/{len(paths)}] {path}", err=True)
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


def judged(path: Path, patches: tuple[str, ...]) -> tuple[str, int]:
    """In a worker: what is not as it should be with a case, and the exit code for it."""
    try:
        case = load_case(path)
        problem = judge(case, with_patches(case.kernel, patches)).problem
    except INPUT_ERRORS as error:
        return str(error), USAGE
    return problem, 1 if problem else 0
