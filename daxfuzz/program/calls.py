"""Calls: from text to values, and whether those of a program make sense together.

A call is written in Python's expression syntax and never evaluated. Its text may come from a stranger, so its length
and nesting are bounded before Python's parser sees it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword

from daxfuzz.program.case import Argument, Call, Program
from daxfuzz.program.errors import did_you_mean, shown
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.signature import Holds, Kind, Parameter, Signature

MAX_CALL_LENGTH = 200
"""Characters."""
MAX_CALL_NESTING = 8
"""Brackets inside each other; a valid call needs one."""
MAX_INT = 2**20
"""Largest integer argument."""
MAX_NAME_LENGTH = 24
"""Characters of a name that a program chooses; so the longest call still fits a line of 100 columns."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REGISTER = re.compile(r"[a-z][a-z0-9_]*")
_NOT_DECIMAL = re.compile(r"(?<![A-Za-z0-9_])[0-9]+[A-Za-z_.]")
_SHAPE = 'write a call as "load(file0, 0)" or "r0 = pin_user_pages(file0, 0)"'


class CallError(ValueError):
    """A call that does not fit its program.

    task: name of the task.
    position: index of the call in the task, from 0.
    message: what is wrong and what is allowed, in one line.
    """

    def __init__(self, task: str, position: int, message: str) -> None:
        super().__init__(task, position, message)
        self.task = task
        self.position = position
        self.message = message

    def __str__(self) -> str:
        return f"tasks.{self.task}[{self.position}]: {self.message}"


def is_name(text: str) -> bool:
    """Whether a task, a file or an mm can be called this: an ASCII identifier, short, and no keyword of Python's."""
    return len(text) <= MAX_NAME_LENGTH and _NAME.fullmatch(text) is not None and not iskeyword(text)


def is_register(text: str) -> bool:
    """Whether a register can be called this: a name in lower case that starts with a letter."""
    return is_name(text) and _REGISTER.fullmatch(text) is not None


def parse_call(text: str) -> Call:
    """Read one call; only its form is checked, see :func:`check_calls` for the rest.

    Raises ValueError with a message of one line.
    """
    _check_text(text)
    try:
        body = ast.parse(text.strip(" ")).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{shown(text)} is not a call: {_SHAPE}") from None
    if len(body) != 1:
        raise ValueError(f"{shown(text)} is not one call: {_SHAPE}")
    return _statement(body[0], text)


def _check_text(text: str) -> None:
    if len(text) > MAX_CALL_LENGTH:
        raise ValueError(f"{len(text)} characters are too many for a call: at most {MAX_CALL_LENGTH}")
    # Python reads look-alike letters as ASCII ones, joins lines at a backslash and drops comments.
    for char in text:
        if not (char.isascii() and char.isprintable()) or char in "#\\;":
            raise ValueError(f"{shown(char)} cannot stand in a call: {_SHAPE}")
    if _nesting(text) > MAX_CALL_NESTING:
        raise ValueError(f"brackets are nested too deeply for a call: at most {MAX_CALL_NESTING}")
    if _NOT_DECIMAL.search(text):
        raise ValueError(f"{shown(text)}: a number is written in decimal digits only")


def _nesting(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "([{") - (char in ")]}")
        deepest = max(deepest, depth)
    return deepest


def _statement(statement: ast.stmt, text: str) -> Call:
    match statement:
        case ast.Expr(value=ast.Call() as call):
            return _call(call, None, text)
        case ast.Assign(targets=[ast.Name(id=register)], value=ast.Call() as call):
            if not is_register(register):
                raise ValueError(
                    f"{shown(register)} cannot be a register: lower-case letters, digits and _, "
                    f"a letter first, at most {MAX_NAME_LENGTH}"
                )
            return _call(call, register, text)
    raise ValueError(f"{shown(text)} is not a call: {_SHAPE}")


def _call(call: ast.Call, result: str | None, text: str) -> Call:
    if not isinstance(call.func, ast.Name) or call.keywords:
        raise ValueError(f"{shown(text)} is not a plain call: {_SHAPE}")
    return Call(call.func.id, tuple(_argument(argument, text) for argument in call.args), result)


def _argument(argument: ast.expr, text: str) -> Argument:
    match argument:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value) if type(value) is int:
            if value > MAX_INT:
                raise ValueError(f"{shown(str(value))} is too large: at most {MAX_INT}")
            return value
    raise ValueError(f"{shown(text)}: an argument is a name or an integer from 0 to {MAX_INT}")


