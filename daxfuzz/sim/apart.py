"""Objects that refer to each other in circles, and are of no use any more."""

from __future__ import annotations

from contextlib import suppress
from types import MemberDescriptorType

_known: dict[type, tuple[MemberDescriptorType, ...]] = {}


def take_apart(obj: object) -> None:
    """Delete all attributes of an object, which is of no use afterwards.

    The memory of what refers to itself in a circle is free only when the collector of cyclic garbage has been there.
    """
    if hasattr(obj, "__dict__"):
        vars(obj).clear()
    for slot in _slots(type(obj)):
        with suppress(AttributeError):
            slot.__delete__(obj)


def _slots(cls: type) -> tuple[MemberDescriptorType, ...]:
    """The slots of a class themselves, not what a freed object has in their place."""
    found = _known.get(cls)
    if found is None:
        members = (member for each in cls.__mro__ for member in vars(each).values())
        found = _known[cls] = tuple(each for each in members if isinstance(each, MemberDescriptorType))
    return found
