"""What files, blocks, mappings and references are after calls of which each ends before the next one begins.

Written from manual pages, as plain data without locks, entries or counts, so that it shares no mistake with the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from daxfuzz.program.case import Call

ENOENT, EBADF, ENOMEM, EFAULT, EEXIST, EINVAL, EFBIG, EOPNOTSUPP = 2, 9, 12, 14, 17, 22, 27, 95

Result = int | str
"""0 or a negative errno; of memory accesses the value, or the name of the signal."""

GET = ("get_user_pages", "get_user_pages_fast")
PIN = ("pin_user_pages", "pin_user_pages_fast")


@dataclass(eq=False, slots=True)
class Block:
    """A block, or a page of memory that is a private copy. written: whether it has data; else it reads as zeroes."""

    value: int = 0
    written: bool = True


@dataclass(eq=False, slots=True)
class File:
    """pages: what is at each page that the file can have, None for a hole; size: in pages."""

    name: str
    size: int
    pages: list[Block | None]
    named: bool = True

    def read(self, page: int) -> int:
        """What a page holds."""
        block = self.pages[page]
        return block.value if block is not None and block.written else 0


@dataclass(eq=False, slots=True)
class Space:
    """What the tasks of a process share. mapped: by file, whether shared; copies: of private mappings, by page."""

    mapped: dict[File, bool]
    opened: set[File]
    copies: dict[tuple[File, int], Block] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A reference. block: None for the zero page, which stands for a hole."""

    block: Block | None
    pin: bool
    write: bool


@dataclass(eq=False, slots=True)
class Task:
    """waits: the call that waits until nobody refers to pages; dead: a signal has ended it."""

    name: str
    index: int
    space: Space
    registers: dict[str, tuple[Held, ...]] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    waits: Call | None = None
    dead: bool = False


class Busy(Exception):
    """The call waits until nobody refers to a page."""


