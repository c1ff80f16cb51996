"""``daxfuzz fuzz``: the main job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
from click.core import ParameterSource

from daxfuzz.bench.audit.reasons import last_audit
from daxfuzz.cli.against_display import against_look, comparison_report
from daxfuzz.cli.errors import INTERRUPTED
from daxfuzz.cli.fuzz_display import display, final_report, fuzz_look
from daxfuzz.cli.options import Duration, json_option, patch_option, print_json
from daxfuzz.cli.signals import TERMINATED, Terminated, termination
from daxfuzz.engines.against import Comparer, Comparison, Group, fixed_form
from daxfuzz.engines.fuzz import Found, FuzzSettings, Status
from daxfuzz.engines.jobs import Left
from daxfuzz.engines.registry import Engine, make_fuzzer
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.errors import shown
from daxfuzz.protocols.registry import bug
from daxfuzz.search import STRATEGIES
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.user_choice import with_patches

DEFAULT_SECONDS = 60.0

FIXED = "-fixed"
"""Stands for --against without a value."""

EXAMPLES = """
\b
Examples:
  daxfuzz fuzz
  daxfuzz fuzz --protocol refcount-1 --time 5m --workers 4
  daxfuzz fuzz --protocol pin-wait --patch my_patch.py
  daxfuzz fuzz --bug gup-put-skips-fsdax-wake
  daxfuzz fuzz --patch my_patch.py --against pin-wait-fixed
  daxfuzz fuzz --engine atheris --time 10m
  daxfuzz fuzz --executions 100000 --seed 7 --json > run.json
