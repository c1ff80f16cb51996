"""What repairs of the removal of a device share: the deletion of entries whose pages may be busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from daxfuzz.kernel.dax import WakeMode
from daxfuzz.kernel.xarray import XaState
from daxfuzz.sim import TaskState, wait_var_event

if TYPE_CHECKING:
    from daxfuzz.kernel.entry import Entry
    from daxfuzz.kernel.inode import AddressSpace, Inode
    from daxfuzz.kernel.kernel import Kernel


async def invalidate_inodes(k: Kernel, chosen: Callable[[Entry], bool]) -> None:
    """Unmap all files and delete their entries that `chosen` wants gone."""
    for inode in k.inodes.values():
        await invalidate_inode(k, inode, chosen)


async def invalidate_inode(k: Kernel, inode: Inode, chosen: Callable[[Entry], bool]) -> None:
    """The same for one file. invalidate_lock, taken as truncate does, waits for the faults under way.

    Eviction of a file takes no lock, and deletes all entries itself: it is kept away, or waited for.
    """
    mapping = inode.i_mapping
    if not await k.vfs.igrab(inode):
        await wait_var_event(k.var_waitqueues, inode.address, mapping.i_pages.empty, TaskState.UNINTERRUPTIBLE)
        return
    await mapping.invalidate_lock.down_write()
    await k.memory.unmap_mapping_pages(mapping, 0, len(inode.extents))
    await invalidate_entries(k, mapping, chosen)
    await mapping.invalidate_lock.up_write()
    await k.vfs.iput(inode)


async def invalidate_entries(k: Kernel, mapping: AddressSpace, chosen: Callable[[Entry], bool]) -> None:
    """Delete the entries of a file that `chosen` wants gone, in one pass: nobody may insert any meanwhile."""
    last = len(mapping.host.extents) - 1
    first = 0
    while first <= last and (indices := await k.truncate.find_lock_entries(mapping, first, last)):
        for index in indices:
            await invalidate_entry(k, mapping, index, chosen)
        first = indices[-1] + 1


async def invalidate_entry(k: Kernel, mapping: AddressSpace, index: int, chosen: Callable[[Entry], bool]) -> None:
    """Delete an entry when it is unlocked. Its page may be busy: who removes it waits for that."""
    i_pages = mapping.i_pages
    xas = XaState(i_pages, index)
    await i_pages.lock.acquire()
    entry = await k.dax.get_unlocked_entry(mapping, xas)
    if entry is not None and chosen(entry):
        await k.dax.dax_disassociate_entry(entry, mapping, trunc=False)
        await xas.store(None)
    await k.dax.put_unlocked_entry(mapping, xas, entry, WakeMode.WAKE_ALL)
    await i_pages.lock.release()
