"""The model and the reference side by side: the same calls, one after the other, and how they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from daxfuzz.kernel.entry import Entry
from daxfuzz.kernel.inode import block_of, mapped_block
from daxfuzz.kernel.machine import Machine
from daxfuzz.oracles.lookup import leaves, translations
from daxfuzz.program.case import Call, Program, Setup
from daxfuzz.program.simulation import Simulation
from daxfuzz.sim import Scheduler, World
from daxfuzz.triage.bench import Bench, KernelChoice, verdict
from daxfuzz.triage.sequential.filesystems import REFERENCES
from daxfuzz.triage.sequential.reference import Reference

BIAS = 64
"""GUP_PIN_COUNTING_BIAS: more than all references that a short program takes."""

PMD_PAGES = 4
"""More than any file has, so that nothing is allocated beside what is asked for."""

MAX_PAGES = PMD_PAGES - 1


class Differs(AssertionError):
    """The model does something else than the reference."""


class OneByOne(Scheduler):
    """Begins a call when no other can go on.

    order: index of the task that makes each call.
    between: called before each call, and with the number of calls made so far.
    """

    def __init__(self, sim: Simulation, order: Sequence[int], between: Callable[[int], None]) -> None:
        self.order = order
        self.between = between
        self.begun = 0
        self.running: list[int] = []
        sim.on_end.append(lambda task, call, result: self.running.remove(task.index))

    def new_execution(self, world: World) -> None:
        self.begun = 0
        self.running.clear()

    def next_task(self, enabled: Sequence[int], current: int) -> int:
        if current in self.running and current in enabled:
            return current
        woken = next((task for task in self.running if task in enabled), None)
        if woken is not None:
            return woken
        self.between(self.begun)
        task = self.order[self.begun] if self.begun < len(self.order) else -1
        if task not in enabled:
            raise Differs(f"the task of call {self.begun + 1} cannot go on")
        self.begun += 1
        self.running.append(task)
        return task


@dataclass(frozen=True, slots=True)
class Beside:
    """Calls for both.

    spaces: the tasks of each process, by name; private: (index of a process, file) mapped privately, if at all.
    """

    kernel: KernelChoice
    files: dict[str, int]
    spaces: tuple[tuple[str, ...], ...]
    private: tuple[tuple[int, str], ...] = ()

    def reference(self) -> Reference:
        """A reference that nobody has called yet."""
        return REFERENCES[self.kernel.spec.filesystem](self.files, self.spaces, self.private)

    def prologue(self) -> list[tuple[str, Call]]:
        """Calls by which each process has all files open, and mapped or not, from the start."""
        calls = []
        for number, (first, *_) in enumerate(self.spaces):
            for file in self.files:
                private = (number, file) in self.private
                calls.append((first, Call("fsync", (file,))))
                calls.append((first, Call("mmap", (file, "MAP_PRIVATE")) if private else Call("load", (file, 0))))
        return calls

    def check(self, calls: Sequence[tuple[str, Call]]) -> None:
        """Make calls, by the name of the task. Raises Differs, which says where and how they differ first."""
        names = [name for space in self.spaces for name in space]
        calls = [*self.prologue(), *calls]
        tasks = {name: tuple(call for task, call in calls if task == name) for name in names}
        setup = Setup(self.files, {f"mm{i}": space for i, space in enumerate(self.spaces)})
        program = Program(tasks, setup, Machine(bias=BIAS, pmd_pages=PMD_PAGES))
        bench = Bench(program, self.kernel)
        reference = self.reference()

        def between(made: int) -> None:
            if made:
                reference.call(*calls[made - 1])
            for difference in differences(bench.sim, reference):
                raise Differs("\n".join([f"after {made} calls: {difference}", *history(calls[:made])]))

        execution = bench.run(OneByOne(bench.sim, [names.index(task) for task, _ in calls], between))
        found = verdict(execution)
        if found is not None:
            raise Differs("\n".join([f"{found.kind}: {found.message}", *history(calls)]))
        between(len(calls))


def history(calls: Sequence[tuple[str, Call]]) -> list[str]:
    """Calls, a line each."""
    return [f"  {task}: {call}" for task, call in calls]


def differences(sim: Simulation, reference: Reference) -> Iterator[str]:
    """In what the model differs from the reference, between two calls: results, who waits, files, references, and
    what can be seen through mappings."""
    for task in sim.world.tasks:
        expected = reference.tasks.get(task.name)
        if expected is not None:
            yield from differs(f"results of {task.name}", sim.results[task.index], expected.results)
            waits = task.operation >= 0 and task.point is not None
            yield from differs(f"{task.name} waits", waits, expected.waits is not None)
    for name, file in reference.files.items():
        if reference.gone(file):
            continue
        inode = sim.kernel.inodes[name]
        yield from differs(f"size of {name}", inode.i_size.value, file.size)
        for page in range(len(file.pages)):
            yield from page_differs(sim, reference, name, page)
    if sim.kernel.fuse_conn is None:
        used = sum(bool(owners) for owners in sim.kernel.allocator.table)
        yield from differs("blocks in use", used, reference.blocks())
    yield from views_differ(sim, reference)


def differs(what: str, model: object, expected: object) -> Iterator[str]:
    """A line, if the two differ."""
    if model != expected:
        yield f"{what}: the model has {model}, the reference {expected}"


def page_differs(sim: Simulation, reference: Reference, name: str, page: int) -> Iterator[str]:
    """What is at a page, what it holds, how many files have its block, and how many references there are to it."""
    inode, file = sim.kernel.inodes[name], reference.files[name]
    extent, block = inode.extents[page].value, file.pages[page]
    what = f"{name}[{page}]"
    if sim.kernel.fuse_conn is None:
        kind = "hole" if extent is None else "data" if mapped_block(extent) is not None else "unwritten"
        plain = "hole" if block is None else "data" if block.written else "unwritten"
        yield from differs(what, kind, plain)
        if block is not None:
            owners = sim.kernel.allocator.table[block_of(extent) or 0]
            yield from differs(f"owners of {what}", len(owners), reference.owners(block))
    yield from differs(f"contents of {what}", contents(sim, name, page), file.read(page))
    pfn = block_of(extent)
    if pfn is not None:
        held = [each for each in reference.held() if block is not None and each.block is block]
        expected = sum(BIAS if each.pin else 1 for each in held)
        yield from differs(f"references to {what}", references(sim, pfn), expected)


def contents(sim: Simulation, name: str, page: int) -> int:
    """What the medium has at a page of a file."""
    inode = sim.kernel.inodes[name]
    pfn = mapped_block(inode.extents[page].value)
    if pfn is not None:
        return sim.kernel.blocks[pfn].data
    return inode.fuse.host_pages[page].value if sim.kernel.fuse_conn is not None else 0


def references(sim: Simulation, pfn: int) -> int:
    """What is added to the count of a page that is idle, but for what entries and page tables add."""
    kernel = sim.kernel
    count = kernel.pages[pfn].refcount.value - kernel.dax.idle_refcount()
    for mm in kernel.mms:
        count -= kernel.memory.pte_references() * sum(pte.pfn == pfn and not pte.zero for pte in leaves(mm))
    per_entry = kernel.dax.entry_references(Entry(pfn))
    for inode in kernel.inodes.values():
        entries = inode.i_mapping.i_pages.entries.values()
        count -= per_entry * sum(entry.real and entry.pfn == pfn for entry in entries)
    return count


def views_differ(sim: Simulation, reference: Reference) -> Iterator[str]:
    """Whether what is mapped may be, and shows what it should."""
    names = list(reference.files)
    for mm, space in zip(sim.kernel.mms, reference.spaces, strict=True):
        for address, pte in translations(mm):
            number, page = sim.kernel.file_page(address)
            file = reference.files[names[number]]
            what = f"{mm.name} maps {file.name}[{page}]"
            if not reference.visible(space, file, page):
                yield f"{what}, and the reference does not"
                continue
            block = sim.kernel.zero_page if pte.zero else sim.kernel.blocks[pte.pfn]
            yield from differs(f"{what}, which", block.data, reference.seen(space, file, page))
