"""What a real kernel does on a sequence."""

from __future__ import annotations

from random import Random
from typing import Any

from daxfuzz.conform.calls import Context, NotExpressible, command
from daxfuzz.conform.layout import layout
from daxfuzz.conform.outcome import Outcome
from daxfuzz.conform.qemu import Qemu
from daxfuzz.conform.running import Poisoned, Running, ask
from daxfuzz.conform.sequence import Group, Sequence, registers
from daxfuzz.program.case import Call
from daxfuzz.program.processes import address_spaces

HARMLESS = {"dax_disassociate_entry"}
"""Functions after whose warnings a file system can be used on: they say that a block was freed too early."""


def contexts(sequence: Sequence) -> list[list[Context]]:
    """For each call of each task what it means there."""
    program = sequence.program
    shape = layout(program)
    slots = {name: index for index, name in enumerate(program.tasks)}
    spaces: dict[str, tuple[int, int]] = {}
    for number, members in enumerate(address_spaces(program).values()):
        bits = sum(1 << slots[member] for member in members)
        spaces |= dict.fromkeys(members, (number, bits))
    numbers = registers(program)
    return [
        [
            Context(
                shape,
                (index + 1) * 1000 + position,
                {name: number for (owner, name), number in numbers.items() if owner == index},
                slots,
                spaces,
            )
            for position in range(len(calls))
        ]
        for index, calls in enumerate(program.tasks.values())
    ]


def commands(sequence: Sequence) -> list[list[str]]:
    """The agent's words for each call of each task. Raises NotExpressible."""
    return [
        [command(call, context) for call, context in zip(calls, places, strict=True)]
        for calls, places in zip(sequence.program.tasks.values(), contexts(sequence), strict=True)
    ]


def check(sequence: Sequence) -> None:
    """Whether a real kernel can run a sequence. Raises NotExpressible with the reason."""
    commands(sequence)
    program = sequence.program
    if program.setup.clones:
        raise NotExpressible("files that share blocks")
    calls = [call for calls in program.tasks.values() for call in calls]
    if any(call.name == "exit" for call in calls) and any(call.name == "direct_read" for call in calls):
        raise NotExpressible("a process waits for its asynchronous requests when it exits")
    if program.setup.huge and any(shifts_within(call, program.machine.pmd_pages) for call in calls):
        raise NotExpressible("pages that move within a PMD, of which the model has fewer")
    devices = [name for name, made in program.tasks.items() if any(call.name == "bio_endio" for call in made)]
    if any(call.name == "signal" and call.arguments[0] in devices for call in calls):
        raise NotExpressible("a task that stands for a device hears no signals")


def shifts_within(call: Call, pmd_pages: int) -> bool:
    """Whether a call moves pages of a file by less than a PMD."""
    if call.name != "fallocate" or call.arguments[1] not in ("COLLAPSE_RANGE", "INSERT_RANGE"):
        return False
    return any(int(number) % pmd_pages for number in call.arguments[2:4])


class Guest:
    """Runs sequences on a booted kernel, on one file system after the other."""

    def __init__(self, qemu: Qemu) -> None:
        self._qemu = qemu
        self._filesystem = ""

    def run(
        self, sequence: Sequence, filesystem: str, groups: tuple[Group, ...] = (), rng: Random | None = None
    ) -> Outcome:
        """Run one sequence on fresh files. Raises NotExpressible, Poisoned, or Died.

        groups: in place of its turns, calls that begin together. rng: draws how much earlier one begins.
        """
        words = commands(sequence)
        if filesystem != self._filesystem:
            self._ask(f"mkfs {filesystem}")
            self._filesystem = filesystem
        running = Running(self._qemu, sequence, words)
        outcome = running.run(groups or sequence.groups, rng)
        end = self._ask("finish")
        if end["left"]:
            self._filesystem = ""
            raise PoisonedAfter(outcome)
        if running.warned - HARMLESS or end["log"]:
            # What a kernel does after a warning is nothing that the next sequence should meet.
            self._filesystem = ""
        return outcome

    def _ask(self, text: str) -> dict[str, Any]:
        return ask(self._qemu, text)


class PoisonedAfter(Poisoned):
    """The sequence has ended, but some of its processes have not. outcome: of the sequence, which stands."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__("a process does not end")
        self.outcome = outcome
