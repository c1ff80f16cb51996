"""Inodes and their address spaces (include/linux/fs.h, v6.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.kernel.xarray import XArray
from daxfuzz.sim import Cell, RwSemaphore

if TYPE_CHECKING:
    from daxfuzz.kernel.machine import Machine
    from daxfuzz.kernel.mm import Vma
    from daxfuzz.sim import Interrupts, World


class AddressSpace:
    """What a file has mapped and cached.

    i_mmap: the VMAs that map the file, in the order of their mm.
    """

    __slots__ = ("host", "i_mmap", "i_mmap_rwsem", "i_pages", "invalidate_lock")

    def __init__(self, world: World, host: Inode, interrupts: Interrupts, machine: Machine) -> None:
        self.host = host
        self.i_pages = XArray(world, f"{host.name}.i_pages", interrupts, machine)
        self.invalidate_lock = RwSemaphore(world, f"{host.name}.invalidate_lock", "invalidate_lock")
        self.i_mmap_rwsem = RwSemaphore(world, f"{host.name}.i_mmap_rwsem", "i_mmap_rwsem")
        self.i_mmap: Cell[tuple[Vma, ...]] = Cell(world, f"{host.name}.i_mmap", ())

    @property
    def address(self) -> int:
        """&mapping->i_pages, as wait keys use it."""
        return (self.host.number + 1) * 1_000_003

    def __repr__(self) -> str:
        return f"{self.host.name}.mapping"


class Inode:
    """A regular file.

    i_size: in pages.
    extents: per file page the pfn of its block, or None for a hole (ext4: the extent tree, under i_data_sem).
    datasync_dirty: whether metadata that fdatasync must write is not durable yet (ext4: i_datasync_tid).
    """

    __slots__ = ("datasync_dirty", "extents", "i_data_sem", "i_mapping", "i_rwsem", "i_size", "name", "number")

    def __init__(
        self, world: World, number: int, name: str, pages: int, interrupts: Interrupts, machine: Machine
    ) -> None:
        self.number = number
        self.name = name
        self.i_rwsem = RwSemaphore(world, f"{name}.i_rwsem", "i_rwsem")
        self.i_data_sem = RwSemaphore(world, f"{name}.i_data_sem", "i_data_sem")
        self.i_size: Cell[int] = Cell(world, f"{name}.i_size", pages)
        self.extents: list[Cell[int | None]] = [Cell(world, f"{name}.extent{i}", None) for i in range(pages)]
        self.datasync_dirty: Cell[bool] = Cell(world, f"{name}.datasync_dirty", False)
        self.i_mapping = AddressSpace(world, self, interrupts, machine)

    def __repr__(self) -> str:
        return self.name
