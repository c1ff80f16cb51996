"""Freed objects: every later access is a ``use-after-free``."""

from __future__ import annotations

import sys
from typing import Any

from daxfuzz.sim.recording import existence
from daxfuzz.sim.shared import Shared
from daxfuzz.sim.violation import Violation

_made: dict[type[Shared], type[Shared]] = {}


def freed_class(cls: type[Shared]) -> type[Shared]:
    """The class that an object of `cls` changes to when it is freed; it costs the live ones nothing."""
    made = _made.get(cls)
    if made is None:
        recorded = isinstance(cls.FREED, property)
        body: dict[str, Any] = {"__slots__": (), "__module__": cls.__module__}
        body["FREED"] = existence(True) if recorded else True
        for attribute in cls.GUARDED:
            body[attribute] = _poisoned(getattr(cls, attribute))
        made = _made[cls] = type(cls.__name__, (cls,), body)
    return made


def _poisoned(slot: Any) -> property:
    def check(obj: Shared) -> None:
        if sys._getframe(2).f_code.co_name not in ("state", "restore"):
            name = obj.world.current.name
            raise Violation("use-after-free", f"{name} touches {obj.name} after it was freed", tasks=(name,))

    def fget(self: Shared) -> Any:
        check(self)
        return slot.__get__(self)

    def fset(self: Shared, value: Any) -> None:
        check(self)
        slot.__set__(self, value)

    return property(fget, fset)