class Reference(ABC):
    """A file system on DAX, in which a change of a file waits for all who refer to its pages.

    files: sizes in pages; at first all are allocated, zeroed, and open in each process.
    spaces: the names of the tasks of each process.
    private: (index of a process, file) that is to be mapped privately: it is not mapped at first, others are.

    Subclasses are the file systems.
    """

    trims_collapsed = True
    """Whether moving what is in a file takes private copies of all that moves."""

    evicts = True
    """Whether the blocks of a file that nobody refers to are freed at once."""

    def __init__(
        self, files: Mapping[str, int], spaces: Sequence[Sequence[str]], private: Sequence[tuple[int, str]] = ()
    ) -> None:
        self.files = {name: File(name, size, [Block() for _ in range(size)]) for name, size in files.items()}
        self.tasks: dict[str, Task] = {}
        self.spaces: list[Space] = []
        for number, names in enumerate(spaces):
            mapped = {file: True for name, file in self.files.items() if (number, name) not in private}
            self.spaces.append(Space(mapped, set(self.files.values())))
            for name in names:
                self.tasks[name] = Task(name, len(self.tasks), self.spaces[-1])

    # -- calls ---------------------------------------------------------------------------------------------------

    def call(self, name: str, call: Call) -> None:
        """Let a task make a call, and let those go on that no longer have to wait."""
        self.attempt(self.tasks[name], call)
        for task in self.tasks.values():
            if task.waits is not None:
                self.attempt(task, task.waits)

    def attempt(self, task: Task, call: Call) -> None:
        """Make a call if it need not wait."""
        try:
            result = self.perform(task, call)
        except Busy:
            task.waits = call
            return
        task.waits = None
        task.results.append(result)
        task.dead = isinstance(result, str)

    def allows(self, name: str, call: Call) -> bool:
        """Whether a task can make a call, and this knows what it does.

        Not failures of memory, and not calls on files that somebody has locked who waits; nor READ_ONLY where kernels
        differ: pins through private mappings, and references to blocks that files share.
        """
        task = self.tasks[name]
        if task.dead or task.waits is not None or "MADV_HWPOISON" in call.arguments:
            return False
        files = [self.files[str(argument)] for argument in call.arguments if argument in self.files]
        locked = [str(argument) for each in self.tasks.values() if each.waits for argument in each.waits.arguments]
        if call.name in GET + PIN:
            return "READ_ONLY" not in call.arguments or self.readable_alike(task, call, files[0])
        if call.name in ("load", "store", "put_page", "unpin_user_pages", "release_pages", "dma_write", "madvise"):
            return True
        if any(file.name in locked for file in files):
            return False
        last = call.name in ("close", "munmap", "unlink")
        return not last or not self.would_evict(task, call, files[0]) or (self.evicts and not self.busy(files[0]))

    def readable_alike(self, task: Task, call: Call, file: File) -> bool:
        """Whether all kernels give the same pages to who only reads."""
        shared = any(self.owners(block) > 1 for block in file.pages if block is not None)
        return not shared and (call.name in GET or task.space.mapped.get(file, True))

    def would_evict(self, task: Task, call: Call, file: File) -> bool:
        """Whether nobody refers to a file after a call any more."""
        users = [(space, kind) for space in self.spaces for kind in (space.opened, space.mapped) if file in kind]
        if call.name == "unlink":
            return not users
        gone = task.space.opened if call.name == "close" else task.space.mapped
        return not file.named and all(kind is gone for _, kind in users)

    def perform(self, task: Task, call: Call) -> Result:
        """The result of a call. Raises Busy, with nothing changed, if it has to wait."""
        name, arguments = call.name, call.arguments
        if name in GET + PIN:
            return self.refer(task, call)
        if name in ("put_page", "unpin_user_pages", "release_pages"):
            return 0 if task.registers.pop(str(arguments[0]), ()) else -EINVAL
        if name == "dma_write":
            return self.dma_write(task, str(arguments[0]))
        file = self.files[str(arguments[0])]
        numbers = [argument for argument in arguments[1:] if isinstance(argument, int)]
        match name:
            case "load" | "store":
                return self.access(task, file, numbers[0], name == "store")
            case "munmap":
                task.space.mapped.pop(file, None)
                self.forget_copies(file, range(len(file.pages)), [task.space])
                return self.put(file)
            case "madvise":
                self.forget_copies(file, range(numbers[0], sum(numbers)), [task.space])
                return 0 if file in task.space.mapped else -ENOMEM
            case "open":
                return self.open(file, "O_TRUNC" in arguments)
            case "unlink":
                return self.unlink(file)
        if file not in task.space.opened:
            return -EBADF
        match name:
            case "mmap":
                if file in task.space.mapped:
                    return -EEXIST
                task.space.mapped[file] = "MAP_PRIVATE" not in arguments
                return 0
            case "close":
                task.space.opened.remove(file)
                return self.put(file)
            case "truncate":
                return self.truncate(file, numbers[0])
            case "fallocate":
                return self.fallocate(file, str(arguments[1]), *numbers)
            case "write":
                self.write(file, numbers[0], self.unique_value(task))
                file.size = max(file.size, numbers[0] + 1)
                return 0
            case "reflink":
                other = self.files[str(arguments[2])]
                return self.reflink(file, numbers[0], other, *numbers[1:]) if other in task.space.opened else -EBADF
            case "fsync":
                return 0
        raise ValueError(f"the reference does not know {name}")

    def unique_value(self, task: Task) -> int:
        """What a call writes."""
        return (task.index + 1) * 1000 + len(task.results)

    # -- memory --------------------------------------------------------------------------------------------------

    def visible(self, space: Space, file: File, page: int) -> bool:
        """Whether a page can be reached through a mapping."""
        return file in space.mapped and page < file.size

    def seen(self, space: Space, file: File, page: int) -> int:
        """What a process reads through its mapping."""
        copy = space.copies.get((file, page))
        return file.read(page) if copy is None else copy.value

    def access(self, task: Task, file: File, page: int, store: bool) -> Result:
        """A load or a store."""
        if file not in task.space.mapped:
            return "SIGSEGV"
        if page >= file.size:
            return "SIGBUS"
        if not store:
            return self.seen(task.space, file, page)
        target = self.writable(task.space, file, page)
        target.value = self.unique_value(task)
        return target.value

    def writable(self, space: Space, file: File, page: int) -> Block:
        """What a write through a mapping goes to."""
        if space.mapped[file]:
            return self.allocated(file, page)
        return space.copies.setdefault((file, page), Block(file.read(page)))

    def allocated(self, file: File, page: int) -> Block:
        """The block of a page to write to, its own and with data."""
        block = file.pages[page]
        if block is None or self.owners(block) > 1:
            block = file.pages[page] = Block(file.read(page))
        if not block.written:
            block.value = 0
        block.written = True
        return block

    def forget_copies(self, file: File, pages: range, spaces: Sequence[Space] = ()) -> None:
        """Private copies of some pages go, in all processes or in some."""
        for space in spaces or self.spaces:
            for page in pages:
                space.copies.pop((file, page), None)

    # -- references ----------------------------------------------------------------------------------------------

    def refer(self, task: Task, call: Call) -> Result:
        """Take references to as many pages as can be had: 0, or the error of the first one."""
        file, first = self.files[str(call.arguments[0])], int(call.arguments[1])
        length = next((each for each in call.arguments[2:] if isinstance(each, int)), 1)
        write = "READ_ONLY" not in call.arguments
        if file not in task.space.mapped:
            return -EFAULT
        held = []
        longterm = "FOLL_LONGTERM" in call.arguments
        for page in range(first, min(first + length, file.size)):
            # Without a look at the VMA nobody sees that a private copy is in a mapping of DAX.
            if longterm and not (call.name == "pin_user_pages_fast" and (file, page) in task.space.copies):
                break
            if write:
                block: Block | None = self.writable(task.space, file, page)
            else:
                block = task.space.copies.get((file, page)) or self.with_data(file.pages[page])
            held.append(Held(block, call.name in PIN, write))
        if not held:
            return -EOPNOTSUPP if longterm else -EFAULT
        assert call.result is not None
        task.registers[call.result] = tuple(held)
        return 0

    def with_data(self, block: Block | None) -> Block | None:
        """A block, if it has data."""
        return block if block is not None and block.written else None

    def dma_write(self, task: Task, register: str) -> Result:
        """A device writes to all that a register refers to."""
        held = task.registers.get(register, ())
        if not held or not held[0].write:
            return -EINVAL
        for each in held:
            assert each.block is not None
            each.block.value = self.unique_value(task)
        return self.unique_value(task)

    def held(self) -> Iterator[Held]:
        """All references."""
        for task in self.tasks.values():
            for held in task.registers.values():
                yield from held

    def busy(self, *files: File) -> bool:
        """Whether anybody refers to a page of some files."""
        return any(each.block is not None and each.block in file.pages for each in self.held() for file in files)

    def wait(self, *files: File) -> None:
        """Raises Busy while anybody refers to a page of some files."""
        if self.busy(*files):
            raise Busy

    # -- files ---------------------------------------------------------------------------------------------------

    def owners(self, block: Block) -> int:
        """How many pages of files have a block."""
        return sum(page is block for file in self.files.values() for page in file.pages)

    def blocks(self) -> int:
        """How many blocks are in use."""
        return len({id(page): page for file in self.files.values() for page in file.pages if page is not None})

    def write(self, file: File, page: int, value: int) -> None:
        """write(2) of one page."""
        self.allocated(file, page).value = value

    def open(self, file: File, truncate: bool) -> Result:
        """open(2), and close(2)."""
        if not file.named:
            return -ENOENT
        return self.truncate(file, 0) if truncate else 0

    def unlink(self, file: File) -> Result:
        """The name goes."""
        if not file.named:
            return -ENOENT
        file.named = False
        return self.put(file)

    def put(self, file: File) -> Result:
        """One that referred to a file no longer does; the last one takes its blocks along."""
        if self.gone(file):
            file.size = 0
            self.free(file, range(len(file.pages)))
        return 0

    def gone(self, file: File) -> bool:
        """Whether nobody can refer to a file any more."""
        return not file.named and not any(file in space.opened or file in space.mapped for space in self.spaces)

    def free(self, file: File, pages: range) -> None:
        """Pages become holes."""
        for page in pages:
            file.pages[page] = None

    def preallocate(self, file: File, pages: range) -> None:
        """Holes get blocks without data."""
        for page in pages:
            if file.pages[page] is None:
                file.pages[page] = Block(written=False)

    def truncate(self, file: File, size: int) -> Result:
        """ftruncate(2). What was allocated beyond the end goes, too, unless the file grows."""
        self.wait(file)
        if size <= file.size:
            self.free(file, range(size, len(file.pages)))
        file.size = size
        self.forget_copies(file, range(size, len(file.pages)))
        return 0

    @abstractmethod
    def fallocate(self, file: File, mode: str, first: int, length: int) -> Result:
        """fallocate(2)."""

    def collapse(self, file: File, first: int, length: int) -> Result:
        """FALLOC_FL_COLLAPSE_RANGE."""
        if first + length >= file.size:
            return -EINVAL
        del file.pages[first : first + length]
        file.pages += [None] * length
        file.size -= length
        self.forget_copies(file, range(first if self.trims_collapsed else file.size, len(file.pages)))
        return 0

    def insert(self, file: File, first: int, length: int, immovable: int) -> Result:
        """FALLOC_FL_INSERT_RANGE. immovable: the error where something is too far beyond the end to be moved."""
        if file.size + length > len(file.pages):
            return -EFBIG
        if first >= file.size:
            return -EINVAL
        if any(page is not None for page in file.pages[-length:]):
            return immovable
        file.pages[first:] = [None] * length + file.pages[first:-length]
        file.size += length
        if self.trims_collapsed:
            self.forget_copies(file, range(first, len(file.pages)))
        return 0

    def reflink(self, source: File, first: int, dest: File, to: int, length: int) -> Result:
        """ioctl(FICLONERANGE)."""
        return -EOPNOTSUPP
