"""``daxfuzz corpus merge``."""

from __future__ import annotations

from pathlib import Path

import click

from daxfuzz.cli.corpus.places import files_of, is_input
from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.engines.corpus import merge as merging
from daxfuzz.engines.fuzz import workers as pool
from daxfuzz.program.case import KernelSpec
from daxfuzz.triage.user_choice import with_patches

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
    total = len(there) + len(paths)
    with pool(workers or 0) as executor:
        merged = merging.merge(
            executor, target, there, paths, kernel, patches, lambda done: click.echo(f"[{done}/{total}]", err=True)
        )
    if as_json:
        print_json(
            {
                "inputs": merged.inputs,
                "kept": len(merged.kept),
                "features": len(merged.before),
                "lost": len(merged.before - merged.after),
            }
        )
    else:
        click.echo(
            f"{plural(merged.inputs, 'input')} show {plural(len(merged.before), 'feature')}; "
            f"{len(merged.kept):,} of them show {len(merged.after):,}, and are in {target}"
        )
    return 0
