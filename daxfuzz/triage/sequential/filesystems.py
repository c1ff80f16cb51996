"""In what the file systems differ as long as calls come one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from daxfuzz.triage.sequential.reference import EFBIG, EINVAL, EOPNOTSUPP, File, Reference, Result


class Ext4(Reference):
    """Checks its arguments before it waits, and need not wait to preallocate."""

    def fallocate(self, file: File, mode: str, first: int, length: int) -> Result:
        pages = range(first, first + length)
        match mode:
            case "PUNCH_HOLE":
                if first < file.size:
                    self.wait(file)
                    # What reaches beyond the end stops behind the page that follows it.
                    self.free(file, range(first, min(pages.stop, file.size + 1)))
                return 0
            case "COLLAPSE_RANGE":
                if pages.stop < file.size:
                    self.wait(file)
                return self.collapse(file, first, length)
            case "INSERT_RANGE":
                room = file.size + length <= len(file.pages)
                if room and first < file.size and not any(file.pages[-length:]):
                    self.wait(file)
                return self.insert(file, first, length, -EFBIG)
            case "ZERO_RANGE":
                self.wait(file)
                self.preallocate(file, pages)
                for page in file.pages[first : pages.stop]:
                    assert page is not None
                    page.written = False
        self.preallocate(file, pages)
        if mode != "KEEP_SIZE":
            file.size = max(file.size, pages.stop)
        return 0


class Xfs(Reference):
    """Waits before it looks at anything, and can share blocks. What it moves, private copies do not follow."""

    trims_collapsed = False
    evicts = False

    def fallocate(self, file: File, mode: str, first: int, length: int) -> Result:
        self.wait(file)
        pages = range(first, first + length)
        match mode:
            case "PUNCH_HOLE":
                self.free(file, pages)
                return 0
            case "COLLAPSE_RANGE":
                return self.collapse(file, first, length)
            case "INSERT_RANGE":
                return self.inserted(file, first, length)
            case "ZERO_RANGE":
                self.free(file, pages)
        self.preallocate(file, pages)
        if mode != "KEEP_SIZE":
            file.size = max(file.size, pages.stop)
        return 0

    def inserted(self, file: File, first: int, length: int) -> Result:
        """The size has changed by the time it finds something that cannot be moved."""
        size = file.size
        result = self.insert(file, first, length, -EINVAL)
        if result and size + length <= len(file.pages) and first < size:
            file.size += length
        return result

    def reflink(self, source: File, first: int, dest: File, to: int, length: int) -> Result:
        self.wait(source, dest)
        overlap = source is dest and to < first + length and first < to + length
        if first + length > source.size or overlap:
            return -EINVAL
        for offset in range(length):
            dest.pages[to + offset] = self.with_data(source.pages[first + offset])
        dest.size = max(dest.size, to + length)
        return 0


class Fuse(Reference):
    """The host has the blocks: here all pages have one, and what is deallocated reads as zeroes."""

    def fallocate(self, file: File, mode: str, first: int, length: int) -> Result:
        pages = range(first, first + length)
        if mode in ("COLLAPSE_RANGE", "INSERT_RANGE"):
            return -EOPNOTSUPP
        if mode == "KEEP_SIZE":
            return 0
        self.wait(file)
        if mode in ("PUNCH_HOLE", "ZERO_RANGE"):
            self.free(file, pages)
        if mode != "PUNCH_HOLE":
            file.size = max(file.size, pages.stop)
        return 0


Made = Callable[[Mapping[str, int], Sequence[Sequence[str]], Sequence[tuple[int, str]]], Reference]

REFERENCES: dict[str, Made] = {"ext4": Ext4, "fuse": Fuse, "xfs": Xfs}
"""By the name of the file system."""