"""


@click.command(epilog=EXAMPLES)
@click.option("--protocol", default="pin-wait", show_default=True, help="Kernel under test; see list protocols.")
@click.option("--bug", "bugs", multiple=True, metavar="NAME", help="Hunt a bug; see list bugs. Repeatable.")
@patch_option("Apply on top: a name, all patches of a file, or one of them. Repeatable.")
@click.option("--filesystem", default="ext4", show_default=True, help="See list filesystems.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True)
@click.option(
    "--time", "seconds", type=Duration(), metavar="TIME", help="Such as 90, 60s, 5m, 2h. [default: 60s, or no limit]"
)
@click.option("--executions", type=click.IntRange(1), metavar="N", help="Stop after N; the same findings every time.")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    metavar="NAME",
    type=click.Choice(list(STRATEGIES)),
    help="As in list strategies. Repeatable. [default: a mix]",
)
@click.option("--workers", type=click.IntRange(1, 4096), metavar="N", help="Processes. [default: one per core]")
@click.option(
    "--findings",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="findings",
    show_default=True,
    metavar="DIR",
    help="Where cases are written.",
)
@click.option(
    "--engine",
    type=click.Choice([str(each) for each in Engine]),
    default=str(Engine.PORTFOLIO),
    show_default=True,
    help="Who invents programs and schedules.",
)
@click.option(
    "--against",
    is_flag=False,
    flag_value=FIXED,
    metavar="[PROTOCOL]",
    help="Compare this protocol without and with the patches. Without a value: the -fixed form of --protocol.",
)
@json_option
@click.pass_context
def fuzz(
    ctx: click.Context,
    protocol: str,
    bugs: tuple[str, ...],
    patches: tuple[str, ...],
    filesystem: str,
    seed: int,
    seconds: float | None,
    executions: int | None,
    strategies: tuple[str, ...],
    workers: int | None,
    directory: Path,
    engine: str,
    against: str | None,
    as_json: bool,
) -> int:
    """Search for findings and write each as a minimized case.

    With --bug: the -fixed protocol that is nearest to the bug's release, with the bug, on the file system of its
    report, unless --protocol or --filesystem say otherwise.

    With --against: fuzz two kernels with the same programs, one without and one with the patches, and half of the
    limit for each. Findings are new (with the patches only), gone (without them only) or in both.

    With --engine atheris libFuzzer mutates programs and schedules; no run is like another. With --engine hypothesis
    what fails is also kept in DIR/examples, with which the next run begins.

    When the time is up, failures that are not minimized yet are written as they are; daxfuzz minimize goes on.

    Exit code: 0 if there is no finding, 1 if there are, with --against if there are new ones; 130 after Ctrl-C.
    """
    if engine != Engine.PORTFOLIO:
        only_portfolio(engine, strategies, against)
    spec = with_bugs(ctx, KernelSpec(protocol=protocol, filesystem=filesystem), bugs)
    if against is not None:
        spec = base_of(ctx, spec, against)
    kernel = with_patches(spec, patches)
    if against is not None and kernel.spec == spec:
        raise click.UsageError("--against compares a kernel without and with patches: give it a --patch")
    if seconds is None and executions is None:
        seconds = DEFAULT_SECONDS
    # Now rather than at the first finding of a long run.
    directory.mkdir(parents=True, exist_ok=True)
    settings = FuzzSettings(kernel, seed, seconds, executions, strategies, workers or 0, directory)
    if against is not None:
        return compare(settings, KernelChoice(spec), as_json)
    with display(fuzz_look(settings)) as live:
        status, interrupted = run(make_fuzzer(Engine(engine), settings, live.update))
    if as_json:
        print_json(document(status, seed) | {"mutants_killed": share_killed(protocol)})
    else:
        final_report(status, settings)
    return interrupted or (1 if status.found or status.left else 0)


def with_bugs(ctx: click.Context, spec: KernelSpec, names: tuple[str, ...]) -> KernelSpec:
    """The kernel with bugs: for what was not asked for, the first protocol and file system that all of them have."""
    bugs = [bug(name) for name in names]
    if not bugs:
        return spec
    if ctx.get_parameter_source("protocol") is not ParameterSource.COMMANDLINE:
        spec = replace(spec, protocol=in_all("protocol", [each.protocols for each in bugs]))
    if ctx.get_parameter_source("filesystem") is not ParameterSource.COMMANDLINE:
        spec = replace(spec, filesystem=in_all("filesystem", [each.filesystems for each in bugs]))
    return replace(spec, bugs=tuple(each.slug() for each in bugs))


def in_all(what: str, choices: Sequence[tuple[str, ...]]) -> str:
    """The first name that all bugs have."""
    common = [name for name in choices[0] if all(name in other for other in choices)]
    if not common:
        raise click.UsageError(f"the bugs have no {what} in common: give one as --{what}")
    return common[0]


def base_of(ctx: click.Context, spec: KernelSpec, against: str) -> KernelSpec:
    """The kernel without patches that --against names."""
    if against == FIXED:
        protocol, repairs = fixed_form(spec.protocol)
        return replace(spec, protocol=protocol, patches=repairs)
    given = ctx.get_parameter_source("protocol") is ParameterSource.COMMANDLINE
    if given and against != spec.protocol:
        raise click.UsageError(
            f"--against {shown(against)} fuzzes that protocol without and with the patches: leave --protocol out"
        )
    return replace(spec, protocol=against)


def compare(settings: FuzzSettings, without: KernelChoice, as_json: bool) -> int:
    """Fuzz two kernels and print how they differ."""
    with display(against_look(settings, without)) as live:
        status, interrupted = run(Comparer(settings, without, live.update))
    if as_json:
        print_json(comparison_document(status, settings, without))
    else:
        comparison_report(status, settings, without)
    return interrupted or (1 if status.of(Group.NEW) else 0)


S_co = TypeVar("S_co", covariant=True)


class Runner(Protocol[S_co]):
    """What a run is made of."""

    @property
    def status(self) -> S_co: ...

    def run(self) -> S_co: ...


def run(runner: Runner[S_co]) -> tuple[S_co, int]:
    """Run until a limit or a signal ends it: how far it came, and the exit code if it was a signal."""
    try:
        with termination():
            return runner.run(), 0
    except KeyboardInterrupt:
        return runner.status, INTERRUPTED
    except Terminated:
        return runner.status, TERMINATED


def only_portfolio(engine: str, strategies: tuple[str, ...], against: str | None) -> None:
    """Raises UsageError for options that other engines do not have."""
    for option, given in (("--strategy", strategies), ("--against", against)):
        if given:
            raise click.UsageError(f"{option} is for --engine {Engine.PORTFOLIO}, not for --engine {engine}")


def document(status: Status, seed: int) -> dict[str, Any]:
    """The run as JSON."""
    return {
        "findings": [entry(found) for found in status.found],
        "left": [left_entry(left) for left in status.left],
        "executions": status.executions,
        "steps": status.steps,
        "seconds": round(status.seconds, 3),
        "executions_per_second": round(status.executions_per_second, 1),
        "points_reached": len(status.places),
        "points_total": status.places_total,
        "seed": seed,
        "user_held": status.stuck,
        "bound_95": None if status.found or status.left or not status.executions else 3 / status.executions,
    }


def share_killed(protocol: str) -> float | None:
    """The share of mutants that the last audit of a protocol has killed; None if there was none."""
    figures = last_audit(protocol)
    return None if figures is None else figures.share


def comparison_document(status: Comparison, settings: FuzzSettings, without: KernelChoice) -> dict[str, Any]:
    """The comparison of two kernels as JSON."""
    patched = status.patched
    none = not status.of(Group.NEW) and patched.executions
    return {
        **{str(group): [entry(found) for found in status.of(group)] for group in Group},
        "left": [left_entry(left) for left in status.left],
        "against": {"protocol": without.spec.protocol, "patches": list(without.spec.patches)},
        "patches": list(settings.kernel.spec.patches[len(without.spec.patches) :]),
        "executions": status.executions,
        "executions_without": status.without.executions,
        "executions_patched": patched.executions,
        "steps": status.steps,
        "seconds": round(status.seconds, 3),
        "executions_per_second": round(status.executions_per_second, 1),
        "points_reached": len(patched.places),
        "points_total": patched.places_total,
        "seed": settings.seed,
        "bound_95": 3 / patched.executions if none else None,
    }


def left_entry(left: Left) -> dict[str, Any]:
    """A failure that was not minimized as JSON."""
    symptom = left.raw.symptom
    return {
        "kind": symptom.kind,
        "function": symptom.function,
        "channel": symptom.channel,
        "case": None if left.path is None else str(left.path),
        "executions_to_find": left.raw.index + 1,
    }


def entry(found: Found) -> dict[str, Any]:
    """One finding as JSON."""
    finding = found.finding
    return {
        "kind": finding.kind,
        "signature": finding.signature,
        "explained_by": list(finding.explained_by),
        "case": None if found.path is None else str(found.path),
        "executions_to_find": found.executions_to_find,
        "tasks": finding.tasks,
        "operations": finding.operations,
        "preemptions": finding.preemptions,
        "choices": finding.choices,
        "steps": finding.steps,
    }
