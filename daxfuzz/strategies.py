"""Hypothesis strategies: programs, schedules and cases for tests of your own.

    from hypothesis import given
    from daxfuzz.strategies import cases

    @given(cases(["refcount-1-fixed"], patches=["my_patch.py"], roles=["pinner", "truncator"]))
    def test_my_patch(case):
        case.check()

A case that fails prints as a call of :func:`case`, so it can be pasted below ``@example``.
"""

from daxfuzz.engines.strategies.cases import cases
from daxfuzz.engines.strategies.own import operation, role
from daxfuzz.engines.strategies.programs import machines, programs
from daxfuzz.engines.strategies.schedules import schedules
from daxfuzz.engines.strategies.sequential import SequentialMachine, sequential_machine
from daxfuzz.engines.trial import Found, Trial, case
from daxfuzz.kernel.gup import Foll
from daxfuzz.program.operations.operation import FILE, LENGTH, OFFSET, PAGE, parameter
from daxfuzz.program.signature import Holds

__all__ = [
    "FILE",
    "LENGTH",
    "OFFSET",
    "PAGE",
    "Foll",
    "Found",
    "Holds",
    "SequentialMachine",
    "Trial",
    "case",
    "cases",
    "machines",
    "operation",
    "parameter",
    "programs",
    "role",
    "schedules",
    "sequential_machine",
]
