"""From exact turns to the few places where they depart from the default."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daxfuzz.search.recorder import Recorder, Turn
from daxfuzz.search.replay import Replay, default_task, replay_exactly
from daxfuzz.sim import SparseSchedule

if TYPE_CHECKING:
    from daxfuzz.sim import World


@dataclass(frozen=True, slots=True)
class Switches:
    """A sparse schedule and what its switches are.

    preemptions: switches away from a task that could have gone on, also between two of its operations.
    choices: switches at the first turn, or after the current task blocked or ended, to another task than the
        enabled one with the lowest index.
    """

    schedule: SparseSchedule
    preemptions: int
    choices: int


def sparsify(world: World, turns: Sequence[int]) -> Switches:
    """The sparse schedule that gives exactly these turns on this program; every one of its switches has an effect.

    world: sealed; it is run once, on a stepper, for len(turns) turns.
    turns: task indices, one per turn, of a whole execution or of its beginning. For a beginning, SparseReplay goes
        on by the default rule where the turns end.

    Raises DivergedError if the program cannot take these turns.
    """
    recorder = Recorder(Replay(turns))
    replay_exactly(world, recorder, turns)
    return switches_of(recorder.turns)


def switches_of(turns: Iterable[Turn]) -> Switches:
    """The switches in recorded turns: those where another task ran than :func:`default_task` says."""
    switches = []
    preemptions = 0
    for position, turn in enumerate(turns):
        if turn.chosen != default_task(turn.enabled, turn.current):
            switches.append((position, turn.chosen))
            preemptions += turn.current in turn.enabled
    return Switches(SparseSchedule(tuple(switches)), preemptions, len(switches) - preemptions)
