"""What an oracle is, and how it listens."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from daxfuzz.sim import Observer, Violation

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Simulation


class Oracle(Observer):
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
        if type(self).memory is not Oracle.memory:
            self.world.memories[type(self).__name__] = self.memory
        self.attach()
        self.reset()

    def attach(self) -> None:
        """Subscribe to events."""

    def reset(self) -> None:
        """Forget what was seen."""

    def memory(self) -> Hashable:
        """What was seen, as far as it can still matter, as data: equal for executions that go on alike.

        An exhaustive search takes two states for one only if all oracles remember the same.
        """
        return ()

    @classmethod
    def summary(cls) -> str:
        """One line for listings."""
        return (cls.__doc__ or "").strip().split("\n")[0]

    def fail(self, kind: str, message: str, *, tasks: tuple[str, ...] = (), channel: str = "") -> None:
        """Report a violation as of the current step. Raises Violation."""
        raise Violation(kind, message, tasks=tasks or (self.world.current.name,), channel=channel)


def listen(
    obj: Any, hook: str, function: Callable[..., None], tells: Callable[[], Iterable[str]] | None = None
) -> None:
    """Call `function` from an observer slot that holds one callable, after whoever listens there already.

    tells: what of its oracle's memories it looks at, if that one tells (Observer.TELLS).
    """
    obj.world.hooks.append((obj, hook))
    if tells is not None:
        obj.world.tellers.append((function, tells))
    before = getattr(obj, hook)
    setattr(obj, hook, function if before is None else _both(before, function))


def listen_to_all(objects: Iterable[Any], hook: str, function: Callable[..., None]) -> None:
    """As :meth:`listen`, to objects of which most have the same listeners: a table has thousands of queues."""
    before = together = None
    for obj in objects:
        obj.world.hooks.append((obj, hook))
        listener = getattr(obj, hook)
        if together is None or listener is not before:
            before = listener
            together = function if before is None else _both(before, function)
        setattr(obj, hook, together)


def _both(before: Callable[..., None], function: Callable[..., None]) -> Callable[..., None]:
    # Flat, since each level of calls costs every event.
    functions = (*getattr(before, "functions", (before,)), function)

    def each(*arguments: Any) -> None:
        for function in functions:
            function(*arguments)

    setattr(each, "functions", functions)  # noqa: B010
    return each
