"""The recording mode: what observers and steps look at beyond what Points declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from daxfuzz.sim.observer import Observer

if TYPE_CHECKING:
    from daxfuzz.sim.shared import Shared
    from daxfuzz.sim.world import World


def record_looks(world: World) -> None:
    """Put all objects and all observers that said so (World.hooks) into the recording mode, for good.

    From then on an observer that is called sets ``world.observed``; ``world.looked`` gets each object at which it
    looks, as everybody does while ``world.looking`` is set; the names of the memories at which it may look; and each
    passenger, whoever looks at it.
    """
    if world.recording:
        return
    world.recording = True
    for obj in world.objects:
        object.__setattr__(obj, "__class__", _recorded(type(obj)))
    for obj, slot in dict.fromkeys(world.hooks):
        hooks = getattr(obj, slot)
        if isinstance(hooks, list):
            hooks[:] = [_noted(world, (hook,)) for hook in hooks]
        elif hasattr(hooks, "wrap"):
            hooks.wrap(lambda hook: _noted(world, (hook,)))
        else:
            setattr(obj, slot, _noted(world, getattr(hooks, "functions", (hooks,))))


def _noted(world: World, functions: tuple[Callable[..., None], ...]) -> Callable[..., None]:
    """Observers that leave a note."""
    told = {id(function): names for function, names in world.tellers}
    names = frozenset().union(*[memories_of(world, function) for function in functions])
    tellers = [told[id(function)] for function in functions if id(function) in told]

    def observer(*arguments: Any) -> None:
        world.observed = True
        before = world.looking
        world.looking = True
        world.looked |= names
        for teller in tellers:
            world.looked.update(teller())
        try:
            for function in functions:
                function(*arguments)
        finally:
            world.looking = before

    return observer


def memories_of(world: World, function: Callable[..., None]) -> frozenset[str]:
    """The memories at which an observing function may look: of each Observer that it can get at without going through
    the world or what is in it, apart from those who tell themselves; and those that are no Observer's."""
    owners = {
        name: getattr(getattr(recall, "func", recall), "__self__", None) for name, recall in world.memories.items()
    }
    found = {id(each) for each in _observers(function) if not each.TELLS}
    return frozenset(name for name, owner in owners.items() if not isinstance(owner, Observer) or id(owner) in found)


def _observers(function: Callable[..., None]) -> list[Observer]:
    """Every Observer that a function can get at: in its closure, its arguments so far, and their attributes."""
    seen: dict[int, Any] = {}
    ahead: list[Any] = [function]
    while ahead:
        each = ahead.pop()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        ahead += _within(each)
    return [each for each in seen.values() if isinstance(each, Observer)]


def _within(thing: Any) -> Iterable[Any]:
    """What can be got at in one step, as far as the way to an Observer may lead there."""
    if isinstance(thing, MethodType):
        return (thing.__self__, thing.__func__)
    if isinstance(thing, FunctionType):
        return [cell.cell_contents for cell in thing.__closure__ or ()]
    if isinstance(thing, partial):
        return (thing.func, *thing.args, *thing.keywords.values())
    if isinstance(thing, Observer):
        return vars(thing).values()
    if isinstance(thing, Mapping):
        return thing.values()
    if isinstance(thing, (list, tuple, set, frozenset)):
        return thing
    return ()


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
