"""What can be said of a program's processes before it runs: who forks whom, and who maps what how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.program.operations import MAP_PRIVATE, SIGNATURES
from daxfuzz.program.signature import Kind

if TYPE_CHECKING:
    from daxfuzz.program.case import Call, Program


def address_spaces(program: Program) -> dict[str, tuple[str, ...]]:
    """The tasks of each mm, by its name: as the set-up says, else one mm per task."""
    if program.setup.mms:
        return dict(program.setup.mms)
    return {f"mm{i}": (name,) for i, name in enumerate(program.tasks)}


def parents(program: Program) -> dict[str, list[str]]:
    """For each mm those that may fork it, which come before it. One that has any is not there at the start."""
    spaces = address_spaces(program)
    home = {task: mm for mm, members in spaces.items() for task in members}
    order = list(spaces)
    found: dict[str, list[str]] = {mm: [] for mm in spaces}
    for task, calls in program.tasks.items():
        for call in calls:
            if call.name == "fork":
                child = home[str(call.arguments[0])]
                if order.index(home[task]) < order.index(child) and home[task] not in found[child]:
                    found[child].append(home[task])
    return found


def maps_private(call: Call) -> bool:
    """Whether a call is an mmap with MAP_PRIVATE."""
    return call.name == "mmap" and MAP_PRIVATE in call.arguments[1:]


def mapped_files(program: Program, members: tuple[str, ...]) -> list[str]:
    """Files that a mm maps (shared) at the start: those in which its tasks name an address or a mapping.

    A mm that reaches a file only through descriptors does not map it, and one that maps it privately has to do so
    before it uses it.
    """
    calls = [call for member in members for call in program.tasks[member]]
    private = [call.arguments[0] for call in calls if maps_private(call)]
    return [file for call in calls for file in named_mappings(call) if file not in private]


def opened_files(program: Program, members: tuple[str, ...]) -> list[str]:
    """Files that a process has open at the start: those that its tasks reach through descriptors."""
    return [
        str(argument)
        for member in members
        for call in program.tasks[member]
        for parameter, argument in zip(SIGNATURES[call.name].parameters, call.arguments, strict=False)
        if parameter.descriptor
    ]


def named_mappings(call: Call) -> list[str]:
    """Files that a call reaches through mappings."""
    kinds = [parameter.kind for parameter in SIGNATURES[call.name].parameters]
    found = []
    for position, argument in enumerate(call.arguments):
        if kinds[position] is not Kind.FILE:
            continue
        following = kinds[position + 1 :]
        if Kind.FILE in following:
            following = following[: following.index(Kind.FILE)]
        if Kind.PAGE in following or call.name in ("munmap", "mremap"):
            found.append(str(argument))
    return found


def private_pages(program: Program) -> int:
    """Pages of all files that somebody maps privately."""
    files = {call.arguments[0] for calls in program.tasks.values() for call in calls if maps_private(call)}
    return sum(pages for file, pages in program.setup.files.items() if file in files)


def ram_pages(program: Program) -> int:
    """Pages of memory for private mappings: what the machine has, or what the program can use at a time.

    That is for each mm what it maps, for each task what a zap has still to free and one copy in the making, and what
    references keep.
    """
    private = private_pages(program)
    if not private:
        return 0
    if program.machine.ram_pages:
        return program.machine.ram_pages
    spaces = address_spaces(program)
    calls = [call for calls in program.tasks.values() for call in calls]
    references = sum(program.setup.files[str(call.arguments[0])] for call in calls if takes(call))
    return private * (len(spaces) + len(program.tasks)) + len(program.tasks) + references


def takes(call: Call) -> bool:
    """Whether a call takes references that outlive it."""
    return call.result is not None or call.name in ("vmsplice", "direct_read")


def kinds_of_mappings(program: Program) -> dict[tuple[str, str], frozenset[str]]:
    """For each (mm, file) the kinds of mapping that the mm may ever have: "shared", "private"; a child's are its
    parents', too."""
    forked = parents(program)
    found: dict[tuple[str, str], frozenset[str]] = {}
    for mm, members in address_spaces(program).items():
        at_start = [] if forked[mm] else mapped_files(program, members)
        calls = [call for member in members for call in program.tasks[member] if call.name == "mmap"]
        for file in program.setup.files:
            kinds = {"private" if maps_private(call) else "shared" for call in calls if call.arguments[0] == file}
            if file in at_start:
                kinds.add("shared")
            found[mm, file] = frozenset(kinds).union(*(found[parent, file] for parent in forked[mm]))
    return found
