"""The recording mode: what observers and steps look at beyond what Points declare."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from daxfuzz.sim.shared import Shared
    from daxfuzz.sim.world import World


def record_looks(world: World) -> None:
    """Put all objects and all observers that said so (World.hooks) into the recording mode, for good.

    From then on an observer that is called sets ``world.observed``; ``world.looked`` gets each object at which it
    looks, as everybody does while ``world.looking`` is set; and each passenger, whoever looks at it.
    """
    if world.recording:
        return
    world.recording = True
    for obj in world.objects:
        object.__setattr__(obj, "__class__", _recorded(type(obj)))
    for obj, slot in dict.fromkeys(world.hooks):
        hooks = getattr(obj, slot)
        if isinstance(hooks, list):
            hooks[:] = [_noted(world, hook) for hook in hooks]
        elif hasattr(hooks, "wrap"):
            hooks.wrap(lambda hook: _noted(world, hook))
        else:
            setattr(obj, slot, _noted(world, hooks))


def _noted(world: World, function: Callable[..., None]) -> Callable[..., None]:
    """An observer that leaves a note."""

    def observer(*arguments: Any) -> None:
        world.observed = True
        before = world.looking
        world.looking = True
        try:
            function(*arguments)
        finally:
            world.looking = before

    return observer


_made: dict[type[Shared], type[Shared]] = {}


def _recorded(cls: type[Shared]) -> type[Shared]:
    made = _made.get(cls)
    if made is None:
        body: dict[str, Any] = {"__slots__": (), "__module__": cls.__module__}
        body["FREED"] = existence(False)
        for attribute in cls.GUARDED:
            body[attribute] = _recording(getattr(cls, attribute), cls.PASSENGER)
        made = _made[cls] = type(cls.__name__, (cls,), body)
    return made


def _recording(slot: Any, always: bool) -> property:
    get, put = slot.__get__, slot.__set__

    def fget(self: Shared) -> Any:
        world = self.world
        if always or world.looking:
            world.looked.add(self)
        return get(self)

    def fset(self: Shared, value: Any) -> None:
        world = self.world
        if always or world.looking:
            world.looked.add(self)
        put(self, value)

    return property(fget, fset)


def existence(freed: bool) -> property:
    """FREED of an object in the recording mode: whoever asks whether it is there looks at it."""

    def fget(self: Shared) -> bool:
        world = self.world
        if world.looking:
            world.looked.add(self)
        return freed

    return property(fget)
