"""Ghost state: what was written to each file page, and when."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING

from daxfuzz.kernel.gup import Foll
from daxfuzz.kernel.inode import block_of
from daxfuzz.oracles.ghost import Ghost
from daxfuzz.oracles.oracle import listen
from daxfuzz.program.processes import kinds_of_mappings

if TYPE_CHECKING:
    from daxfuzz.kernel.kept import Kept
    from daxfuzz.program.case import Call
    from daxfuzz.program.operations import Result
    from daxfuzz.program.simulation import Simulation
    from daxfuzz.sim import Task

VALUES = frozenset(("store", "dma_write", "write", "pwrite"))
"""Calls that write a value of their own."""
ZEROES = frozenset(("truncate", "fallocate", "open"))
"""Calls that leave zeroes behind."""
SHIFTS = frozenset(("COLLAPSE_RANGE", "INSERT_RANGE"))
"""Modes of fallocate that move contents to other pages."""
WRITES = VALUES | ZEROES | {"reflink"}

Write = list[int]
"""[value, clock at the begin, at the end or 0 while it is under way, at the return]: one write to a file page.

The end is FAILED where the call failed; the return is that of the call all the same.
"""

FAILED = 1 << 60
"""End of a write that failed: it may have happened in part, and supersedes nothing."""


COPIED = -1
"""In place of the value of what reflink has written."""


class Private:
    """What one mm has written to one file that it maps privately, and what it has from its parents, by page."""

    def __init__(self, pages: int) -> None:
        self.pages: list[list[Write]] = [[] for _ in range(pages)]
        self.inherited: list[list[Write]] = [[] for _ in range(pages)]

    def reset(self) -> None:
        for history in (*self.pages, *self.inherited):
            history.clear()


class Histories(Ghost):
    """Follows the calls that write, and the devices.

    clock: counts begins and ends of the calls that matter.
    pages: the writes to each file page, in the order of their begins.
    copies: what reflink has written, with the file page that it has come from.
    kept: zeroes of calls that make what they remove durable before.
    moved: per file the clock at the begin of the first call that moved its contents, if there is one.
    moving: per file the same of those that are under way, by task.
    children: (parent, child) for each mm that was forked, in this order.
    private: by mm and file, what is written through private mappings, which is not written to the file.
    mixed: files that one mm may map both ways.
    """

    def __init__(self, sim: Simulation) -> None:
        super().__init__(sim)
        files = sim.program.setup.files
        self.pages: dict[tuple[str, int], list[Write]] = {
            (file, page): [] for file, pages in files.items() for page in range(pages)
        }
        programs = sim.program.tasks
        self.written = {
            (task.index, position): self.histories_of(call)
            for task in sim.world.tasks
            for position, call in enumerate(programs.get(task.name, ()))
            if call.name in WRITES
        }
        kinds = kinds_of_mappings(sim.program)
        mms = {mm.name: mm for mm in self.kernel.mms}
        self.mixed = {file for (_, file), both in kinds.items() if len(both) > 1}
        self.private: dict[tuple[int, str], Private] = {
            (mms[mm].index, file): Private(files[file]) for (mm, file), how in kinds.items() if "private" in how
        }
        listen(self.kernel.request_queue, "on_submit", self.submitted)
        listen(self.kernel.request_queue, "on_done", self.done)
        sim.on_begin.append(self.began, WRITES)
        sim.on_begin.append(self.began_to_move, ("fallocate",))
        sim.on_end.append(self.ended, WRITES)
        sim.on_end.append(self.has_moved, ("fallocate",))
        sim.on_end.append(self.forked, ("fork",))
        sim.world.on_reset.append(self.reset)
        sim.world.memories[type(self).__name__] = self.memory
        self.reset()

    def reset(self) -> None:
        self.clock = 1
        for history in self.pages.values():
            history[:] = [[0, 0, 1, 1]]
        for private in self.private.values():
            private.reset()
        self.transfers: dict[Kept, Write] = {}
        self.open: dict[int, list[Write]] = {}
        self.children: list[tuple[int, int]] = []
        self.copies: list[tuple[Write, tuple[str, int]]] = []
        self.kept: list[Write] = []
        self.moved: dict[str, int] = {}
        self.moving: dict[str, dict[int, int]] = {}

    def memory(self) -> Hashable:
        """What was written, as data. Of the clock only the order of its times counts."""
        lists = [*self.pages.values()]
        for private in self.private.values():
            lists += (*private.pages, *private.inherited)
        number = {id(write): (place, each) for place, writes in enumerate(lists) for each, write in enumerate(writes)}
        rank = self.ranks()
        # A list of what was inherited shares its writes with the parent's.
        writes = tuple(
            [tuple([(write[0], *map(rank, write[1:]), number[id(write)]) for write in each]) for each in lists]
        )
        open_ = tuple(sorted((task, tuple([number[id(write)] for write in mine])) for task, mine in self.open.items()))
        return (
            writes,
            open_,
            tuple(sorted((bio.task, bio.pfn, bio.value, number[id(write)]) for bio, write in self.transfers.items())),
            tuple([(number[id(write)], source) for write, source in self.copies]),
            tuple([number[id(write)] for write in self.kept]),
            tuple(self.children),
            tuple(sorted((file, rank(time)) for file, time in self.moved.items())),
            tuple(
                sorted((file, task, rank(time)) for file, mine in self.moving.items() for task, time in mine.items())
            ),
        )

    def moments(self, times: Mapping[int, int]) -> Hashable:
        """When calls of tasks have begun, as data."""
        rank = self.ranks()
        return tuple(sorted((task, rank(time)) for task, time in times.items()))

    def ranks(self) -> Callable[[int], int]:
        """The place of a time among those of the writes and moves; of two between the same ones it is the same."""
        known = {0, FAILED, *self.moved.values()}
        for histories in (self.pages.values(), *((*each.pages, *each.inherited) for each in self.private.values())):
            known.update(time for writes in histories for write in writes for time in write[1:])
        for mine in self.moving.values():
            known.update(mine.values())
        times = sorted(known)

        def rank(time: int) -> int:
            place = bisect_left(times, time)
            return -1 if time == FAILED else 2 * place + (times[place] == time)

        return rank

    def tick(self) -> int:
        """The next moment."""
        self.clock += 1
        return self.clock

    def histories_of(self, call: Call) -> list[list[Write]]:
        """Histories of the pages that a call writes; of a device write that is known only when it begins."""
        if call.name == "dma_write":
            return []
        file = str(call.arguments[0])
        if call.name == "reflink":
            file = str(call.arguments[2])
            pages = range(int(call.arguments[3]), int(call.arguments[3]) + int(call.arguments[4]))
        elif call.name == "open":
            pages = range(self.sim.program.setup.files[file] if "O_TRUNC" in call.arguments else 0)
        elif call.name == "truncate":
            pages = range(int(call.arguments[1]), self.sim.program.setup.files[file])
        elif call.name == "fallocate":
            first, length = int(call.arguments[2]), int(call.arguments[3])
            removed = call.arguments[1] in ("PUNCH_HOLE", "ZERO_RANGE", "COLLAPSE_RANGE")
            pages = range(first, first + length if removed else first)
        else:
            pages = range(int(call.arguments[1]), int(call.arguments[1]) + 1)
        return [self.pages[file, page] for page in pages]

    def private_of(self, task: Task, file: str) -> Private | None:
        """What the task's mm has written to a file that it maps privately."""
        return self.private.get((self.kernel.mm_of[task.index].index, file)) if self.private else None

    def written_by(self, task: Task, call: Call) -> list[list[Write]]:
        """Histories that a call writes to."""
        if call.name == "dma_write":
            return self.device_pages(task, call)
        if call.name == "store":
            private = self.private_of(task, str(call.arguments[0]))
            if private is not None:
                return [private.pages[int(call.arguments[1])]]
        return self.written[task.index, task.operation]

    def device_pages(self, task: Task, call: Call) -> list[list[Write]]:
        """The histories of the pages that a register refers to."""
        names = list(self.kernel.inodes)
        found = []
        for each in self.sim.registers[task.index].get(str(call.arguments[0]), ()):
            private = self.private_of(task, names[each.inode])
            if each.page.ram and private is not None:
                found.append(private.pages[each.file_page])
            elif each.flags & Foll.WRITE:
                found.append(self.pages[names[each.inode], each.file_page])
        return found

    def began(self, task: Task, call: Call) -> None:
        self.clock = clock = self.clock + 1
        name = call.name
        value = self.sim.unique_value(task) if name in VALUES else COPIED if name == "reflink" else 0
        writes = self.open[task.index] = []
        for history in self.written_by(task, call):
            write = [value, clock, 0, 0]
            history.append(write)
            writes.append(write)
        if name == "fallocate" and self.kernel.fs.writes_removed:
            self.kept += writes
        if name == "dma_write":
            for each in self.sim.registers[task.index].get(str(call.arguments[0]), ()):
                if each.page.ram and not each.flags & Foll.PIN:
                    self.seen_by_children(task.index, each.inode, each.file_page, value)
        if name == "reflink":
            file, first = str(call.arguments[0]), int(call.arguments[1])
            self.copies += [(write, (file, first + offset)) for offset, write in enumerate(writes)]

    def ended(self, task: Task, call: Call, result: Result) -> None:
        self.clock = clock = self.clock + 1
        failed = isinstance(result, str) or result < 0
        device = call.name == "dma_write"
        if failed or (device and (self.plain_reference_of_private_page(task, call) or self.without_disk(task, call))):
            end = FAILED
        else:
            end = clock
        for write in self.open[task.index]:
            write[2] = end
            write[3] = clock

    def began_to_move(self, task: Task, call: Call) -> None:
        if call.arguments[1] in SHIFTS:
            self.moving.setdefault(str(call.arguments[0]), {})[task.index] = self.clock

    def has_moved(self, task: Task, call: Call, result: Result) -> None:
        if call.arguments[1] in SHIFTS:
            file = str(call.arguments[0])
            begin = self.moving[file].pop(task.index)
            if result == 0:
                self.moved[file] = min(begin, self.moved.get(file, begin))

    def current(self, file: str, page: int, value: int, begin: int) -> bool:
        """Whether a read that began at a moment and ends now may return a value."""
        return self.had((file, page), value, begin, self.clock, [])

    def had(self, place: tuple[str, int], value: int, begin: int, end: int, seen: list[Write]) -> bool:
        """Whether a file page can have had a value at some time from `begin` to `end`.

        seen: copies that lead here; two files that are given to each other at once lead back to where one was.

        Contents that calls move within a file are not followed: once one has begun, a page may have what any page of
        the file has had since, or zeroes.
        """
        file = place[0]
        first = min((*self.moving.get(file, {}).values(), self.moved.get(file, end)), default=end)
        if first >= end:
            return self.fresh(self.pages.get(place, []), value, begin, end, seen)
        since = min(begin, first)
        return not value or any(
            self.fresh(history, value, since, end, seen) for (other, _), history in self.pages.items() if other == file
        )

    def fresh(self, history: list[Write], value: int, begin: int, end: int, seen: list[Write]) -> bool:
        """Whether a value is that of a write that no later one had replaced completely at a moment."""
        last = 0
        for _, write_begin, write_end, _ in history:
            if 0 < write_end < begin and write_begin > last:
                last = write_begin
        for write in history:
            written, write_begin, write_end, _ = write
            if write_begin > end or 0 < write_end < last or any(write is each for each in seen):
                continue
            if written == value:
                return True
            if written == COPIED:
                source = next(source for copy, source in self.copies if copy is write)
                if self.had(source, value, write_begin, min(write_end or end, end), [*seen, write]):
                    return True
        return False

    def being_removed(self, file: str, page: int, begin: int) -> bool:
        """Whether a call that forgets what a page has was under way at some time since a moment."""
        return any(
            not write[0] and (not write[3] or write[3] >= begin) and not any(write is each for each in self.kept)
            for write in self.pages[file, page]
        )

    def submitted(self, bio: Kept) -> None:
        """A device may write from now on."""
        file = list(self.kernel.inodes)[bio.inode]
        history = self.pages[file, bio.file_page]
        private = self.private_of(self.sim.world.tasks[bio.task], file)
        if private is not None and bio.pfn >= self.kernel.device_pages:
            history = private.pages[bio.file_page]
        write = self.transfers[bio] = [bio.value, self.tick(), 0, 0]
        history.append(write)
        if bio.pfn >= self.kernel.device_pages:
            self.seen_by_children(bio.task, bio.inode, bio.file_page, bio.value)

    def done(self, bio: Kept) -> None:
        """A device has written; to a private page through a plain reference, which the process may not have by now."""
        write = self.transfers.pop(bio)
        write[3] = self.tick()
        lost = bio.pfn >= self.kernel.device_pages or self.lost_without_disk(bio.inode, bio.file_page, bio.pfn)
        write[2] = FAILED if lost else write[3]

    def forked(self, task: Task, call: Call, result: Result) -> None:
        """A child has what its parent has written until now, or inherited."""
        if result != 0:
            return
        self.tick()
        parent = self.kernel.mm_of[task.index].index
        child = self.kernel.mm_of[self.sim.task(str(call.arguments[0])).index].index
        self.children.append((parent, child))
        for (mm, file), private in self.private.items():
            if mm == child and (parent, file) in self.private:
                theirs = self.private[parent, file]
                for page, inherited in enumerate(private.inherited):
                    inherited += theirs.inherited[page] + theirs.pages[page]

    def seen_by_children(self, task: int, inode: int, page: int, value: int) -> None:
        """A device writes through a plain reference to a private page. Who has been forked since that was taken may
        see it: fork leaves such a page to both (open(2) warns of it)."""
        file = list(self.kernel.inodes)[inode]
        heirs = [self.kernel.mm_of[task].index]
        for parent, child in self.children:
            private = self.private.get((child, file))
            if parent in heirs and private is not None:
                heirs.append(child)
                private.inherited[page].append([value, self.clock, FAILED, self.clock])

    def without_disk(self, task: Task, call: Call) -> bool:
        """Whether a device has written to a block that its file has lost without a disk."""
        references = self.sim.registers[task.index].get(str(call.arguments[0]), ())
        return any(self.lost_without_disk(each.inode, each.file_page, each.page.pfn) for each in references)

    def lost_without_disk(self, inode: int, page: int, pfn: int) -> bool:
        """Whether a file has a block no more that the medium says it has, since there is no disk any more.

        The removal of the device has deleted the entry, so no truncation waits for who uses the page; but no
        transaction commits, either, and the block is never freed.
        """
        extent = self.kernel.inode_by_number(inode).extents[page].value
        return self.kernel.q_usage.dying and pfn < self.kernel.device_pages and block_of(extent) != pfn

    def plain_reference_of_private_page(self, task: Task, call: Call) -> bool:
        """Whether a device has written through a FOLL_GET reference to a private page: fork does not heed those, so
        that the process may have another page by now."""
        references = self.sim.registers[task.index].get(str(call.arguments[0]), ())
        return any(each.page.ram and not each.flags & Foll.PIN for each in references)
