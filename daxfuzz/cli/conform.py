"""``daxfuzz conform``: the model against real kernels."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from daxfuzz.cli.conform_case import run_case
from daxfuzz.cli.conform_fuzz import run_fuzz
from daxfuzz.cli.errors import OneLineError
from daxfuzz.cli.options import Duration, json_option, print_json
from daxfuzz.cli.output import plural
from daxfuzz.conform.goldens import Agreement, Key, check, compare, load_golden, load_reasons, save_golden
from daxfuzz.conform.kernels import cached, fetch
from daxfuzz.conform.missing import Missing
from daxfuzz.conform.profiles import PROFILES, Profile
from daxfuzz.conform.qemu import Died
from daxfuzz.conform.recording import changes, merged, observed, stable
from daxfuzz.conform.sequence import Sequence, load

DIFFERS = 1

EXAMPLES = """
\b
Examples:
  daxfuzz conform
  daxfuzz conform --fetch 6.1
  daxfuzz conform --kernel 6.1
  daxfuzz conform --kernel 6.1 --record
  daxfuzz conform --fuzz --kernel 6.1 --time 10m
  daxfuzz conform --kernel 6.1 --case findings/freed-while-pinned.dax
"""


@click.command(epilog=EXAMPLES)
@click.option("--fetch", "wanted", type=click.Choice(list(PROFILES)), help="Download a stock Debian kernel and end.")
@click.option("--kernel", "version", type=click.Choice(list(PROFILES)), help="Boot this kernel and run the sequences.")
@click.option("--record", "recording", is_flag=True, help="With --kernel: run all twice and renew the golden outcomes.")
@click.option(
    "--corpus",
    "directory",
    type=click.Path(path_type=Path),
    default=Path("corpus/conform"),
    show_default=True,
    metavar="DIR",
    help="Sequences, with golden outcomes below.",
)
@click.option("--only", "pattern", metavar="TEXT", default="", help="Only sequences with TEXT in their names.")
@click.option("--fuzz", "fuzzing", is_flag=True, help="With --kernel: run generated sequences instead.")
@click.option("--time", "seconds", type=Duration(), default=300.0, metavar="TIME", help="For --fuzz. [default: 5m]")
@click.option("--executions", type=click.IntRange(min=1), metavar="N", help="For --fuzz: stop after so many sequences.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For --fuzz.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("disagreements"),
    show_default=True,
    metavar="DIR",
    help="For --fuzz: where cases go on which model and kernel differ.",
)
@click.option(
    "--case", "case", metavar="CASE", help="With --kernel: try to bring a finding of the model to the kernel."
)
@click.option(
    "--attempts", type=click.IntRange(min=1), default=100, show_default=True, help="For --case with calls that race."
)
@json_option
def conform(
    wanted: str | None,
    version: str | None,
    recording: bool,
    directory: Path,
    pattern: str,
    fuzzing: bool,
    seconds: float,
    executions: int | None,
    seed: int,
    output: Path,
    case: str | None,
    attempts: int,
    as_json: bool,
) -> int:
    """Compare the model with real kernels on the same sequences of operations.

    Without --kernel nothing is booted: the model is compared with what kernels did when they were recorded.

    Exit code: 0 all agree, 1 something differs; 2 also if QEMU, a compiler or the kernel is missing. With --case: 0 not
    reproduced, 1 reproduced, 125 not expressible.
    """
    if version is None and (recording or fuzzing or case is not None):
        raise click.UsageError("--record, --fuzz and --case go with --kernel")
    try:
        if wanted is not None:
            return fetched(wanted, as_json)
        if fuzzing and version is not None:
            return run_fuzz(PROFILES[version], seconds, executions, seed, output, as_json)
        if case is not None and version is not None:
            return run_case(case, PROFILES[version], attempts, as_json)
        sequences = [each for each in load(directory) if pattern in each.name]
        if not sequences:
            raise OneLineError(f"no sequence in {directory} has {pattern} in its name")
        if version is None:
            return shown(check(directory, sequences), as_json)
        if recording:
            return recorded(PROFILES[version], sequences, directory, as_json)
        return booted(PROFILES[version], sequences, directory, as_json)
    except (Missing, Died) as error:
        raise OneLineError(str(error)) from None


def fetched(version: str, as_json: bool) -> int:
    """Get a kernel."""
    kernel = fetch(version)
    if as_json:
        print_json({"kernel": kernel.name, "package": kernel.package, "version": kernel.version})
    else:
        click.echo(f"{kernel.package} {kernel.version} is in {kernel.directory}")
    return 0


def booted(profile: Profile, sequences: list[Sequence], directory: Path, as_json: bool) -> int:
    """Run the sequences on a kernel; compare it with the model and with what was recorded."""
    golden = load_golden(directory, profile)
    new = observed(cached(profile.version), profile, sequences, Progress())
    agreement = compare(sequences, new.outcomes, profile, load_reasons(directory, profile))
    if golden is not None:
        agreement.unmatched += changes(golden, new)
    return shown(agreement, as_json)


def recorded(profile: Profile, sequences: list[Sequence], directory: Path, as_json: bool) -> int:
    """Run the sequences twice, and keep what they did if it was the same."""
    kernel = cached(profile.version)
    progress = Progress()
    first, second = (observed(kernel, profile, sequences, progress) for _ in range(2))
    same = stable(first, second)
    path = save_golden(directory, merged(load_golden(directory, profile), same))
    click.echo(f"wrote {path}", err=True)
    agreement = compare(sequences, first.outcomes, profile, load_reasons(directory, profile))
    agreement.unmatched += [f"not recorded: {line} the second time" for line in changes(second, first)]
    return shown(agreement, as_json)


class Progress:
    """A line on stderr now and then."""

    def __init__(self) -> None:
        self._done = 0

    def __call__(self, key: Key) -> None:
        self._done += 1
        if self._done % 50 == 0:
            click.echo(f"{plural(self._done, 'sequence')} run", err=True)


def shown(agreement: Agreement, as_json: bool) -> int:
    """Print what was compared; the exit code."""
    if as_json:
        document = {
            "agrees": agreement.agrees,
            "compared": len(agreement.comparisons),
            "differences": [asdict(each) for each in agreement.comparisons if each.lines or each.reason],
            "unmatched": agreement.unmatched,
        }
        print_json(document)
        return 0 if agreement.agrees else DIFFERS
    for each in agreement.comparisons:
        name = f"{each.kernel}: {each.sequence} on {each.filesystem}"
        if each.lines and not each.reason:
            click.echo("\n  ".join((name, *each.lines)))
        elif not each.agrees:
            click.echo(f"{name} agrees, but a reason is given why it does not: {each.reason}")
    for line in agreement.unmatched:
        click.echo(line)
    for kernel, count in Counter(each.kernel for each in agreement.comparisons).items():
        here = [each for each in agreement.comparisons if each.kernel == kernel]
        explained = sum(bool(each.lines and each.reason) for each in here)
        agreed = sum(not each.lines for each in here)
        click.echo(f"{kernel}: {agreed} of {plural(count, 'outcome')} agree, {explained} differ for a known reason")
    return 0 if agreement.agrees else DIFFERS
