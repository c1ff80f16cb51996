"""Hypothesis strategies: programs, schedules and cases for tests of your own.

    from hypothesis import given
    from daxfuzz.strategies import cases

    @given(cases(["refcount-1-fixed"], patches=["my_patch.py"], roles=["pinner", "truncator"]))
    def test_my_patch(case):
        case.check()

A case that fails prints as a call of :func:`case`, so it can be pasted below ``@example``.
"""

from daxfuzz.engines.strategies.cases import cases
from daxfuzz.engines.strategies.programs import machines, programs
from daxfuzz.engines.strategies.schedules import schedules
from daxfuzz.engines.strategies.sequential import SequentialMachine, sequential_machine
from daxfuzz.engines.trial import Found, Trial, case

__all__ = [
    "Found",
    "SequentialMachine",
    "Trial",
    "case",
    "cases",
    "machines",
    "programs",
    "schedules",
    "sequential_machine",
]
