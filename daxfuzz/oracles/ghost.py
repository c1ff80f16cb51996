"""State that observers share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from daxfuzz.sim import Observer

if TYPE_CHECKING:
    from daxfuzz.program.simulation import Simulation


class Ghost(Observer):
    """Follows something that several oracles ask for. Each simulation has one of each class at most."""

    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.world = sim.world
        self.kernel = sim.kernel

    @classmethod
    def of(cls, sim: Simulation) -> Self:
        """The one of a simulation, made when it is first asked for; that has to be before an execution.

        Whoever asks during an execution looks at it.
        """
        found = sim.ghosts.get(cls)
        if not isinstance(found, cls):
            found = sim.ghosts[cls] = cls(sim)
        sim.world.look(cls.__name__)
        return found