def check_calls(program: Program) -> None:
    """Check every call against its signature and against what the program sets up.

    Raises CallError at the first call that does not fit.
    """
    for task, calls in program.tasks.items():
        held: dict[str, Holds] = {}
        for position, call in enumerate(calls):
            try:
                _check_call(call, _Scope(program.setup.files, program.tasks, held))
            except ValueError as error:
                raise CallError(task, position, str(error)) from None


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names mean where a call stands. held: what each register assigned so far holds; NOTHING once dropped."""

    files: Mapping[str, int]
    tasks: Mapping[str, object]
    held: dict[str, Holds]


def _check_call(call: Call, scope: _Scope) -> None:
    signature = SIGNATURES.get(call.name)
    if signature is None:
        near = did_you_mean(call.name, SIGNATURES)
        raise ValueError(f"no operation is called {shown(call.name)}{near}; `daxfuzz list operations` lists them")
    _check_count(call, signature)
    _check_arguments(call, signature, scope)
    for register in dropped_registers(call):
        scope.held[register] = Holds.NOTHING
    _assign(call, signature, scope.held)


def _check_count(call: Call, signature: Signature) -> None:
    most = len(signature.parameters)
    least = sum(not parameter.optional for parameter in signature.parameters)
    if not least <= len(call.arguments) <= most:
        count = str(most) if least == most else f"{least} to {most}"
        raise ValueError(f"{signature} takes {count} argument{'s' * (count != '1')}, not {len(call.arguments)}")


def _check_arguments(call: Call, signature: Signature, scope: _Scope) -> None:
    size = page = 0
    bound = signature.bind(call.arguments)
    _check_bound(call, bound)
    for parameter, argument in bound:
        if argument is None:
            continue
        match parameter.kind:
            case Kind.FILE:
                size = scope.files[_one_of("file", argument, scope.files)]
            case Kind.PAGE | Kind.OFFSET:
                page = _within(parameter, argument, 0, size - 1)
            case Kind.LENGTH:
                _within(parameter, argument, 1, size - page)
            case Kind.SIZE:
                _within(parameter, argument, 0, size)
            case Kind.REGISTER:
                _check_register(parameter, argument, scope.held)
            case Kind.TASK:
                _one_of("task", argument, scope.tasks)
            case Kind.FLAG:
                _one_of(parameter.name, argument, dict.fromkeys(parameter.choices))


def _check_bound(call: Call, bound: Sequence[tuple[Parameter, Argument | None]]) -> None:
    """No argument is left over, as one in the wrong order or of the wrong type is."""
    used = sum(argument is not None for _, argument in bound)
    if used < len(call.arguments):
        left = [parameter for parameter, argument in bound if argument is None]
        allowed = " or ".join("|".join(parameter.choices) or parameter.name for parameter in left)
        raise ValueError(f"{shown(str(call.arguments[used]))} does not fit here: {allowed} can follow")


def _one_of(what: str, argument: Argument, allowed: Mapping[str, object]) -> str:
    if isinstance(argument, str) and argument in allowed:
        return argument
    near = did_you_mean(str(argument), allowed)
    raise ValueError(f"{shown(str(argument))} is no {what}{near}; there is {', '.join(allowed)}")


def _within(parameter: Parameter, argument: Argument, low: int, high: int) -> int:
    if type(argument) is int and low <= argument <= high:
        return argument
    allowed = str(low) if low == high else f"from {low} to {high}"
    raise ValueError(f"{parameter.name} must be {allowed} here, not {shown(str(argument))}")


def _check_register(parameter: Parameter, argument: Argument, held: Mapping[str, Holds]) -> None:
    if not isinstance(argument, str) or argument not in held:
        filled = ", ".join(held) or "none"
        raise ValueError(
            f"{shown(str(argument))} is no register that an earlier call of the task fills; so far: {filled}"
        )
    holds = held[argument]
    if holds is Holds.NOTHING:
        raise ValueError(f"{shown(argument)} no longer holds a reference here")
    if parameter.holds not in (Holds.NOTHING, holds):
        raise ValueError(f"{shown(argument)} holds a {holds} reference, and a {parameter.holds} reference is needed")


def dropped_registers(call: Call) -> Iterator[str]:
    """Registers whose reference a valid call drops: those that it demands to hold one kind."""
    for parameter, argument in SIGNATURES[call.name].bind(call.arguments):
        if parameter.kind is Kind.REGISTER and parameter.holds is not Holds.NOTHING:
            yield str(argument)


def _assign(call: Call, signature: Signature, held: dict[str, Holds]) -> None:
    if signature.result is Holds.NOTHING:
        if call.result is not None:
            raise ValueError(f"{call.name} returns no reference and cannot be assigned")
        return
    if call.result is None:
        raise ValueError(f"{call.name} returns a reference: assign it to a register, as r0 = {call.name}(...)")
    if not is_register(call.result):
        raise ValueError(f"{shown(call.result)} cannot be a register")
    if held.get(call.result, Holds.NOTHING) is not Holds.NOTHING:
        raise ValueError(f"{shown(call.result)} still holds a reference: drop it first or assign another register")
    held[call.result] = signature.result
