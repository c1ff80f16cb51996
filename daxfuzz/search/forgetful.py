"""Functions that forget, when they return, all that their accesses returned but what they return themselves."""

from __future__ import annotations

import functools
import gc
import inspect
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from daxfuzz.search.encoding import Stateful
from daxfuzz.sim import Shared, Task

if TYPE_CHECKING:
    from daxfuzz.sim import World

T = TypeVar("T")

CALL = "call"
"""Note of a task that begins a call; a return is noted as (name, result), or as None if nothing is forgotten."""

PLAIN = frozenset((int, bool, float, str, bytes, type(None), range))
CHANGEABLE = (list, dict, set, bytearray)


class Forgetful:
    """Makes subclasses whose ``async`` methods forget.

    What a caller can know of a call is what it returns and what it changes. Where no argument is something that the
    call could change without a step of the program (a list, say, or an object that was made during the execution), it
    is what it returns: two executions that differ only in what the call has seen on the way go on alike. So an
    exhaustive search need not tell them apart. The classes must hold no state of their own.
    """

    def __init__(self) -> None:
        self.world: World | None = None
        self._lasting: dict[int, object] = {}

    def classes(self, classes: Mapping[str, type[T]]) -> dict[str, type[T]]:
        """A subclass of each."""
        return {name: self._subclass(cls) for name, cls in classes.items()}

    def watch(self, world: World) -> None:
        """The world in which the methods will run, and everything else that there is: all that lasts."""
        self.world = world
        # Kept, so that no later object can have the identity of one of them.
        self._lasting = {id(obj): obj for obj in gc.get_objects() if not isinstance(obj, CHANGEABLE)}

    def _subclass(self, cls: type[T]) -> type[T]:
        body: dict[str, Any] = {"__module__": cls.__module__, "__slots__": ()}
        for name in dir(cls):
            method = inspect.getattr_static(cls, name)
            if inspect.iscoroutinefunction(method) and not name.startswith("__"):
                body[name] = self._wrapped(method)
        return type(cls.__name__, (cls,), body)

    def _wrapped(self, method: Callable[..., Any]) -> Callable[..., Any]:
        name = method.__name__

        @functools.wraps(method)
        async def forgets(this: Any, *arguments: Any, **named: Any) -> Any:
            world = self.world
            if world is None or not self._fixed((*arguments, *named.values())):
                return await method(this, *arguments, **named)
            notes = world.current.notes
            notes.append(CALL)
            result = await method(this, *arguments, **named)
            told = tuple(result) if type(result) is list else result
            notes.append((name, told) if self._fixed((told,)) else None)
            return result

        return forgets

    def _fixed(self, values: tuple[Any, ...]) -> bool:
        """Whether nobody can change what these values are, other than by a step."""
        for value in values:
            kind = type(value)
            if kind in PLAIN:
                continue
            if isinstance(value, tuple):
                if not self._fixed(tuple(value)):
                    return False
            elif isinstance(value, CHANGEABLE):
                return False
            elif isinstance(value, (Shared, Task, Enum)):
                continue
            elif isinstance(value, Stateful):
                # Made in the execution or before, it is the same to whoever compares states.
                if not self._fixed((value.state(),)):
                    return False
            elif id(value) not in self._lasting:
                if not (is_dataclass(value) and kind.__dataclass_params__.frozen):
                    return False
                if not self._fixed(tuple([getattr(value, each) for each in kind.__dataclass_fields__])):
                    return False
        return True
