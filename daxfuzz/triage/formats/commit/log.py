"""What the kernel prints when a finding happens."""

from __future__ import annotations

import re
import sys

from daxfuzz.oracles.kernel_warning import KernelWarning
from daxfuzz.sim import TaskState, Violation
from daxfuzz.triage.formats.commit.ending import Stuck
from daxfuzz.triage.formats.commit.meaning import shown_place
from daxfuzz.triage.story import Story
from daxfuzz.triage.trace import shown_function

HUNG = 120
"""CONFIG_DEFAULT_HUNG_TASK_TIMEOUT, in seconds."""

STATES = {
    TaskState.INTERRUPTIBLE: ("S", "interruptibly"),
    TaskState.KILLABLE: ("D", "killably"),
    TaskState.UNINTERRUPTIBLE: ("D", "uninterruptibly"),
}


def kernel_log(story: Story, stuck: list[Stuck]) -> tuple[str, list[str]]:
    """A sentence about what is printed, and the lines that are."""
    replayed = story.replayed
    warnings = [each for each in replayed.execution.deferred if each.kind in KernelWarning.kinds]
    lines = [line for each in warnings for line in warning(story, each)]
    found = replayed.found
    assert found is not None
    if stuck:
        hung = [each for each in stuck if each.state is TaskState.UNINTERRUPTIBLE]
        lines += [line for each in hung for line in hung_task(each)]
        quiet = " ".join(quiet_task(each) for each in stuck if each not in hung)
        return quiet, lines
    if found.kind == "lock-order":
        return "With CONFIG_PROVE_LOCKING:", lines + lock_order(story, found)
    if found.kind == "use-after-free":
        return after_free(story, found)
    if found.kind == "sleeping-in-atomic":
        where = f"BUG: sleeping function called from invalid context, in {shown_place(story)}()"
        return "With CONFIG_DEBUG_ATOMIC_SLEEP:", [*lines, where]
    if found.kind == "lock-held":
        return "With CONFIG_LOCKDEP:", [*lines, "WARNING: lock held when returning to user space!"]
    return ("" if lines else "The kernel prints nothing."), lines


def warning(story: Story, found: Violation) -> list[str]:
    """The line of a WARN_ON_ONCE."""
    function = shown_function(found.function, story.renames)
    file = source_of(story, found.function)
    return [f"WARNING: CPU: N PID: N at {file + ' ' if file else ''}{function}+0x..."]


def source_of(story: Story, function: str) -> str:
    """The file of the kernel that has a function, as its subsystem says."""
    for subsystem in story.replayed.bench.kernel.composed().subsystems.values():
        for cls in reversed(subsystem.__mro__):
            if function in vars(cls) and ".kernel." in cls.__module__:
                match = re.search(r"\(((?:[\w-]+/)+[\w-]+\.[ch])\b", sys.modules[cls.__module__].__doc__ or "")
                return match[1] if match else ""
    return ""


def hung_task(each: Stuck) -> list[str]:
    """khungtaskd on a task in an uninterruptible sleep."""
    return [
        f"INFO: task {each.task}:N blocked for more than {HUNG} seconds.",
        f"task:{each.task} state:D",
        "Call Trace:",
        *(f" {function}" for function in ("schedule", *each.trace)),
    ]


def quiet_task(each: Stuck) -> str:
    """A task on which khungtaskd says nothing."""
    letter, how = STATES[each.state]
    where = each.trace[0] if each.trace else "schedule"
    behind = f"; tasks that wait for {each.held[-1]} behind it are reported" if each.held else ""
    return (
        f"The kernel prints nothing about {each.task}: it sleeps {how} (state {letter}, wchan {where}), which"
        f" khungtaskd does not report{behind}."
    )


def lock_order(story: Story, found: Violation) -> list[str]:
    """lockdep's report, as far as it names locks."""
    match = re.fullmatch(r"(.+) takes (.+) while it holds (.+); the other order is (.+)", found.message)
    lines = ["WARNING: possible circular locking dependency detected"]
    if match is None:
        return lines
    at = f", at: {shown_place(story)}" if shown_place(story) else ""
    return [
        *lines,
        f"{match[1]}/N is trying to acquire lock: {match[2]}{at}",
        f"but task is already holding lock: {match[3]}",
        f"which lock already depends on the new lock: {match[4]}",
    ]


def after_free(story: Story, found: Violation) -> tuple[str, list[str]]:
    """Memory of pages goes with its memory map; other memory is somebody else's."""
    if re.search(r"touches page\d+\.", found.message):
        text = "The struct page went with its device; where its part of vmemmap is unmapped:"
        return text, ["BUG: unable to handle page fault", f"RIP: {shown_place(story)}+0x..."]
    return "With CONFIG_KASAN:", [f"BUG: KASAN: use-after-free in {shown_place(story)}+0x..."]
