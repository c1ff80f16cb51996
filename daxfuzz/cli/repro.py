"""``daxfuzz repro``: replay a case and show how it happens."""

from __future__ import annotations

import json

import click
from rich.console import Console, RenderableType

from daxfuzz.cli.errors import CANNOT_REPLAY, OneLineError
from daxfuzz.cli.options import Duration, json_option, patch_option
from daxfuzz.cli.output import Progress, stdout_console
from daxfuzz.program.case import Case, KernelSpec
from daxfuzz.program.dax_file import load_case
from daxfuzz.program.whole_file import save_text
from daxfuzz.search import Bounds
from daxfuzz.triage.compare import compare
from daxfuzz.triage.formats import FORMATS
from daxfuzz.triage.formats.side_by_side import comparison_document, side_by_side
from daxfuzz.triage.proof import EXECUTIONS, NoProof, Proof
from daxfuzz.triage.proof import prove as proof_of
from daxfuzz.triage.render import TEXT_WIDTH
from daxfuzz.triage.replay import Replayed, replay_case
from daxfuzz.triage.reproduce import Failure
from daxfuzz.triage.story import Story
from daxfuzz.triage.user_choice import with_patches

SOMETHING_ELSE = 3

EXAMPLES = """
\b
Examples:
  daxfuzz repro findings/lost-wakeup.dax
  daxfuzz repro case.dax --patch my_patch.py
  daxfuzz repro case.dax --prove
  daxfuzz repro case.dax --against refcount-0
  daxfuzz repro case.dax --against-patch fix-wake-on-threshold
  daxfuzz repro case.dax --format json --output case.json
  git bisect run daxfuzz repro --bisect case.dax
"""

SUMMARIES = "; ".join(f"{name}: {each.summary}" for name, each in FORMATS.items())


@click.command(epilog=EXAMPLES)
@click.argument("case", metavar="CASE")
@patch_option("A file whose patches the case names, or something to apply on top. Repeatable.")
@click.option("--bisect", is_flag=True, help="Exit with 125, which git bisect skips, in place of 2, 3 and 70.")
@click.option(
    "--format", "name", type=click.Choice(list(FORMATS)), help=f"How to show it. {SUMMARIES}. Default: table."
)
@click.option("--output", "-o", metavar="FILE", help="Write to this file, and nothing to stdout.")
@click.option("--prove", is_flag=True, help="Reduce the cause to ordering constraints, and check that they suffice.")
@click.option(
    "--executions",
    type=click.IntRange(min=1),
    default=EXECUTIONS,
    show_default=True,
    metavar="N",
    help="Of each search of --prove.",
)
@click.option("--time", "seconds", type=Duration(), metavar="TIME", help="Of all searches: 90, 60s, 5m, 2h.")
@click.option("--against", metavar="PROTOCOL", help="Show the same order on this kernel, too, side by side.")
@click.option(
    "--against-patch",
    "other_patches",
    multiple=True,
    metavar="NAME|FILE.py[:Class]",
    help="The same on the case's kernel, or that of --against, with a patch on top. Repeatable.",
)
@json_option
def repro(
    case: str,
    patches: tuple[str, ...],
    bisect: bool,
    name: str | None,
    output: str | None,
    prove: bool,
    executions: int,
    seconds: float | None,
    against: str | None,
    other_patches: tuple[str, ...],
    as_json: bool,
) -> int:
    """Replay a case as Trio tasks and print the interleaving.

    By its steps; if they do not show the finding, by its order; without a schedule, by the default one and then by
    up to 1,000 random ones.

    With --prove the cause is the smallest set of ordering constraints between steps such that every interleaving that
    satisfies them shows the same. Where a bound cuts the search, random ones stand in.

    With --against or --against-patch the same program runs in the same order on two kernels, and the first step is
    marked at which they part. The order is that of the replay, or with --prove the constraints.

    Exit code: 0 it is clean, 1 it shows what it declares, 3 it shows something else, 125 it cannot be replayed.
    """
    if as_json and name not in (None, "json"):
        raise click.UsageError(f"--json means --format json, and --format {name} was asked for")
    compared = against is not None or bool(other_patches)
    if compared and name not in (None, "table", "json"):
        raise click.UsageError(f"--against has the formats table and json, not {name}")
    loaded = load_case(case)
    replayed = replay_case(loaded, with_patches(loaded.kernel, patches))
    proof = proved(loaded, replayed, Bounds(executions=executions, seconds=seconds)) if prove else None
    story = Story(case, loaded, replayed, proof)
    name = name or ("json" if as_json else "table")
    if compared:
        rendered = against_other(story, against, (*patches, *other_patches), name)
    else:
        rendered = FORMATS[name].render(story)
    if output is None:
        print_rendered(rendered)
    else:
        save_text(output, as_text(rendered))
    return exit_code(story)


def against_other(story: Story, against: str | None, patches: tuple[str, ...], name: str) -> RenderableType:
    """The case beside its program on another kernel."""
    spec = story.case.kernel
    if against is not None:
        spec = KernelSpec(against, (), (), spec.filesystem)
    comparison = compare(story, with_patches(spec, patches))
    if name == "json":
        return json.dumps(comparison_document(comparison), indent=2)
    return side_by_side(comparison)


def proved(case: Case, replayed: Replayed, bounds: Bounds) -> Proof:
    """The cause of what a case shows, with progress on stderr."""
    if replayed.found is None or replayed.kind != case.finding:
        raise OneLineError(f"--prove needs a case that shows its finding; this one shows {replayed.kind}")
    failure = Failure(case.program, replayed.bench.kernel, replayed.execution, replayed.found)
    try:
        return proof_of(failure, bounds, Progress())
    except NoProof as error:
        raise OneLineError(f"--prove: {error}") from None


def print_rendered(rendered: RenderableType) -> None:
    """On stdout: text as it is, anything else as wide as the terminal."""
    if isinstance(rendered, str):
        click.echo(rendered.removesuffix("\n"))
    else:
        stdout_console().print(rendered)


def as_text(rendered: RenderableType) -> str:
    """For a file: lines of plain text."""
    if isinstance(rendered, str):
        return rendered.removesuffix("\n") + "\n"
    console = Console(width=TEXT_WIDTH, no_color=True, legacy_windows=False, force_terminal=False)
    with console.capture() as capture:
        console.print(rendered)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def exit_code(story: Story) -> int:
    """What the outcome means."""
    replayed = story.replayed
    if replayed.found is not None and replayed.kind == story.case.finding:
        return 1
    if replayed.impossible:
        return CANNOT_REPLAY
    return 0 if replayed.found is None else SOMETHING_ELSE
