"""Which points of the model a run reaches: the statements that wait for a turn, by place in the source."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from daxfuzz.kernel.kernel import FILESYSTEM_OF, SUBSYSTEMS
from daxfuzz.kernel.xarray import XaState
from daxfuzz.protocols.compose import calls_super
from daxfuzz.search import Decorator
from daxfuzz.sim import Shared

if TYPE_CHECKING:
    from daxfuzz.kernel.subsystem import Subsystem
    from daxfuzz.protocols.compose import ComposedKernel
    from daxfuzz.sim import Scheduler, Task, World

Place = tuple[str, int]
"""(function, line of the await expression)"""

MODEL = ("/daxfuzz/kernel/", "/daxfuzz/protocols/")

_SIM_FUNCTIONS = ("wait_event", "wait_var_event", "wake_up_var", "wait", "copy")
"""Coroutines of daxfuzz.sim, and of programs on whose behalf the kernel copies, that are awaited like primitives."""


class PlaceRecorder(Decorator):
    """Notes the place in the model of each turn."""

    def __init__(self, inner: Scheduler) -> None:
        super().__init__(inner)
        self.places: dict[Place, None] = {}
        self._tasks: list[Task] = []

    def new_execution(self, world: World) -> None:
        self._tasks = world.tasks
        super().new_execution(world)

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        chosen = super().next_task(enabled, current)
        place = place_of(self._tasks[chosen])
        if place is not None:
            self.places[place] = None
        return chosen


def place_of(task: Task) -> Place | None:
    """Where in the model a parked task waits: the innermost frame that belongs to it."""
    inner: types.FrameType | None = None
    awaited: Any = task.coroutine
    while type(awaited) is types.CoroutineType:
        frame = awaited.cr_frame
        if frame is not None and _file_in_model(frame.f_code.co_filename):
            inner = frame
        awaited = awaited.cr_await
    return None if inner is None else (_function_of(inner.f_code.co_qualname), inner.f_lineno)


@cache
def _function_of(qualname: str) -> str:
    """The function of a class that a function inside it, or a comprehension, belongs to."""
    return qualname.partition(".<locals>")[0]


@cache
def _file_in_model(file: str) -> bool:
    return any(part in file for part in MODEL)


@cache
def _awaits_in(function: types.FunctionType) -> tuple[tuple[int, ast.Call], ...]:
    """The calls that one function, with the functions inside it, awaits, each with its line."""
    lines, first = inspect.getsourcelines(function)
    tree = ast.parse(textwrap.dedent("".join(lines)))
    return tuple(
        (node.lineno + first - 1, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call)
    )


def _places_in(function: types.FunctionType, cls: type) -> Iterator[Place]:
    """The points of one function of a class."""
    for line, call in _awaits_in(function):
        if _is_primitive(call, function, cls):
            yield function.__code__.co_qualname, line


def _is_primitive(call: ast.Call, function: types.FunctionType, cls: type) -> bool:
    target = call.func
    name = target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
    receiver = ast.unparse(target.value) if isinstance(target, ast.Attribute) else ""
    if receiver == "xas" and name in ("find", "find_conflict"):
        # Coroutines of their own; their points count where they are.
        return False
    if receiver in ("self", "super()") and _is_coroutine_of(cls, name, function if receiver != "self" else None):
        return False
    return name in primitives() or name in _SIM_FUNCTIONS or name in _handed_over()


def _is_coroutine_of(cls: type, name: str, after: types.FunctionType | None) -> bool:
    """Whether what a class has under a name, in the order of resolution behind a function, is a coroutine."""
    classes = list(cls.__mro__)
    if after is not None:
        owner = next(i for i, base in enumerate(classes) if vars(base).get(after.__name__) is after)
        classes = classes[owner + 1 :]
    found = next((vars(base)[name] for base in classes if name in vars(base)), None)
    return inspect.iscoroutinefunction(found)


@lru_cache(maxsize=1)
def _handed_over() -> frozenset[str]:
    """Names of plain functions of the model that hand over a primitive's coroutine: who awaits them waits there."""
    names = []
    for cls in (*SUBSYSTEMS.values(), *_stateful()):
        for base in cls.__mro__:
            for name, member in vars(base).items():
                if isinstance(member, types.FunctionType) and _in_model(member) and not _is_coroutine(member):
                    tree = ast.parse(textwrap.dedent(inspect.getsource(member)))
                    returns = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
                    if any(isinstance(value, ast.Call) and _names_primitive(value) for value in returns):
                        names.append(name)
    return frozenset(names)


def _is_coroutine(function: types.FunctionType) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function)


def _in_model(function: types.FunctionType) -> bool:
    return any(part in function.__code__.co_filename for part in MODEL)


def _names_primitive(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in primitives()


def _shared_classes() -> list[type[Shared]]:
    """Every class of shared objects, each once."""
    found: list[type[Shared]] = []
    classes: list[type[Shared]] = [Shared]
    while classes:
        cls = classes.pop()
        if cls not in found:
            found.append(cls)
            classes += cls.__subclasses__()
    return found


def _stateful() -> list[type[Shared]]:
    """Shared objects of the model, which have coroutines of their own."""
    return [cls for cls in _shared_classes() if cls.__module__.startswith("daxfuzz.kernel.")]


@lru_cache(maxsize=1)
def primitives() -> frozenset[str]:
    """Names of all primitives: the generator functions of shared objects."""
    return frozenset(
        name
        for cls in _shared_classes()
        for name, member in vars(cls).items()
        if isinstance(member, types.FunctionType) and inspect.isgeneratorfunction(member)
    )


def all_places(kernel: ComposedKernel, filesystem: str) -> frozenset[Place]:
    """Every point of the functions that a composed kernel can run with one file system."""
    places: list[Place] = []
    for cls in (*classes_of(kernel, filesystem), XaState, *_stateful()):
        for function in live_functions(cls):
            if inspect.iscoroutinefunction(function):
                places += _places_in(function, cls)
    return frozenset(places)


def classes_of(kernel: ComposedKernel, filesystem: str) -> Iterator[type[Subsystem]]:
    """The subsystems of a composed kernel that run with one file system."""
    for name, cls in kernel.subsystems.items():
        if FILESYSTEM_OF.get(name, filesystem) == filesystem:
            yield cls


def live_functions(cls: type) -> Iterator[types.FunctionType]:
    """Functions of a composed class that can be called: the first of each name, and on through ``super()``."""
    seen: set[str] = set()
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if isinstance(member, types.FunctionType) and name not in seen:
                yield member
                if not calls_super(member, name):
                    seen.add(name)
