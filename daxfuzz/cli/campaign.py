"""``daxfuzz campaign``: runs that go on for weeks."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from daxfuzz.campaign.baseline import baseline, new_findings
from daxfuzz.campaign.cluster import ClusterError, DaskCrew
from daxfuzz.campaign.conductor import CampaignError, Conductor, Limits
from daxfuzz.campaign.config import PROTOCOLS_BY_DEFAULT, Config
from daxfuzz.campaign.crew import Crew, LocalCrew
from daxfuzz.campaign.directory import Directory, prepared
from daxfuzz.campaign.disk import DiskFull
from daxfuzz.campaign.document import document
from daxfuzz.campaign.engines import ENGINES
from daxfuzz.campaign.findings import Known
from daxfuzz.campaign.junit import junit
from daxfuzz.campaign.lock import Busy
from daxfuzz.campaign.sarif import sarif
from daxfuzz.cli.campaign_display import campaign_look, final_report
from daxfuzz.cli.errors import INTERRUPTED, OneLineError
from daxfuzz.cli.fuzz_display import display
from daxfuzz.cli.options import Duration, json_option, patch_option, print_json
from daxfuzz.cli.signals import TERMINATED, Terminated, termination
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.program.whole_file import save_text
from daxfuzz.protocols.registry import BUGS, protocol
from daxfuzz.search import STRATEGIES

NEW = "new"
DEFAULT_BASE = "corpus"
OUTPUT = click.Path(path_type=Path, dir_okay=False)

EXAMPLES = """
\b
Examples:
  daxfuzz campaign weeks
  daxfuzz campaign weeks --protocol pin-wait --filesystem ext4 --time 8h
  daxfuzz campaign pr --time 10m --fail-on new --base corpus
  daxfuzz campaign weeks --cluster tcp://10.0.0.1:8786
  daxfuzz report weeks
