"""``daxfuzz corpus merge``."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from daxfuzz.cli.corpus.places import files_of, is_input
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.engines.corpus.merge import Shown, shown, smallest, together
from daxfuzz.engines.fuzz import workers as pool
from daxfuzz.program.case import KernelSpec
from daxfuzz.triage.user_choice import with_patches

CHUNK = 50
"""Files that a worker gets at a time."""

EXAMPLES = """
\b
Example:
  daxfuzz corpus merge --protocol pin-wait-fixed small big
"""


@click.command(epilog=EXAMPLES)
@click.argument("target", metavar="INTO", type=click.Path(path_type=Path, file_okay=False))
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--protocol", default="pin-wait-fixed", show_default=True, help="Of inputs that are no .dax files.")
@click.option("--filesystem", default="ext4", show_default=True, help="The same.")
@patch_option("A file whose patches cases name. Repeatable.")
@click.option("--workers", type=click.IntRange(1, 4096), metavar="N", help="Processes. [default: one per core]")
@json_option
def merge(
    target: Path,
    places: tuple[Path, ...],
    protocol: str,
    filesystem: str,
    patches: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> int:
    """Copy into INTO, which may be empty or not there yet, the smallest inputs that together show every feature of
    concurrency coverage that all of them show. What is in INTO counts and stays. Cases run on their own kernels.
    """
    kernel = with_patches(KernelSpec(protocol, filesystem=filesystem), ())
    there = files_of([target], is_input) if target.is_dir() and any(map(is_input, target.iterdir())) else []
    paths = files_of(places, is_input)
    every = [*there, *paths]
    found: list[Shown] = []
    with pool(workers or 0) as executor:
        parts = [every[at : at + CHUNK] for at in range(0, len(every), CHUNK)]
        for future in [executor.submit(shown, part, kernel, patches) for part in parts]:
            found += future.result()
            click.echo(f"[{len(found)}/{len(every)}]", err=True)
    old = found[: len(there)]
    known = together(old)
    new = [Shown(each.path, each.size, each.features - known) for each in found[len(there) :]]
    kept = smallest(new)
    copied = copy([each.path for each in kept], target)
    before, after = together(found), known | together(kept)
    document = {"inputs": len(every), "kept": len(there) + len(copied), "features": len(before), "lost": 0}
    document["lost"] = len(before - after)
    if as_json:
        print_json(document)
    else:
        click.echo(
            f"{plural(len(every), 'input')} show {plural(len(before), 'feature')}; "
            f"{document['kept']:,} of them show {len(after):,}, and are in {target}"
        )
    return 0


def copy(paths: list[Path], target: Path) -> list[Path]:
    """Copy files into a directory. Raises OneLineError for two of one name that differ."""
    target.mkdir(parents=True, exist_ok=True)
    copied = []
    for path in paths:
        to = target / path.name
        if to.exists() and to.read_bytes() != path.read_bytes():
            raise OneLineError(f"{path}: {target} has another file of that name")
        temporary = target / f".{path.name}.tmp"
        shutil.copyfile(path, temporary)
        temporary.replace(to)
        copied.append(to)
    return copied
