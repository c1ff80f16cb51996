"""When real hardware can hit a finding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from daxfuzz.kernel.machine import GUP_PIN_COUNTING_BIAS, TlbMode
from daxfuzz.search import sparsify
from daxfuzz.triage.formats.commit.kernel_functions import kernel_function
from daxfuzz.triage.reproduce import QUICK, Failure, Goal, hints_of, search
from daxfuzz.triage.story import Story
from daxfuzz.triage.words import listed, plural

FILESYSTEMS = {
    "ext4": "a file on ext4 with -o dax",
    "xfs": "a file on xfs with -o dax",
    "fuse": "a file on virtio-fs with a DAX window",
    "device-dax": "a mapping of a device-dax character device",
}

CALLERS = {
    "unbind": "unbinding the device takes root",
    "memory_failure": "a block has to fail (an uncorrected memory error, or its injection)",
    "freeze": "freezing the file system takes root",
    "drop_caches": "dropping caches takes root; reclaim does the same when memory is short",
    "lease": "an NFS client has to have a layout of the file",
    "signal": "a signal has to come in time",
}
"""What calls of a program ask of the user, where not every user can make them."""


def condition(story: Story) -> str:
    """In one or two sentences."""
    where = FILESYSTEMS.get(story.case.kernel.filesystem, story.case.kernel.filesystem)
    tasks = len(story.case.program.tasks)
    sentences = [f"It takes {where} and {plural(tasks, 'task')}; {timing(story)}."]
    sentences += [f"{text[:1].upper()}{text[1:]}." for text in (*callers(story), *machine(story))]
    return " ".join(sentences)


def timing(story: Story) -> str:
    """How unlikely the interleaving is."""
    turns = story.replayed.execution.turns
    switches = sparsify(story.replayed.bench.sim.world, turns)
    if switches.preemptions == 0:
        return "no timing: each runs until it ends or has to wait"
    windows = listed(tuple(dict.fromkeys(window(story, turn) for turn, _ in preempting(story))))
    times = "once" if switches.preemptions == 1 else f"{switches.preemptions} times"
    return f"one has to be overtaken {times}: {windows}"


def preempting(story: Story) -> Iterator[tuple[int, int]]:
    """The turns, and their tasks, before which a task that could go on was stopped."""
    turns = story.replayed.execution.turns
    names = list(story.case.program.tasks)
    for turn in range(1, len(turns)):
        before = names[turns[turn - 1]]
        stopped = any(
            f"{before} {how}" in story.trace.steps[turn - 1].changed for how in ("sleeps", "is blocked", "ends")
        )
        if turns[turn] != turns[turn - 1] and not stopped:
            yield turn, turns[turn - 1]


def window(story: Story, turn: int) -> str:
    """Between which functions a task was stopped."""
    rows = story.trace.steps
    last = rows[turn - 1]
    then = next((row for row in rows[turn:] if row.task == last.task), None)
    protocol = story.case.kernel.protocol
    here = kernel_function(last, protocol)
    there = here if then is None else kernel_function(then, protocol)
    if there == here:
        return f"{last.task} in {here}()"
    return f"{last.task} between {here}() and {there}()"


def callers(story: Story) -> Iterator[str]:
    """What not everybody can do."""
    names = dict.fromkeys(call.name for calls in story.case.program.tasks.values() for call in calls)
    yield from (CALLERS[name] for name in names if name in CALLERS)


def machine(story: Story) -> Iterator[str]:
    """What the finding asks of the machine."""
    case = story.case
    plain = case.program.machine
    if plain.bias != GUP_PIN_COUNTING_BIAS and not shows(story, bias=GUP_PIN_COUNTING_BIAS):
        yield (
            f"the case counts a pin as {plain.bias}; with the kernel's GUP_PIN_COUNTING_BIAS of"
            f" {GUP_PIN_COUNTING_BIAS} it takes {GUP_PIN_COUNTING_BIAS - plain.bias} references more"
        )
    if plain.tlb is TlbMode.BROADCAST and not shows(story, tlb=TlbMode.IPI):
        yield (
            "the processor has to invalidate TLBs of others by broadcast (arm64, INVLPGB): the interrupt that others"
            " send instead waits for who has interrupts off"
        )
    if not plain.merge_vmas and not shows(story, merge_vmas=True):
        yield "the architecture has to flush each VMA on its own (no MMU_GATHER_MERGE_VMAS: arm64)"
    if plain.low_memory and not shows(story, low_memory=False):
        yield "memory has to be short"
    if not plain.rmapbt and not shows(story, rmapbt=True):
        yield "the file system has to be made without reverse mappings (mkfs.xfs -m rmapbt=0)"
    if case.program.setup.huge:
        yield "the file has to have blocks that PMD entries can map"


def shows(story: Story, **changes: Any) -> bool:
    """Whether the program shows the finding on a machine that is different in one way."""
    replayed = story.replayed
    assert replayed.found is not None
    kernel = replayed.bench.kernel
    failure = Failure(story.case.program, kernel, replayed.execution, replayed.found)
    other = replace(story.case.program, machine=replace(story.case.program.machine, **changes))
    return search(other, kernel, Goal(replayed.found.kind), QUICK, hints_of(failure)) is not None
