"""struct page and the folio it heads (include/linux/mm_types.h, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daxfuzz.sim import Atomic, Cell

if TYPE_CHECKING:
    from daxfuzz.kernel.inode import AddressSpace
    from daxfuzz.kernel.memremap import DevPagemap
    from daxfuzz.sim import World

PAGE_STRUCT_SIZE = 64


class Cow:
    """PAGE_MAPPING_DAX_COW: in place of a mapping, several file pages share the page."""

    def __repr__(self) -> str:
        return "COW"


COW: Final = Cow()


class Page:
    """4 KiB of persistent memory or, with `ram`, of ordinary memory. A folio is named by its head page; one of order
    0 is its own head.

    pfn: page frame number, which is the number of the block, too.
    address: &page.
    ram: ordinary memory, used for anonymous pages; free while its refcount is 0.
    anon_exclusive: PageAnonExclusive, the page belongs to one mm alone, which may write to it and pin it.
    refcount: for what it counts, and its value when idle, see the protocol.
    pincount: exact pins of a large folio; unused at order 0.
    mapcount: page-table entries that map it, where the protocol counts them.
    pgmap: the device page map it belongs to.
    mapping, index: the file page it is associated with; while `mapping` is COW, `index` counts the file pages.
    hwpoison: PG_hwpoison, set by a memory failure and never cleared.
    order: pages of the folio that it heads, 1 for a page on its own.
    large: folio_test_large of a head, where it never changes: no page of a v6.0 fsdax device is compound, those of a
        character device may be so, for good.
    """

    __slots__ = (
        "address",
        "anon_exclusive",
        "head",
        "hwpoison",
        "index",
        "large",
        "mapcount",
        "mapping",
        "order",
        "pfn",
        "pgmap",
        "pincount",
        "ram",
        "refcount",
    )

    anon_exclusive: Cell[bool]

    def __init__(self, world: World, pfn: int, pgmap: DevPagemap, idle: int, ram: bool = False) -> None:
        name = f"page{pfn}"
        self.pfn = pfn
        self.address = pfn * PAGE_STRUCT_SIZE
        self.refcount = Atomic(world, f"{name}.refcount", idle)
        self.pincount = Atomic(world, f"{name}.pincount", 0)
        self.mapcount = Atomic(world, f"{name}.mapcount", 0)
        self.large = False
        self.ram = ram
        if ram:
            self.anon_exclusive = Cell(world, f"{name}.anon_exclusive", False)
        self.mapping: Cell[AddressSpace | Cow | None] = Cell(world, f"{name}.mapping", None)
        self.index: Cell[int] = Cell(world, f"{name}.index", 0)
        self.pgmap: Cell[DevPagemap] = Cell(world, f"{name}.pgmap", pgmap)
        self.hwpoison: Cell[bool] = Cell(world, f"{name}.hwpoison", False)
        self.order: Cell[int] = Cell(world, f"{name}.order", 1)
        self.head: Cell[Page] = Cell(world, f"{name}.compound_head", self)

    def free(self) -> None:
        """The struct is gone (arch_remove_memory), as part of the current step."""
        world = self.refcount.world
        world.free(self.refcount)
        world.free(self.pincount)
        world.free(self.mapcount)
        world.free(self.order)
        for cell in (self.mapping, self.index, self.pgmap, self.hwpoison, self.head):
            world.free(cell)

    @property
    def freed(self) -> bool:
        """Whether the struct is gone, for observers."""
        return self.refcount.FREED

    @property
    def refcount_address(self) -> int:
        """&page->_refcount"""
        return self.address + 52

    def __repr__(self) -> str:
        return f"page{self.pfn}"
