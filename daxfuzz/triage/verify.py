"""Exhaustive search of a program on a kernel, and what it shows, reproduced as Trio tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from daxfuzz.oracles.livelock import Livelock
from daxfuzz.oracles.registry import attach
from daxfuzz.program.case import Program
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.user_patches import blamed
from daxfuzz.search import Bounds, Reduction, Replay, Verdict, make_search
from daxfuzz.search.forgetful import Forgetful
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.finding import Finding, describe, finding_of
from daxfuzz.triage.minimize import simplest, without_switches
from daxfuzz.triage.reproduce import Failure


@dataclass(slots=True)
class Verified:
    """What an exhaustive search has shown.

    verdict: of the search.
    findings: minimized in their schedules, one for each signature.
    """

    verdict: Verdict
    findings: list[Finding] = field(default_factory=list)


def verify(
    program: Program,
    kernel: KernelChoice,
    bounds: Bounds,
    reduction: Reduction,
    *,
    keep_going: bool = False,
    on_progress: Callable[[Verdict], None] | None = None,
) -> Verified:
    """Search all interleavings of a program, up to the first finding unless `keep_going`.

    A finding counts once it has reproduced as Trio tasks. Where tasks can go around for ever (Verdict.spins), it is
    one if a fair scheduler does not get them out of there.

    Raises whatever composing the kernel raises, PatchFileError if a patch of the user's raises anything, and
    NotReproduced.
    """
    verified = Verified(search_for(program, kernel, bounds, reduction, not keep_going, on_progress))
    bench = Bench(program, kernel)
    ways = [(found.violation.kind, found.turns) for found in verified.verdict.findings]
    ways += [("", turns) for turns in verified.verdict.spins]
    for kind, turns in ways:
        execution = bench.run(Replay(turns))
        found = verdict(execution)
        if found is None or (not kind and found.kind not in Livelock.kinds):
            if kind:
                raise NotShown(f"{kind}: an execution to its end does not show it")
            continue
        finding = described(Failure(program, kernel, execution, found))
        if finding.signature not in [each.signature for each in verified.findings]:
            verified.findings.append(finding)
    return verified


def search_for(
    program: Program,
    kernel: KernelChoice,
    bounds: Bounds,
    reduction: Reduction,
    stop: bool | str,
    on_progress: Callable[[Verdict], None] | None = None,
) -> Verdict:
    """Search all interleavings of a program; what is found has not reproduced yet. stop: as for Exhaustive.

    Raises whatever composing the kernel raises, and PatchFileError if a patch of the user's raises anything.
    """
    world = forgetful(program, kernel).world
    search = make_search(world, bounds, reduction, stop=stop, on_progress=on_progress)
    try:
        return search.search()
    except Exception as error:
        raise blamed(error, kernel.files) or error from None


def forgetful(program: Program, kernel: KernelChoice) -> Simulation:
    """A program on a kernel whose functions forget, with all oracles, for an exhaustive search alone."""
    forgets = Forgetful()
    sim = Simulation(program, forgets.classes(kernel.composed().subsystems), kernel.spec.filesystem)
    attach(sim)
    forgets.watch(sim.world)
    return sim


class NotShown(RuntimeError):
    """What the search has found does not show when its schedule is run: a fault of daxfuzz, not of the kernel."""


def described(failure: Failure) -> Finding:
    """A failure with a simple schedule and what explains it. Raises NotReproduced."""
    return describe(simplest(failure)) or finding_of(without_switches(failure), failure)
