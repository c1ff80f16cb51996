"""What an oracle is, and how it listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Simulation


class Oracle:
    """One property of executions. Attached to a simulation once, reset before each execution.

    kinds: the kinds of finding it reports.
    default: whether it is on unless somebody turns it off.
    """

    kinds: ClassVar[tuple[str, ...]] = ()
    default: ClassVar[bool] = True

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.world = sim.world
        self.kernel = sim.kernel
        if type(self).reset is not Oracle.reset:
            self.world.on_reset.append(self.reset)
        self.attach()
        self.reset()

    def attach(self) -> None:
        """Subscribe to events."""

    def reset(self) -> None:
        """Forget what was seen."""

    @classmethod
    def summary(cls) -> str:
        """One line for listings."""
        return (cls.__doc__ or "").strip().split("\n")[0]

    def fail(self, kind: str, message: str, *, tasks: tuple[str, ...] = (), channel: str = "") -> None:
        """Report a violation as of the current step. Raises Violation."""
        raise Violation(kind, message, tasks=tasks or (self.world.current.name,), channel=channel)


def listen(obj: Any, hook: str, function: Callable[..., None]) -> None:
    """Call `function` from an observer slot that holds one callable, after whoever listens there already."""
    before = getattr(obj, hook)
    if before is None:
        setattr(obj, hook, function)
        return
    # Flat, since each level of calls costs every event.
    functions = (*getattr(before, "functions", (before,)), function)

    def each(*arguments: Any) -> None:
        for function in functions:
            function(*arguments)

    setattr(each, "functions", functions)  # noqa: B010
    setattr(obj, hook, each)
