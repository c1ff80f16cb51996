"""Where things are in the emulated machine: addresses, descriptors, and file pages of the size that it has."""

from __future__ import annotations

from dataclasses import dataclass

from daxfuzz.program.case import Program

PAGE = 4096
PMD_PAGES = 512
BASE = 0x2000_0000_0000
FILE_SPACE = 1 << 30
ELSEWHERE = 1 << 29
"""From a mapping to where mremap moves it."""
FIRST_FD = 70


@dataclass(frozen=True, slots=True)
class Layout:
    """Of one program. Where it wants PMDs, one of the model's stands for one of the machine's, and its pages for the
    first ones of that; else all mappings are at addresses that no PMD fits."""

    files: tuple[str, ...]
    sizes: tuple[int, ...]
    huge: bool
    pmd_pages: int

    def page(self, page: int) -> int:
        """The number of a file page, or a size in pages."""
        if not self.huge:
            return page
        whole, rest = divmod(page, self.pmd_pages)
        return whole * PMD_PAGES + rest

    def span(self, page: int, length: int) -> tuple[int, int]:
        """A range of file pages as offset and length in bytes."""
        first = self.page(page)
        return first * PAGE, (self.page(page + length) - first) * PAGE

    def base(self, file: str) -> int:
        """The address of the first page of a file."""
        return BASE + self.files.index(file) * FILE_SPACE + (0 if self.huge else PAGE)

    def address(self, file: str, page: int) -> int:
        """The address of a file page."""
        return self.base(file) + self.page(page) * PAGE

    def fd(self, file: str) -> int:
        """The descriptor of a file."""
        return FIRST_FD + self.files.index(file)

    def pages(self, file: str) -> int:
        """The size of a file."""
        return self.page(self.sizes[self.files.index(file)])

    @property
    def parts(self) -> int:
        """Of each PMD's worth of pages, how many the model has."""
        return self.pmd_pages if self.huge else PMD_PAGES


def layout(program: Program) -> Layout:
    """The layout of a program."""
    setup = program.setup
    return Layout(tuple(setup.files), tuple(setup.files.values()), setup.huge, program.machine.pmd_pages)
