"""Plain references that outlive the call which took them: what a pipe or a device keeps."""

from __future__ import annotations

from typing import NamedTuple


class Kept(NamedTuple):
    """One FOLL_GET reference.

    pfn: the page.
    task: index of the task that took it.
    inode, file_page: the file page that it was taken for.
    write: whether the page may be written through it.
    value: what a device will write, 0 if it does not.
    """

    pfn: int
    task: int
    inode: int
    file_page: int
    write: bool = False
    value: int = 0
