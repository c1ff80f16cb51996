"""``daxfuzz corpus add``."""

from __future__ import annotations

from pathlib import Path

import click

from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.engines.corpus.add import minimized, same
from daxfuzz.program.dax_file import dumps_case, load_case, save_case
from daxfuzz.triage.user_choice import with_patches

EXAMPLES = """
\b
Example:
  daxfuzz corpus add corpus/flaws findings/*.dax
"""


@click.command(epilog=EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.argument("cases", metavar="CASE...", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@patch_option("A file whose patches the cases name. Repeatable.")
@json_option
def add(directory: Path, cases: tuple[Path, ...], patches: tuple[str, ...], as_json: bool) -> int:
    """Minimize cases, leave out those that show what a case of DIR shows on the same kernel, and write the others into
    DIR, named by their signatures.

    Exit code: 0, 1 if a case does not show what it declares.
    """
    told = []
    status = 0
    for path in cases:
        case = load_case(path)
        finding = minimized(case, with_patches(case.kernel, patches))
        if finding is None:
            status = 1
            told.append({"case": str(path), "problem": f"does not show {case.finding}"})
        elif (there := same(finding, sorted(directory.glob("*.dax")), patches)) is not None:
            told.append({"case": str(path), "same_as": str(there), "signature": finding.signature})
        else:
            directory.mkdir(parents=True, exist_ok=True)
            target = free_name(directory / finding.file_name())
            save_case(target, dumps_case(finding.case))
            told.append({"case": str(path), "added": str(target), "signature": finding.signature})
        click.echo(in_words(told[-1]), err=as_json)
    if as_json:
        print_json({"cases": told})
    return status


def free_name(path: Path) -> Path:
    """The path, or one with a number behind it where something else is there."""
    number = 2
    free = path
    while free.exists():
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free


def in_words(told: dict[str, str]) -> str:
    """What has become of a case, in a line."""
    if "problem" in told:
        return f"{told['case']}: {told['problem']}"
    what = f"added as {told['added']}" if "added" in told else f"shows the same as {told['same_as']}"
    return f"{told['case']}: {what}"
