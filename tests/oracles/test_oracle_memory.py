"""What oracles remember, as an exhaustive search is told of it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from random import Random
from typing import Any

from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.oracles.ghost import Ghost
from daxfuzz.oracles.lock_order import LockOrder
from daxfuzz.oracles.oracle import Oracle
from daxfuzz.oracles.registry import ORACLES, attach
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.generator import generate
from daxfuzz.program.simulation import Simulation
from daxfuzz.search import RandomWalk
from daxfuzz.sim import Stepper
from daxfuzz.triage.bench import KernelChoice

SPANNING = {(LockOrder, "known"), (LockOrder, "ever"), (LockOrder, "ever_cyclic")}
"""What an oracle keeps from one execution to the next, and says so if it makes it remember more (World.revised)."""


def shape(value: Any) -> Any:
    """Data as deep as it is; anything else is only itself."""
    if isinstance(value, dict):
        return [(shape(key), shape(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple, set)):
        return [shape(each) for each in value]
    if isinstance(value, (int, str, type(None))):
        return value
    if type(value).__module__ == "daxfuzz.oracles.histories" and not isinstance(value, Ghost):
        return shape(vars(value))
    return id(value)


def own(observer: Any) -> dict[str, bytes]:
    return {name: pickle.dumps(shape(value)) for name, value in vars(observer).items()}


def remembering(sim: Simulation) -> Iterator[Any]:
    """The observers that have a memory."""
    for memory in (*sim.world.memories.values(), *sim.world.own_memories.values()):
        function: Any = getattr(memory, "func", memory)
        yield getattr(function, "__self__", None)
        for cell in function.__closure__ or () if hasattr(function, "__closure__") else ():
            yield cell.cell_contents


def test_who_notes_anything_in_an_execution_has_a_memory() -> None:
    noted: set[str] = set()
    for seed in range(400):
        filesystem = list(FILESYSTEMS)[seed % len(FILESYSTEMS)]
        kernel = KernelChoice(KernelSpec("refcount-1", filesystem=filesystem))
        sim = Simulation(generate(Random(seed), filesystem), kernel.composed().subsystems, filesystem)
        observers = [*attach(sim), *sim.ghosts.values()]
        sim.world.reset()
        sim.world.close()
        before = [own(each) for each in observers]
        Stepper(sim.world).run(RandomWalk(Random(seed)), 2_000)
        with_memory = list(remembering(sim))
        for observer, attributes in zip(observers, before, strict=True):
            changed = {name for name, value in own(observer).items() if attributes.get(name) != value}
            changed = {name for name in changed if (type(observer), name) not in SPANNING}
            # What belongs to a ghost is that one's to remember.
            others = [value for each in observers if each is not observer for value in vars(each).values()]
            theirs = [id(value) for value in others if isinstance(value, (dict, list))]
            changed = {name for name in changed if id(getattr(observer, name)) not in theirs}
            if changed:
                noted.add(type(observer).__name__)
                assert any(each is observer for each in with_memory), (type(observer), changed)
    assert len(noted) > 8


def test_who_forgets_before_each_execution_has_a_memory() -> None:
    for oracle in ORACLES:
        # Who tells at what it looks remembers in parts, which the test above asks for.
        assert (oracle.reset is Oracle.reset) == (oracle.memory is Oracle.memory and not oracle.TELLS), oracle


def test_who_tells_at_what_it_looks_does_so_everywhere() -> None:
    sim = Simulation(generate(Random(1), "ext4"), KernelChoice(KernelSpec("refcount-0")).composed().subsystems, "ext4")
    tellers = [each for each in attach(sim) if each.TELLS]
    told = [function for function, _ in sim.world.tellers]
    listening = 0
    for obj, slot in dict.fromkeys(sim.world.hooks):
        hooks = getattr(obj, slot)
        for function in getattr(hooks, "functions", (hooks,)):
            cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
            if any(each in (getattr(function, "__self__", None), *cells) for each in tellers):
                listening += 1
                assert function in told, function
    assert listening
