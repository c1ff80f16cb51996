"""``daxfuzz corpus convert``."""

from __future__ import annotations

from pathlib import Path

import click

from daxfuzz.cli.corpus.places import files_of, is_input
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import json_option, patch_option, print_json
from daxfuzz.engines.corpus.convert import bytes_of, case_of, schedule_of
from daxfuzz.engines.trial import Trial
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import dumps_case, load_case, save_case
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.user_choice import with_patches

EXAMPLES = """
\b
Examples:
  daxfuzz corpus convert corpus/seeds -o seeds
  daxfuzz corpus convert --protocol pin-wait-fixed crash-0123 -o cases
  daxfuzz corpus convert --to python my.dax
"""


@click.command(epilog=EXAMPLES)
@click.argument("places", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Where to.")
@click.option(
    "--to",
    type=click.Choice(["other", "python"]),
    default="other",
    show_default=True,
    help="The other form, or what to write below @example in a test.",
)
@click.option("--protocol", default="pin-wait-fixed", show_default=True, help="Of inputs that are no .dax files.")
@click.option("--filesystem", default="ext4", show_default=True, help="The same.")
@patch_option("On top, for inputs; for cases, a file whose patches they name. Repeatable.")
@json_option
def convert(
    places: tuple[Path, ...],
    output: Path | None,
    to: str,
    protocol: str,
    filesystem: str,
    patches: tuple[str, ...],
    as_json: bool,
) -> int:
    """Make inputs for fuzzers of .dax cases, and .dax cases of any other files, in DIR. With --to python: print cases
    as calls for @example.

    An input has neither the kernel nor the finding of a case; a case of an input declares what it shows.
    """
    paths = files_of(places, is_input)
    if to == "python":
        texts = [in_python(path, patches) for path in paths]
        if as_json:
            print_json({"python": texts})
        else:
            click.echo("\n".join(texts))
        return 0
    if output is None:
        raise click.UsageError("say where to write with -o")
    output.mkdir(parents=True, exist_ok=True)
    kernel = with_patches(KernelSpec(protocol, filesystem=filesystem), patches)
    written = []
    for path in paths:
        target = to_bytes(path, output, patches) if path.suffix == ".dax" else to_case(path, output, kernel)
        written.append(str(target))
        if not as_json:
            click.echo(str(target))
    if as_json:
        print_json({"written": written})
    return 0


def to_bytes(path: Path, output: Path, patches: tuple[str, ...]) -> Path:
    """Write the input of a case. Raises OneLineError for one that has none."""
    case = load_case(path)
    try:
        data = bytes_of(case, with_patches(case.kernel, patches))
    except ValueError as error:
        raise OneLineError(f"{path}: {error}") from None
    target = output / path.stem
    temporary = target.with_name(f".{target.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(target)
    return target


def to_case(path: Path, output: Path, kernel: KernelChoice) -> Path:
    """Write the case of an input."""
    target = output / f"{path.name}.dax"
    save_case(target, dumps_case(case_of(path.read_bytes(), kernel)))
    return target


def in_python(path: Path, patches: tuple[str, ...]) -> str:
    """A case as an expression."""
    if path.suffix != ".dax":
        raise OneLineError(f"{path}: is no .dax file")
    case = load_case(path)
    kernel = with_patches(case.kernel, patches)
    return repr(Trial(kernel, case.program, schedule_of(case, kernel)))
