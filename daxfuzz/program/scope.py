"""Which calls are valid at a place of a program that is made call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from daxfuzz.program.calls import dropped_registers
from daxfuzz.program.case import Argument, Call
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.signature import Holds, Kind, Parameter


@cache
def register_parameters(operation: str) -> tuple[Parameter, ...]:
    """Of an operation, the parameters that a register is given for."""
    return tuple(parameter for parameter in SIGNATURES[operation].parameters if parameter.kind is Kind.REGISTER)


OMITTED = ""
"""Stands for an optional argument that is left out."""


@dataclass(slots=True)
class Scope:
    """What is valid at the place of a call.

    held: registers of the task that hold a reference, in order of assignment.
    assigned: number of registers assigned so far.
    """

    files: Mapping[str, int]
    tasks: Sequence[str]
    held: dict[str, Holds] = field(default_factory=dict)
    assigned: int = 0

    def registers(self, parameter: Parameter) -> Sequence[str]:
        """Registers that hold what the parameter demands."""
        return [name for name, holds in self.held.items() if parameter.holds in (Holds.NOTHING, holds)]

    def allows(self, operation: str) -> bool:
        """Whether there is a valid call of this operation."""
        return all(self.registers(parameter) for parameter in register_parameters(operation))

    def choices(self, parameter: Parameter, earlier: Sequence[Argument]) -> Sequence[Argument]:
        """The valid arguments, simplest first, after the `earlier` ones of the same call."""
        choices = self._values(parameter, earlier)
        return (OMITTED, *choices) if parameter.optional else choices

    def _values(self, parameter: Parameter, earlier: Sequence[Argument]) -> Sequence[Argument]:
        match parameter.kind:
            case Kind.FILE:
                return tuple(self.files)
            case Kind.PAGE | Kind.OFFSET:
                return range(self._size(earlier))
            case Kind.LENGTH:
                return range(1, 1 + self._size(earlier) - _last_page(earlier))
            case Kind.SIZE:
                return range(1 + self._size(earlier))
            case Kind.REGISTER:
                return self.registers(parameter)
            case Kind.TASK:
                return self.tasks
            case Kind.FLAG:
                return parameter.choices

    def _size(self, earlier: Sequence[Argument]) -> int:
        """Of the file that the call names last; files and flags have no name in common in the byte form."""
        return next(self.files[name] for name in reversed(earlier) if isinstance(name, str) and name in self.files)

    def result(self, operation: str) -> str | None:
        """The register to which a call is assigned."""
        return None if SIGNATURES[operation].result is Holds.NOTHING else f"r{self.assigned}"

    def take(self, call: Call) -> None:
        """Go past `call`."""
        for register in dropped_registers(call):
            del self.held[register]
        if call.result is not None:
            self.held[call.result] = SIGNATURES[call.name].result
            self.assigned += 1


def _last_page(earlier: Sequence[Argument]) -> int:
    return next(page for page in reversed(earlier) if isinstance(page, int))
