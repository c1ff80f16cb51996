"""Use of a device that may go, and its end."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from daxfuzz.oracles.lookup import leaves
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.block import Block
    from daxfuzz.kernel.memremap import DevPagemap
    from daxfuzz.sim import Rcu, Task


class DeviceLife(Oracle):
    """The kernel works on blocks only while the device cannot go; and a device goes after who uses it has left.

    Use: in a section of dax_srcu that has begun before the device died (dax_read_lock and dax_alive, as
    dax_direct_access asks), in a request to the disk (blk_queue_enter), or with a reference of the page; or there is an
    entry of a file that holds the page map. What the server of virtio-fs does to its files is not judged, nor is the
    write-back of caches, for which the entry is locked.
    End: its memory goes, and its holder is forgotten, a grace period of dax_srcu after it has died. Who has ended the
    disk, or the queues of virtio-fs, does nothing else before all requests have ended (del_gendisk). Nobody maps a
    character device any more whose memory goes (kill_dev_dax). The driver is gone a grace period of RCU after the page
    map is out of sight, and the memory too.

    What is wrong here may do no harm, so the execution goes on: what follows may be graver.
    """

    kinds = ("device-use",)

    def attach(self) -> None:
        kernel = self.kernel
        if kernel.fuse_conn is None:
            for block in kernel.blocks[: kernel.device_pages]:
                listen(block, "on_kernel", self.used)
        listen(kernel.dax_alive, "watch", self.died)
        listen(kernel.pgmap_array, "watch", self.hidden)
        listen(kernel.dax_srcu, "on_synchronize", self.grace_watcher(kernel.dax_srcu))
        listen(kernel.rcu, "on_synchronize", self.grace_watcher(kernel.rcu))
        listen(kernel.dax_holder, "watch", self.forgotten)
        listen(kernel.mem_hotplug, "on_remove", self.removed)
        listen(kernel.device_bound, "watch", self.unbound)
        self.world.on_end.append(self.at_rest)

    def reset(self) -> None:
        # Domains that have to pass a grace period that begins from now on; and those periods, by domain and task.
        self.ahead: list[Rcu] = []
        self.running: list[tuple[Rcu, int]] = []

    def memory(self) -> Hashable:
        running = tuple([(domain.name, task) for domain, task in self.running])
        return tuple([domain.name for domain in self.ahead]), running

    def used(self, block: Block) -> None:
        """The kernel works on a block."""
        kernel, task = self.kernel, self.world.current
        if self.waited_for(task) or kernel.q_usage.count > (not kernel.q_usage.dying):
            return
        page = kernel.pages[block.pfn]
        idle = not page.freed and page.head.value.refcount.value <= kernel.dax.idle_refcount()
        if idle and not self.entries_hold_device():
            self.warn(f"{task.name} works on block {block.pfn}, and nothing keeps the device", "use")

    def entries_hold_device(self) -> bool:
        """Whether an entry of a file holds references of the page map, as in the series."""
        entries = [entry for inode in self.kernel.inodes.values() for entry in inode.i_mapping.i_pages.entries.values()]
        return any(self.kernel.memremap.entry_pgmap_references(entry) for entry in entries)

    def waited_for(self, task: Task) -> bool:
        """Whether a task is in a section of dax_srcu that a device which is to go waits for, or would wait for."""
        srcu = self.kernel.dax_srcu
        if not srcu.read_by(task.index) or self.kernel.dax_alive.value:
            return srcu.read_by(task.index)
        periods = [index for domain, index in self.running if domain is srcu]
        return srcu in self.ahead and (not periods or any(task.index in srcu.waiting[index] for index in periods))

    def grace_watcher(self, domain: Rcu) -> Callable[[Task, bool], None]:
        def synchronized(task: Task, over: bool) -> None:
            if not over:
                self.running.append((domain, task.index))
                self.drained()
            elif (domain, task.index) in self.running:
                self.running.remove((domain, task.index))
                if domain in self.ahead:
                    self.ahead.remove(domain)

        return synchronized

    def begin(self, domain: Rcu) -> None:
        """What readers of a domain may have seen has changed: those grace periods count that begin now."""
        self.running = [each for each in self.running if each[0] is not domain]
        if domain not in self.ahead:
            self.ahead.append(domain)

    def drained(self) -> None:
        """Who has ended the disk goes on when the last request has ended."""
        q_usage, task = self.kernel.q_usage, self.world.current
        call = self.sim.program.tasks[task.name][task.operation] if task.operation >= 0 else None
        if q_usage.dying and q_usage.count and call is not None and call.name == "unbind":
            self.warn(f"{task.name} goes on to remove the device, which has requests", "requests")

    def died(self, old: bool, new: bool) -> None:
        if old and not new:
            self.drained()
            self.begin(self.kernel.dax_srcu)

    def hidden(self, old: DevPagemap | None, new: DevPagemap | None) -> None:
        if old is not None and new is None:
            self.begin(self.kernel.rcu)

    def forgotten(self, old: bool, new: bool) -> None:
        if old and not new:
            self.quiet(self.kernel.dax_srcu, "forgets the holder of the device")

    def removed(self) -> None:
        self.quiet(self.kernel.dax_srcu, "removes the memory of the device")
        for mm in self.kernel.mms if self.kernel.fs.char_device else ():
            if any(leaf.pfn < self.kernel.device_pages for leaf in leaves(mm)):
                self.warn(f"{self.world.current.name} removes the device, which {mm.name} maps", "mapped")

    def unbound(self, old: bool, new: bool) -> None:
        if old and not new:
            self.quiet(self.kernel.rcu, "frees the page map")

    def quiet(self, domain: Rcu, what: str) -> None:
        """Nobody can be in a section any more who has seen what was before."""
        alive = domain is self.kernel.dax_srcu and self.kernel.dax_alive.value
        if alive or domain in self.ahead:
            self.warn(f"{self.world.current.name} {what} without a grace period of {domain.name}", domain.name)

    def at_rest(self) -> None:
        if not self.sim.stuck() and not self.kernel.device_bound.value and not self.kernel.pages[0].freed:
            raise Violation("device-use", "the driver is gone, and the memory of its device is there")

    def warn(self, message: str, channel: str) -> None:
        """Note it."""
        task = self.world.current
        self.world.defer(Violation("device-use", message, channel=channel, tasks=(task.name,)))
