"""The checking mode: an access to shared state that no Point declares raises."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.point import Access
from daxfuzz.sim.shared import Shared

if TYPE_CHECKING:
    from daxfuzz.sim.world import World


class UndeclaredAccess(RuntimeError):
    """Code touched shared state past the primitives, or a primitive touched an object it did not declare."""


def check_accesses(
    world: World, observers: tuple[str, ...] = ("daxfuzz.oracles", "daxfuzz.program.simulation")
) -> None:
    """Put all objects of a world into the checking mode, for good.

    observers: modules (and their submodules) that may look without declaring, because no task runs them.
    """
    world.checked = True
    for obj in world.objects:
        object.__setattr__(obj, "__class__", _checked(type(obj), observers))


def _checked(cls: type[Shared], observers: tuple[str, ...]) -> type[Shared]:
    made = _made.get((cls, observers))
    if made is not None:
        return made
    body: dict[str, Any] = {"__slots__": (), "__module__": cls.__module__}
    own = frozenset(_codes(cls))
    for attribute in cls.GUARDED:
        body[attribute] = _guarded(cls, attribute, own, observers)
    made = _made[cls, observers] = type(cls.__name__, (cls,), body)
    return made


_made: dict[tuple[type[Shared], tuple[str, ...]], type[Shared]] = {}


def _codes(cls: type) -> Iterator[types.CodeType]:
    """Code objects of all functions in a class and its bases, those nested in them included."""
    for base in cls.__mro__:
        for member in vars(base).values():
            code = getattr(member, "__code__", None)
            if isinstance(code, types.CodeType):
                stack = [code]
                while stack:
                    code = stack.pop()
                    yield code
                    stack += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]


def is_coroutine(frame: types.FrameType) -> bool:
    """Whether a frame is of an async function."""
    return bool(frame.f_code.co_flags & inspect.CO_COROUTINE)


def _guarded(cls: type[Shared], attribute: str, own: frozenset[types.CodeType], observers: tuple[str, ...]) -> property:
    slot: Any = getattr(cls, attribute)

    def observes(frame: types.FrameType) -> bool:
        module = frame.f_globals["__name__"]
        return any(module == name or module.startswith(name + ".") for name in observers)

    def check(obj: Shared, write: bool) -> None:
        frame = sys._getframe(2)
        if observes(frame):
            return
        # A plain function of the model that an observer calls looks for it, in no task's turn.
        caller = frame.f_back
        if caller is not None and observes(caller) and not is_coroutine(frame) and not is_coroutine(caller):
            return
        if frame.f_code not in own:
            raise UndeclaredAccess(f"{frame.f_code.co_name} touches {obj.name}.{attribute} without a primitive")
        if obj.PASSENGER or frame.f_code.co_name in ("state", "restore"):
            return
        point = obj.world.current.point
        if point is None or not point.declares(obj):
            if obj.ARRIVAL:
                return
            raise UndeclaredAccess(f"{frame.f_code.co_name} touches {obj.name}, but {point!r} is declared")
        if write and point.object is obj and point.access is Access.READ:
            raise UndeclaredAccess(f"{frame.f_code.co_name} writes {obj.name}, but {point!r} is declared")

    def fget(self: Shared) -> Any:
        check(self, write=False)
        return slot.__get__(self)

    def fset(self: Shared, value: Any) -> None:
        check(self, write=True)
        slot.__set__(self, value)

    return property(fget, fset)
