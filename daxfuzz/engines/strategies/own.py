"""Operations and roles of the user's own, for programs that strategies draw in the same process."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from daxfuzz.program.calls import is_name
from daxfuzz.program.case import Call
from daxfuzz.program.generator.draft import Draft
from daxfuzz.program.generator.roles import ROLES
from daxfuzz.program.operations import OPERATIONS, Operation
from daxfuzz.program.operations.operation import operation as declare
from daxfuzz.program.signature import Holds, Parameter

Role = Callable[[Draft], None]
"""What a task does: it adds calls to the draft."""

BUILT_IN = tuple(ROLES)


def operation(summary: str, *parameters: Parameter, result: Holds = Holds.NOTHING) -> Callable[[Operation], Operation]:
    """Declare the decorated function as the operation of its name, which programs of this process may call then.

    summary: one line that says what it does. parameters: FILE, PAGE, LENGTH, ... or parameter(...).
    result: what it puts into its register with sim.hold.

    The function gets the simulation, the task and the call. It awaits functions of sim.kernel, and returns 0 or a
    negative errno. Raises ValueError for a name that daxfuzz has itself.
    """

    def checked(function: Operation) -> Operation:
        name = function.__name__
        known = OPERATIONS.get(name)
        if known is not None and known.__module__.startswith("daxfuzz."):
            raise ValueError(f"daxfuzz has an operation {name!r} itself: give yours another name")
        return declare(summary, *parameters, result=result)(function)

    return checked


def role(function: Role) -> Role:
    """Declare the decorated function as the role of its name, for ``roles=[...]``: what such a task does is what the
    function adds to the draft. Raises ValueError for a name that daxfuzz has itself, or that no task can have."""
    name = function.__name__
    if name in BUILT_IN:
        raise ValueError(f"daxfuzz has a role {name!r} itself: give yours another name")
    if not is_name(name) or name[-1].isdigit():
        raise ValueError(f"no task can be called {name!r}: short, and no digit at the end")

    @wraps(function)
    def calls(draft: Draft) -> tuple[Call, ...]:
        function(draft)
        return tuple(draft.calls)

    ROLES[name] = calls
    return function
