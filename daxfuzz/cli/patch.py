"""``daxfuzz patch``: begin a patch of one's own, and see where it fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, print_json
from daxfuzz.cli.output import plural, stdout_console
from daxfuzz.protocols.conflicts import Fit, every_protocol, fits
from daxfuzz.protocols.skeleton import find_function, skeleton
from daxfuzz.protocols.user_patches import load_patches

NEW_EXAMPLES = """
\b
Examples:
  daxfuzz patch new gup.try_grab_folio
  daxfuzz patch new ext4.ext4_break_layouts -o my_patch.py
"""


@click.group("patch", epilog="Example: daxfuzz patch new gup.try_grab_folio -o my_patch.py")
def patch_group() -> None:
    """A patch of your own: begin one, and see where it fits."""


@patch_group.command(epilog=NEW_EXAMPLES)
@click.argument("function", metavar="SUBSYSTEM.FUNCTION")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.py",
    help="Write here. [default: stdout]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.py if it exists.")
def new(function: str, output: Path | None, force: bool) -> int:
    """Write a patch that overrides a function of the model and changes nothing yet.

    It quotes the function, has its types, and calls super(), so that it composes as it is. The functions are those
    of "daxfuzz list functions".
    """
    text = skeleton(find_function(function))
    if output is None:
        click.echo(text, nl=False)
        return 0
    if output.suffix != ".py":
        raise OneLineError(f"{output}: a file of patches ends in .py")
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OneLineError(f"{output}: exists; --force overwrites it") from None
    return 0


@patch_group.command(epilog="Example: daxfuzz patch check my_patch.py")
@click.argument("file", metavar="FILE.py")
@json_option
def check(file: str, as_json: bool) -> int:
    """Compose each patch of a file on every protocol, and say where it does not fit, and why.

    A patch that builds on others of the file is tried on top of them; several are also tried together.

    Exit code: 0 all fit everywhere, 1 there are conflicts.
    """
    results = list(fits(load_patches(file), Path(file).name))
    conflicts = [fit for fit in results if not fit.ok]
    if as_json:
        print_json(document(file, results))
    else:
        show(results)
        click.echo(f"{plural(len(conflicts), 'conflict')} in {plural(len(results), 'combination')}")
    return 1 if conflicts else 0


def document(file: str, results: Sequence[Fit]) -> dict[str, Any]:
    """The results as JSON."""
    return {
        "file": file,
        "ok": all(fit.ok for fit in results),
        "results": [
            {"protocol": fit.protocol, "patch": fit.patch, "ok": fit.ok, "reason": fit.conflict or None}
            for fit in results
        ],
    }


def show(results: Sequence[Fit]) -> None:
    """A table, a column for each patch, and the reason of each conflict with the protocols it is about."""
    columns = list(dict.fromkeys(fit.patch for fit in results))
    verdicts = {(fit.protocol, fit.patch): fit for fit in results}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("protocol", no_wrap=True)
    for name in columns:
        table.add_column(name, overflow="fold")
    for base in every_protocol():
        table.add_row(base, *("ok" if verdicts[base, name].ok else "conflict" for name in columns))
    stdout_console().print(table)
    click.echo()
    reasons: dict[tuple[str, str], list[str]] = {}
    for fit in results:
        if not fit.ok:
            reasons.setdefault((fit.patch, fit.conflict), []).append(fit.protocol)
    for (name, reason), bases in reasons.items():
        click.echo(f"{name} on {', '.join(bases)}:\n  {reason}\n")
