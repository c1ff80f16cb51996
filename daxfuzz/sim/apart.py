"""Objects that refer to each other in circles, and are of no use any more."""

from __future__ import annotations

from collections.abc import Callable
from types import MemberDescriptorType

_Setter = Callable[[object, None], None]

_known: dict[type, tuple[_Setter, ...]] = {}


def take_apart(obj: object) -> None:
    """Drop what all attributes of an object refer to; it is of no use afterwards.

    The memory of what refers to itself in a circle is free only when the collector of cyclic garbage has been there.
    """
    if hasattr(obj, "__dict__"):
        vars(obj).clear()
    for setter in _setters(type(obj)):
        # To delete one that is not there would raise, and to see to that takes longer than all the rest.
        setter(obj, None)


def _setters(cls: type) -> tuple[_Setter, ...]:
    """What sets the slots of a class themselves, not what a freed object has in their place."""
    found = _known.get(cls)
    if found is None:
        members = (member for each in cls.__mro__ for member in vars(each).values())
        found = _known[cls] = tuple(each.__set__ for each in members if isinstance(each, MemberDescriptorType))
    return found
