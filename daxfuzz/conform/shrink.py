"""The smallest sequence that still shows a disagreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from daxfuzz.conform.calls import NotExpressible
from daxfuzz.conform.real import check
from daxfuzz.conform.sequence import Sequence
from daxfuzz.program.calls import CallError, check_calls
from daxfuzz.program.case import Call

Differs = Callable[[Sequence], bool]


def shrink(sequence: Sequence, differs: Differs, tries: int) -> Sequence:
    """Take out call after call, the last first, as long as model and kernel differ; ask `differs` at most so often."""
    left = tries
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(sequence):
            if not left:
                return sequence
            left -= 1
            if differs(candidate):
                sequence = candidate
                smaller = True
                break
    return sequence


def candidates(sequence: Sequence) -> Iterator[Sequence]:
    """Valid sequences with one call less, and with no more than the pages or processes that it needs."""
    for position in reversed(range(len(sequence.turns))):
        found = without(sequence, position)
        if found is not None:
            yield found
    setup = sequence.program.setup
    if setup.huge:
        found = replace(sequence, program=replace(sequence.program, setup=replace(setup, huge=False)))
        if valid(found):
            yield found


def without(sequence: Sequence, position: int) -> Sequence | None:
    """The sequence without the call of one turn; None if what is left is not valid."""
    names = list(sequence.program.tasks)
    turn = sequence.turns[position]
    number = sequence.turns[:position].count(turn)
    calls: dict[str, tuple[Call, ...]] = dict(sequence.program.tasks)
    made = calls[names[turn]]
    if number >= len(made):
        return None
    calls[names[turn]] = made[:number] + made[number + 1 :]
    turns = [names[each] for each in sequence.turns[:position] + sequence.turns[position + 1 :]]
    calls = {name: each for name, each in calls.items() if each}
    kept = list(calls)
    mms = {
        mm: tuple(member for member in members if member in calls) for mm, members in sequence.program.setup.mms.items()
    }
    setup = replace(sequence.program.setup, mms={mm: members for mm, members in mms.items() if members})
    program = replace(sequence.program, tasks=calls, setup=setup)
    found = Sequence(sequence.name, program, tuple(kept.index(name) for name in turns if name in kept))
    return found if calls and valid(found) else None


def valid(sequence: Sequence) -> bool:
    """Whether the calls fit together, and a real kernel can be asked for them."""
    named = {
        str(argument) for calls in sequence.program.tasks.values() for call in calls for argument in call.arguments
    }
    tasks = {name for name in named if name.startswith("t") and name[1:].isdigit()}
    if not tasks <= set(sequence.program.tasks):
        return False
    try:
        check_calls(sequence.program)
        check(sequence)
    except (NotExpressible, CallError):
        return False
    return True
