"""One program on one kernel with its oracles, and what an execution of it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.oracles.registry import attach
from daxfuzz.program.simulation import Simulation
from daxfuzz.protocols.registry import BUGS, ComposeError, build, protocol, unknown
from daxfuzz.protocols.user_patches import blamed, load_patches
from daxfuzz.search import RoundRobin
from daxfuzz.sim import Execution, Host, Scheduler, Stepper, TrioHost, Violation, take_apart

if TYPE_CHECKING:
    from daxfuzz.program.case import KernelSpec, Program
    from daxfuzz.protocols.compose import ComposedKernel
    from daxfuzz.protocols.patch import Bug, Repair

TURN_LIMIT = 10_000
"""Turns under the scheduler; a fair one gets twice as many again before an execution counts as endless."""


@dataclass(frozen=True, slots=True)
class KernelChoice:
    """A kernel under test by name.

    files: the user's own Python files, in which names of patches like my_patch.py:Class are looked up.
    """

    spec: KernelSpec
    files: tuple[str, ...] = ()

    def composed(self) -> ComposedKernel:
        """The kernel. Raises UnknownName, ComposeError, or PatchFileError."""
        extra = {name: patch for file in self.files for name, patch in load_patches(file).items()}
        if self.spec.filesystem not in FILESYSTEMS:
            raise unknown("filesystem", self.spec.filesystem, list(FILESYSTEMS))
        return build(self.spec.protocol, self.spec.patches, extra, self.spec.bugs)

    def plus(self, repairs: tuple[str, ...]) -> KernelChoice:
        """The same with repairs on top, those that it has already left out; a bug is repaired by leaving it out."""
        bugs = tuple(name for name in self.spec.bugs if name not in repairs)
        more = tuple(name for name in repairs if name not in BUGS and name not in self.applied())
        return replace(self, spec=replace(self.spec, patches=(*self.spec.patches, *more), bugs=bugs))

    def applied(self) -> tuple[str, ...]:
        """Names of all patches of the kernel."""
        return tuple(patch.slug() for patch in self.composed().patches)

    def repairs(self) -> dict[str, type[Repair | Bug]]:
        """The bugs that it has, and the repairs of known flaws that are not applied, by name.

        Without those that a user's patch rules out.
        """
        applied = self.applied()
        known: dict[str, type[Repair | Bug]] = {name: BUGS[name] for name in self.spec.bugs}
        for each in protocol(self.spec.protocol).repairs:
            if each.slug() not in applied:
                known[each.slug()] = each
        return {name: repair for name, repair in known.items() if self.fits(name)}

    def fits(self, name: str) -> bool:
        """Whether a repair can be applied on top: a user's patch may have overridden what it repairs."""
        try:
            self.plus((name,)).composed()
        except ComposeError:
            return False
        return True


class Bench:
    """Runs executions of a program on a kernel, on either host."""

    def __init__(self, program: Program, kernel: KernelChoice) -> None:
        self.program = program
        self.kernel = kernel
        self.sim = Simulation(program, kernel.composed().subsystems, kernel.spec.filesystem)
        attach(self.sim)
        self.stepper = Stepper(self.sim.world)
        self.fair = RoundRobin()

    def take_apart(self) -> None:
        """Free its memory at once; neither it nor an execution of it is of use afterwards."""
        self.sim.world.take_apart()
        for each in (self.sim.kernel, self.sim, self):
            take_apart(each)

    def run(self, scheduler: Scheduler, limit: int = TURN_LIMIT) -> Execution:
        """One execution on the stepper. Raises PatchFileError if a patch of the user's raises anything.

        limit: turns under the scheduler, before a fair one gets twice as many.
        """
        return self._on(self.stepper, scheduler, limit)

    def run_on_trio(self, scheduler: Scheduler) -> Execution:
        """One execution as Trio tasks. Raises as :meth:`run`."""
        return self._on(TrioHost(self.sim.world), scheduler, TURN_LIMIT)

    def _on(self, host: Host, scheduler: Scheduler, limit: int) -> Execution:
        try:
            return host.run(scheduler, limit, self.fair)
        except Exception as error:
            raise blamed(error, self.kernel.files) or error from None


def verdict(execution: Execution) -> Violation | None:
    """What an execution shows: the violation that ended it, else the first that did not, warnings before the rest."""
    if execution.violation is not None:
        return execution.violation
    warnings = [each for each in execution.deferred if each.kind.endswith("-warning")]
    return next(iter(warnings or execution.deferred), None)
