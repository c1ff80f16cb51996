"""What each operation does: system calls, memory accesses and driver calls, on behalf of a task. One module a family.

Their order here is the order of listings and of the byte form.
"""

from daxfuzz.program.operations import devices, files, fuse, memory, processes, references, transfers
from daxfuzz.program.operations.operation import MAP_PRIVATE, OPERATIONS, READ_ONLY, SIGNATURES, Operation, Result

__all__ = [
    "MAP_PRIVATE",
    "OPERATIONS",
    "READ_ONLY",
    "SIGNATURES",
    "Operation",
    "Result",
    "devices",
    "files",
    "fuse",
    "memory",
    "processes",
    "references",
    "transfers",
]
