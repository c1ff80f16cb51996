"""A program, a schedule and a kernel that an engine proposes, and what comes of running them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from hypothesis import currently_in_test_context

from daxfuzz.engines.hypothesis.observed import Observed, Sleepers
from daxfuzz.kernel.machine import Machine
from daxfuzz.program.calls import check_calls, parse_call
from daxfuzz.program.case import KernelSpec, Program, Setup
from daxfuzz.program.dax_file import default_mms
from daxfuzz.search import SparseReplay
from daxfuzz.sim import Execution, SparseSchedule
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.finding import confirm
from daxfuzz.triage.render import text_table
from daxfuzz.triage.reproduce import Failure
from daxfuzz.triage.user_choice import with_patches


class Found(AssertionError):
    """A program has failed, on both hosts. The first line names the kind and the function; the table follows."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        found = failure.violation
        where = f" in {found.function}" if found.function else ""
        steps = text_table(Bench(failure.program, failure.kernel), failure.execution)
        super().__init__(f"{found.kind}{where}: {found.message}\n\n{steps}")


@dataclass(frozen=True, slots=True, repr=False)
class Trial:
    """What can be run: who does what, who runs when, and on which kernel. It prints as the call that makes it.

    schedule: run the current task on until it blocks or ends, then the first that can go on; except for switches.
    """

    kernel: KernelChoice
    program: Program
    schedule: SparseSchedule = field(default_factory=SparseSchedule)

    def run(self) -> Failure | None:
        """The failure, after it has shown as Trio tasks, too; None if there is none.

        In a test of hypothesis its statistics say how executions end and how many tasks were asleep, and it tries to
        make these, and the references to a page, more.

        Raises NotReproduced if the two hosts differ, and PatchFileError if a patch of the user's raises anything.
        """
        bench = Bench(self.program, self.kernel)
        if currently_in_test_context():
            execution = self._observed(bench)
        else:
            execution = bench.run(SparseReplay(self.schedule))
        found = verdict(execution)
        if found is None:
            return None
        failure = Failure(self.program, self.kernel, execution, found)
        confirm(failure)
        return failure

    def _observed(self, bench: Bench) -> Execution:
        """In a test of hypothesis: an execution that it is told about."""
        observed, sleepers = Observed(bench), Sleepers(SparseReplay(self.schedule))
        execution = bench.run(sleepers)
        observed.note(execution, sleepers.most)
        observed.report()
        return execution

    def check(self) -> None:
        """Raises Found if it fails, and as :meth:`run`."""
        failure = self.run()
        if failure is not None:
            raise Found(failure)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """How hypothesis prints it, which would show its fields."""
        printer.text(repr(self))

    def __repr__(self) -> str:
        return f"case({', '.join(self._arguments())})"

    def _arguments(self) -> list[str]:
        spec, setup = self.kernel.spec, self.program.setup
        plain = Setup(mms=default_mms(self.program.tasks))
        shown = {name: [str(call) for call in calls] for name, calls in self.program.tasks.items()}
        patches = [f"{self._file_of(name)}{name}" for name in spec.patches]
        values: dict[str, tuple[Any, Any]] = {
            "switches": (list(self.schedule.switches), []),
            "patches": (patches, []),
            "bugs": (list(spec.bugs), []),
            "filesystem": (spec.filesystem, KernelSpec().filesystem),
            **{
                each.name: (plainly(getattr(setup, each.name)), plainly(getattr(plain, each.name)))
                for each in fields(Setup)
            },
            **{
                each.name: (plainly(getattr(self.program.machine, each.name)), plainly(getattr(Machine(), each.name)))
                for each in fields(Machine)
            },
        }
        different = [f"{name}={value!r}" for name, (value, default) in values.items() if value != default]
        return [repr(spec.protocol), repr(shown), *different]

    def _file_of(self, patch: str) -> str:
        """What stands before the last part of a user's file in the path that the user gave."""
        last = patch.partition(":")[0]
        return next((file.removesuffix(last) for file in self.kernel.files if file.endswith(last)), "")


def plainly(value: Any) -> Any:
    """A setting as a plain value."""
    if isinstance(value, str):
        return str(value)
    return dict(value) if isinstance(value, Mapping) else value


def case(
    protocol: str,
    tasks: Mapping[str, Sequence[str]],
    *,
    switches: Sequence[tuple[int, int]] = (),
    patches: Sequence[str] = (),
    bugs: Sequence[str] = (),
    filesystem: str = "ext4",
    **settings: Any,
) -> Trial:
    """A trial, written down: what a strategy prints, or your own.

    tasks: calls by the name of the task, as in a .dax file.
    switches: (turn, index of the task) pairs, turns ascending from 0.
    patches: names, files of your own, or one patch of a file, as my_patch.py:Class.
    settings: fields of Setup and of Machine, as in a .dax file.

    Raises ValueError for calls that make no sense, TypeError for unknown settings, and as composing the kernel does.
    """
    of_setup = {each.name: settings.pop(each.name) for each in fields(Setup) if each.name in settings}
    calls = {name: tuple(parse_call(text) for text in texts) for name, texts in tasks.items()}
    setup = replace(Setup(mms=default_mms(calls)), **of_setup)
    program = Program(calls, setup, Machine(**settings))
    check_calls(program)
    choice = with_patches(KernelSpec(protocol, bugs=tuple(bugs), filesystem=filesystem), patches)
    return Trial(choice, program, SparseSchedule(tuple(switches)))
