"""What each operation does: system calls, memory accesses and driver calls, on behalf of a task. One module a family.

Their order here is the order of listings and of the byte form.
"""

from daxfuzz.program.operations import files, memory, processes, references
from daxfuzz.program.operations.operation import OPERATIONS, SIGNATURES, Operation, Result

__all__ = ["OPERATIONS", "SIGNATURES", "Operation", "Result", "files", "memory", "processes", "references"]