"""


@click.command(epilog=EXAMPLES)
@click.argument("place", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    metavar="NAME",
    help=f"Kernel under test. Repeatable. [default: {', '.join(PROTOCOLS_BY_DEFAULT)}]",
)
@click.option(
    "--filesystem",
    "filesystems",
    multiple=True,
    type=click.Choice(list(FILESYSTEMS)),
    metavar="NAME",
    help="Repeatable. [default: all]",
)
@patch_option("Apply on top: a name, all patches of a file, or one of them. Repeatable.")
@click.option("--bug", "bugs", multiple=True, type=click.Choice(list(BUGS)), metavar="NAME", help="Hunt a bug.")
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(list(ENGINES)),
    help="Repeatable. [default: all]",
)
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    type=click.Choice(list(STRATEGIES)),
    metavar="NAME",
    help="As in list strategies. Repeatable. [default: all]",
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="[default: 0]")
@click.option("--time", "seconds", type=Duration(), metavar="TIME", help="Stop this start after 90, 60s, 5m, 2h, ...")
@click.option("--workers", type=click.IntRange(1, 4096), metavar="N", help="Processes. [default: one per core]")
@click.option("--cluster", metavar="tcp://HOST:PORT", help="Use the workers of this Dask scheduler.")
@click.option("--fail-on", type=click.Choice([NEW]), help="Exit with 1 only for findings that --base does not have.")
@click.option(
    "--base",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="Cases, or another campaign, whose findings are not new. [default: corpus]",
)
@click.option("--junit", "junit_file", type=OUTPUT, metavar="FILE", help="Write the outcome as JUnit XML.")
@click.option("--sarif", "sarif_file", type=OUTPUT, metavar="FILE", help="Write the findings as SARIF.")
@json_option
def campaign(
    place: Path,
    protocols: tuple[str, ...],
    filesystems: tuple[str, ...],
    patches: tuple[str, ...],
    bugs: tuple[str, ...],
    engines: tuple[str, ...],
    strategies: tuple[str, ...],
    seed: int | None,
    seconds: float | None,
    workers: int | None,
    cluster: str | None,
    fail_on: str | None,
    base: Path | None,
    junit_file: Path | None,
    sarif_file: Path | None,
    as_json: bool,
) -> int:
    """Fuzz until told to stop, with DIR as the state, and go on there the next time.

    The first start writes DIR/campaign.toml from the options that say what to fuzz; later ones go by that file.
    Whatever is reported is on disk: a kill or a full disk loses nothing of it.

    Exit code: 0 if there is no finding, 1 if there are, with --fail-on new if there are new ones; 1 also if the canary
    is dead; 130 after Ctrl-C.
    """
    given = {
        "protocols": tuple(protocol(name).name for name in protocols),
        "filesystems": filesystems,
        "patches": patches,
        "bugs": bugs,
        "engines": engines,
        "strategies": strategies,
        "seed": seed,
    }
    if cluster is not None and workers is not None:
        raise click.UsageError("--workers is for this machine: a cluster has the workers that were started there")
    if base is not None and fail_on is None:
        raise click.UsageError("--base says what is new for --fail-on new")
    if fail_on is not None:
        base = base or Path(DEFAULT_BASE)
    asked = {name: value for name, value in given.items() if value not in ((), None)}
    config = new_config(asked) if asked else None
    try:
        lock = prepared(place, config)
    except Busy as error:
        raise OneLineError(str(error)) from None
    try:
        directory = Directory(place)
        crew = crew_of(cluster, workers or 0)
        code = conduct(directory, crew, Limits(seconds, fail_on is not None))
        outcome = Outcome(directory, None if base is None else judged(directory, base), code)
        outcome.write(junit_file, sarif_file)
        outcome.show(as_json)
        return outcome.exit_code()
    finally:
        lock.release()


def new_config(asked: dict[str, Any]) -> Config:
    """What the options say. Raises as composing the kernels does."""
    config = replace(Config(), **asked)
    config.kernels()
    return config


def crew_of(cluster: str | None, workers: int) -> Crew:
    """Who works. cluster: the address of a Dask scheduler; None for processes of this machine."""
    if cluster is None:
        return LocalCrew(workers)
    try:
        return DaskCrew(cluster, lambda text: click.echo(text, err=True))
    except ClusterError as error:
        raise OneLineError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a campaign.

    new: the findings that a base does not have; None if all count. signal: the exit code if a signal has ended it.
    """

    directory: Directory
    new: list[Known] | None
    signal: int

    def counting(self) -> list[Known]:
        """The findings that count."""
        return list(self.directory.findings.known.values()) if self.new is None else self.new

    def exit_code(self) -> int:
        """Whether there are any, or nobody can tell."""
        return self.signal or (1 if self.counting() or not self.directory.totals.canary.alive else 0)

    def write(self, junit_file: Path | None, sarif_file: Path | None) -> None:
        """Write what CI systems read. Raises OSError."""
        failing = {each.signature for each in self.counting()}
        if junit_file is not None:
            save_text(junit_file, junit(self.directory, failing))
        if sarif_file is not None:
            save_text(sarif_file, json.dumps(sarif(self.directory, failing), indent=2) + "\n")

    def show(self, as_json: bool) -> None:
        """Print it."""
        if as_json:
            new = {} if self.new is None else {"new": [each.signature for each in self.new]}
            print_json(document(self.directory) | new)
        else:
            final_report(self.directory, self.new)


def conduct(directory: Directory, crew: Crew, limits: Limits) -> int:
    """Run until a limit or a signal ends it; the exit code if it was a signal."""
    try:
        with display(campaign_look()) as live, termination():
            conductor = Conductor(directory, crew, limits, live.update)
            try:
                conductor.run()
            except (KeyboardInterrupt, Terminated):
                # Sums of what is on disk already: figures for scrapers, counts of findings.
                if not conductor.state.disk_full:
                    conductor.save_sums()
                raise
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except (CampaignError, DiskFull) as error:
        raise OneLineError(str(error)) from None
    finally:
        crew.stop()
    return 0


def judged(directory: Directory, base: Path) -> list[Known]:
    """The findings that a base does not have."""
    found = directory.findings.known.values()
    known = baseline(base, {each.kind for each in found}) if found else None
    if known is None:
        return []
    for each in known.unreadable:
        click.echo(f"not looked at: {each}", err=True)
    return new_findings(found, known)
