"""Weaker forms of primitives, which changed functions call in place of the real ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from daxfuzz.sim import WaitEntry, wait_event

if TYPE_CHECKING:
    from daxfuzz.sim import TaskState, WaitQueueHead, WaitTable

Condition = Callable[[], Awaitable[bool]]
Command = Callable[[], Awaitable[None]] | None


async def wait_event_checked_first(
    queue: WaitQueueHead, entry: WaitEntry, condition: Condition, state: TaskState, command: Command = None
) -> int:
    """Look at the condition before the entry is queued, and not again before the first sleep."""
    if await condition():
        return 0
    looked = True

    async def later() -> bool:
        nonlocal looked
        if looked:
            looked = False
            return False
        return await condition()

    return await wait_event(queue, entry, later, state, command)


async def wait_event_signal_first(
    queue: WaitQueueHead, entry: WaitEntry, condition: Condition, state: TaskState, command: Command = None
) -> int:
    """A signal beats a true condition."""
    queue.might_sleep(entry.task)
    entry.condition = condition
    while True:
        interrupted = await queue.prepare_to_wait_event(entry, state)
        if interrupted:
            return interrupted
        if await condition():
            break
        if command is None:
            await queue.schedule()
        else:
            await command()
    await queue.finish_wait(entry)
    return 0


async def wait_var_event_checked_first(
    table: WaitTable, address: int, condition: Condition, state: TaskState, command: Command = None
) -> int:
    """As wait_event_checked_first."""
    queue = table.bucket(address)
    return await wait_event_checked_first(queue, WaitEntry(queue.world.current, address), condition, state, command)


async def wait_var_event_signal_first(
    table: WaitTable, address: int, condition: Condition, state: TaskState, command: Command = None
) -> int:
    """As wait_event_signal_first."""
    queue = table.bucket(address)
    return await wait_event_signal_first(queue, WaitEntry(queue.world.current, address), condition, state, command)


async def wake_up_var_one(table: WaitTable, address: int) -> None:
    """Wake one waiter for a variable, the first of the queue."""
    queue = table.bucket(address)
    if not await queue.active():
        return
    for entry in queue.entries:
        if entry.key == address:
            entry.exclusive = True
    await queue.wake(address, 1)
