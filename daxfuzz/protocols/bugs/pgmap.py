"""The removal of a device, and what still refers to it."""

from __future__ import annotations

from typing import ClassVar

from daxfuzz.kernel.memremap import DevPagemap, Memremap
from daxfuzz.protocols.patch import Bug


class PgmapReleaseBeforeLastPut(Bug):
    """The memory of a device goes before the references of its page map have drained.

    Unbind kills the page map, drops what the pages were born with, removes the memory, and only then waits. Whoever
    holds the page map, such as a grab under way, touches page structs that are gone.
    """

    number = "15"
    fix = "50f44ee7248a"
    release = "v5.3"
    category = "use-after-free"
    protocols: ClassVar = ("refcount-1-fixed", "series-v1-fixed", "series-v3-fixed", "refcount-0-fixed")
    filesystems: ClassVar = ("device-dax", "ext4", "xfs", "fuse")
    kinds: ClassVar = ("use-after-free",)

    class memremap(Memremap):
        async def memunmap_pages(self, pgmap: DevPagemap) -> None:
            await pgmap.ref.kill()
            await self.synchronize_rcu()
            await self.put_born_references(pgmap)
            await self.pageunmap_range(pgmap)
            await pgmap.done.wait()
