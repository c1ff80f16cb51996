"""A state machine that makes calls one after the other, on the model and on a plain reference."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from daxfuzz.program.case import Argument, Call, KernelSpec
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.scope import OMITTED, Scope
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.sequential.beside import MAX_PAGES, Beside
from daxfuzz.triage.sequential.filesystems import REFERENCES
from daxfuzz.triage.user_choice import with_patches

MEMORY = ("load", "store", "mmap", "munmap", "madvise")
FILES = ("truncate", "fallocate", "write", "fsync", "open", "close", "unlink")
TAKE = ("get_user_pages", "get_user_pages_fast", "pin_user_pages", "pin_user_pages_fast")
DROP = ("dma_write", "put_page", "unpin_user_pages", "release_pages")

SPACES = ((("t0",),), (("t0",), ("t1",)), (("t0", "t1"),))
"""Tasks of each process, the simplest first."""


class SequentialMachine(RuleBasedStateMachine):
    """Calls that do not overlap do what a plain reference says: results, sizes, blocks, contents, references, and what
    mappings show are compared after each call, also while one of them waits for references to go.

    The calls are made when all of them are known, so that a task's program is complete before it begins.

    Subclasses set `kernel`; see :func:`sequential_machine`.
    """

    kernel: KernelChoice

    @initialize(
        sizes=st.lists(st.integers(1, MAX_PAGES), min_size=1, max_size=2),
        spaces=st.sampled_from(SPACES),
        private=st.sampled_from(((), ((0, "file0"),))),
    )
    def set_up(
        self, sizes: list[int], spaces: tuple[tuple[str, ...], ...], private: tuple[tuple[int, str], ...]
    ) -> None:
        """Files that are allocated and open; all mapped shared, or one privately by the first process."""
        files = {f"file{number}": size for number, size in enumerate(sizes)}
        self.beside = Beside(self.kernel, files, spaces, private)
        self.expected = self.beside.reference()
        for name, call in self.beside.prologue():
            self.expected.call(name, call)
        self.scopes = {name: Scope(files, list(self.expected.tasks)) for name in self.expected.tasks}
        self.calls: list[tuple[str, Call]] = []

    @rule(data=st.data())
    def use_memory(self, data: st.DataObject) -> None:
        """Access a file through a mapping, or change the mapping."""
        self.make(data, MEMORY)

    @rule(data=st.data())
    def use_file(self, data: st.DataObject) -> None:
        """Make a system call on a file."""
        self.make(data, FILES)

    @rule(data=st.data())
    def take_references(self, data: st.DataObject) -> None:
        """Get or pin pages."""
        self.make(data, TAKE)

    @precondition(lambda self: any(scope.held for scope in self.scopes.values()))
    @rule(data=st.data())
    def use_references(self, data: st.DataObject) -> None:
        """Let a device write to pages that somebody refers to, or drop the references."""
        self.make(data, DROP)

    @precondition(lambda self: self.kernel.spec.filesystem == "xfs")
    @rule(data=st.data())
    def share_blocks(self, data: st.DataObject) -> None:
        """Clone a range of a file."""
        self.make(data, ("reflink",))

    def make(self, data: st.DataObject, operations: Sequence[str]) -> None:
        """Make one of some calls, if the reference knows what it does here."""
        name = data.draw(st.sampled_from(list(self.scopes)))
        scope = self.scopes[name]
        possible = [operation for operation in operations if scope.allows(operation)]
        if not possible:
            return
        operation = data.draw(st.sampled_from(possible))
        arguments: list[Argument] = []
        for parameter in SIGNATURES[operation].parameters:
            argument = data.draw(st.sampled_from(scope.choices(parameter, arguments)))
            if argument != OMITTED:
                arguments.append(argument)
        call = Call(operation, tuple(arguments), scope.result(operation))
        if self.suits(name, call) and self.expected.allows(name, call):
            self.expected.call(name, call)
            scope.take(call)
            self.calls.append((name, call))

    def suits(self, name: str, call: Call) -> bool:
        """Whether it maps files the way that was decided at the start, and with no guarantee for a crash."""
        number = next(number for number, space in enumerate(self.beside.spaces) if name in space)
        private = call.name == "mmap" and (number, call.arguments[0]) in self.beside.private
        return "MAP_SYNC" not in call.arguments and ("MAP_PRIVATE" in call.arguments) == private

    def teardown(self) -> None:
        """Raises Differs."""
        if hasattr(self, "beside"):
            self.beside.check(self.calls)


def sequential_machine(
    protocol: str = "pin-wait-fixed",
    *,
    patches: Sequence[str] = (),
    bugs: Sequence[str] = (),
    filesystem: str = "ext4",
) -> type[SequentialMachine]:
    """The state machine of a kernel: its attribute ``TestCase`` is a test.

    protocol: one on which a truncation waits for all references, such as the -fixed ones.
    patches, bugs: on top, by name; patches also as files of your own.

    Raises ValueError for a file system without a reference, and as composing the kernel does.
    """
    if filesystem not in REFERENCES:
        raise ValueError(f"there is no reference for {filesystem}, only for {', '.join(REFERENCES)}")
    choice = with_patches(KernelSpec(protocol, bugs=tuple(bugs), filesystem=filesystem), patches)
    return type("Sequential", (SequentialMachine,), {"kernel": choice})
