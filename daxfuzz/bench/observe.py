"""What is observed of one execution, as text that compares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from daxfuzz.oracles.kernel_warning import KernelWarning
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.program.simulation import Simulation
from daxfuzz.sim import Execution
from daxfuzz.triage.bench import verdict

CLEAN = "none"


@dataclass(frozen=True, slots=True)
class Observation:
    """A way to look at an execution.

    summary: what is compared, for a reader.
    look: from a simulation right after the execution.
    oracles: those that watch; None for all that are on by default. With fewer, fewer end the execution early.
    """

    summary: str
    look: Callable[[Simulation, Execution], str]
    oracles: tuple[type[Oracle], ...] | None = None


def verdicts(sim: Simulation, execution: Execution) -> str:
    """The kind of the finding, or none."""
    found = verdict(execution)
    return CLEAN if found is None else found.kind


def outcomes(sim: Simulation, execution: Execution) -> str:
    """The verdict, and what the calls of each task returned; a task that is blocked for good ends in asleep."""
    parts = [verdicts(sim, execution)]
    for task, results in zip(sim.program.tasks, sim.results, strict=True):
        ended = ["asleep"] if sim.task(task).index in execution.stuck else []
        parts.append(f"{task} {' '.join(map(str, (*results, *ended)))}")
    return "; ".join(parts)


def wakes(sim: Simulation, execution: Execution) -> str:
    """How many times somebody looked for sleepers in the table of variables, which each wake_up_var does first."""
    return str(count(execution, "var_waitqueue", "active"))


def entry_waits(sim: Simulation, execution: Execution) -> str:
    """How many times a task queued itself for a locked entry."""
    return str(count(execution, "dax_waitqueue", "prepare_to_wait"))


def mapping_stores(sim: Simulation, execution: Execution) -> str:
    """How many times the mapping of each page was stored, pages in order."""
    return " ".join(str(count(execution, page.mapping.name, "write")) for page in sim.kernel.pages)


def indices(sim: Simulation, execution: Execution) -> str:
    """The file index that each associated page has at the end, pages in order."""
    return " ".join("-" if page.mapping.value is None else str(page.index.value) for page in sim.kernel.pages)


def warnings(sim: Simulation, execution: Execution) -> str:
    """The texts of the kernel's warnings, in order."""
    violations = [execution.violation] if execution.violation is not None else []
    return "; ".join(each.message for each in (*execution.deferred, *violations)) or CLEAN


def count(execution: Execution, name: str, verb: str) -> int:
    """Steps with a verb on objects whose name begins like this."""
    return sum(step.point.verb == verb and step.point.object.name.startswith(name) for step in execution.steps())


OBSERVATIONS = {
    "verdicts": Observation("kinds of findings", verdicts),
    "outcomes": Observation("findings and results of calls", outcomes),
    "results": Observation("results of calls, and warnings of the kernel", outcomes, (KernelWarning,)),
    "wakes": Observation("number of wake-ups of waiters for a page", wakes),
    "entry-waits": Observation("number of waits for a locked entry", entry_waits),
    "mapping-stores": Observation("stores to the mapping of each page", mapping_stores),
    "indices": Observation("file index of each page at the end", indices),
    "warnings": Observation("warnings of the kernel, with no other oracle", warnings, (KernelWarning,)),
}
"""By the name that a run uses."""
