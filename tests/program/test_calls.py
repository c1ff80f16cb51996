"""Calls as text, and which ones a program may make."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies_cases import programs

from daxfuzz.kernel.fs.filesystem import Falloc
from daxfuzz.program.calls import CallError, check_calls, parse_call
from daxfuzz.program.case import Call, Program, Setup

SHAPE = 'write a call as "load(file0, 0)" or "r0 = pin_user_pages(file0, 0)"'


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("load(file0, 0)", Call("load", ("file0", 0))),
        ("  r0=pin_user_pages( file0,1,FOLL_LONGTERM )  ", Call("pin_user_pages", ("file0", 1, "FOLL_LONGTERM"), "r0")),
        ("f()", Call("f")),
        ("f((1), a,)", Call("f", (1, "a"))),
        ("f(1048576)", Call("f", (2**20,))),
    ],
)
def test_parses(text: str, call: Call) -> None:
    assert parse_call(text) == call
    assert parse_call(str(call)) == call


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f'"" is not one call: {SHAPE}'),
        ("load", f'"load" is not a call: {SHAPE}'),
        ("load(", f'"load(" is not a call: {SHAPE}'),
        ("r0 = r1 = f()", f'"r0 = r1 = f()" is not a call: {SHAPE}'),
        ("r0: int = f()", f'"r0: int = f()" is not a call: {SHAPE}'),
        ("f(x=1)", f'"f(x=1)" is not a plain call: {SHAPE}'),
        ("os.system(x)", f'"os.system(x)" is not a plain call: {SHAPE}'),
        ("f(g(1))", '"f(g(1))": an argument is a name or an integer from 0 to 1048576'),
        ("f(*a)", '"f(*a)": an argument is a name or an integer from 0 to 1048576'),
        ("f(True)", '"f(True)": an argument is a name or an integer from 0 to 1048576'),
        ("f(-1)", '"f(-1)": an argument is a name or an integer from 0 to 1048576'),
        ("f(1048577)", '"1048577" is too large: at most 1048576'),
        ("f(0x10)", '"f(0x10)": a number is written in decimal digits only'),
        ("f(1or 2)", '"f(1or 2)": a number is written in decimal digits only'),
        ("R = f()", '"R" cannot be a register: lower-case letters, digits and _, a letter first, at most 24'),
        ("f()\ng()", f'"\\n" cannot stand in a call: {SHAPE}'),
        ("f()\0", f'"\\x00" cannot stand in a call: {SHAPE}'),
        ("\ufb01()", f'"\ufb01" cannot stand in a call: {SHAPE}'),
        ("f() # why", f'"#" cannot stand in a call: {SHAPE}'),
        ("f(" * 9 + ")" * 9, "brackets are nested too deeply for a call: at most 8"),
        ("f(" * 80, "brackets are nested too deeply for a call: at most 8"),
        ("f(" + "a" * 500, "502 characters are too many for a call: at most 200"),
    ],
)
def test_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        parse_call(text)
    assert str(error.value) == message


PIECES = [
    "load",
    "(",
    ")",
    "[",
    "{",
    ",",
    "=",
    " ",
    "r0",
    "1",
    "0x",
    "'",
    '"',
    "-",
    "not ",
    "lambda:",
    "\n",
    "\0",
    "9" * 60,
    "é",
    "*",
    ":=",
]


def outcome(text: str) -> Call | ValueError:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return parse_call(text)
        except ValueError as error:
            return error


@settings(max_examples=1500, deadline=None)
@given(st.one_of(st.text(max_size=220), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)))
def test_any_text_is_a_call_or_a_value_error(text: str) -> None:
    result = outcome(text)
    if isinstance(result, Call):
        assert parse_call(str(result)) == result
    else:
        assert type(result) is ValueError
        assert len(str(result).splitlines()) == 1


@settings(max_examples=200, deadline=None)
@given(programs())
def test_valid_programs_pass_and_survive_text(program: Program) -> None:
    check_calls(program)
    for calls in program.tasks.values():
        assert all(parse_call(str(call)) == call for call in calls)
        assert all(len(str(call)) <= 93 for call in calls)


@pytest.mark.parametrize(
    ("calls", "message"),
    [
        ("lod(file0, 0)", 'no operation is called "lod" (did you mean "load"?); `daxfuzz list operations` lists them'),
        ("load(file0)", "load(file, page) takes 2 arguments, not 1"),
        ("mmap(file0, MAP_SYNC, 1)", "mmap(file, [MAP_SYNC|MAP_PRIVATE]) takes 1 to 2 arguments, not 3"),
        ("mmap(file0, 1)", '"1" does not fit here: MAP_SYNC|MAP_PRIVATE can follow'),
        ("pin_user_pages(file0, 0, READ_ONLY, 1)", '"1" does not fit here: length can follow'),
        ("r0 = pin_user_pages(file0, 1, 2)", 'length must be 1 here, not "2"'),
        (
            "pin_user_pages()",
            "r = pin_user_pages(file, page, [length], [FOLL_LONGTERM|READ_ONLY]) takes 2 to 4 arguments, not 0",
        ),
        ("load(file1, 0)", '"file1" is no file (did you mean "file0"?); there is file0'),
        ("load(0, 0)", '"0" is no file; there is file0'),
        ("load(file0, 2)", 'page must be from 0 to 1 here, not "2"'),
        ("load(file0, x)", 'page must be from 0 to 1 here, not "x"'),
        ("truncate(file0, 3)", 'size must be from 0 to 2 here, not "3"'),
        ("fallocate(file0, PUNCH_HOLE, 1, 2)", 'length must be 1 here, not "2"'),
        (
            "fallocate(file0, PUNCH, 0, 1)",
            f'"PUNCH" is no mode (did you mean "PUNCH_HOLE"?); there is {", ".join(Falloc)}',
        ),
        ("signal(other)", '"other" is no task; there is task'),
        ("put_page(r0)", '"r0" is no register that an earlier call of the task fills; so far: none'),
        (
            "r0 = get_user_pages(file0, 0); put_page(r1)",
            '"r1" is no register that an earlier call of the task fills; so far: r0',
        ),
        (
            "r0 = get_user_pages(file0, 0); unpin_user_pages(r0)",
            '"r0" holds a get reference, and a pin reference is needed',
        ),
        ("r0 = pin_user_pages(file0, 0); put_page(r0)", '"r0" holds a pin reference, and a get reference is needed'),
        ("r0 = get_user_pages(file0, 0); put_page(r0); dma_write(r0)", '"r0" no longer holds a reference here'),
        (
            "r0 = get_user_pages(file0, 0); r0 = get_user_pages(file0, 1)",
            '"r0" still holds a reference: drop it first or assign another register',
        ),
        (
            "get_user_pages(file0, 0)",
            "get_user_pages returns a reference: assign it to a register, as r0 = get_user_pages(...)",
        ),
        ("r0 = load(file0, 0)", "load returns no reference and cannot be assigned"),
    ],
)
def test_calls_that_do_not_fit(calls: str, message: str) -> None:
    parsed = tuple(parse_call(text) for text in calls.split(";"))
    with pytest.raises(CallError) as error:
        check_calls(Program({"task": parsed}, Setup({"file0": 2})))
    assert (error.value.task, error.value.position, error.value.message) == ("task", len(parsed) - 1, message)
    assert str(error.value) == f"tasks.task[{len(parsed) - 1}]: {message}"


def test_a_register_is_free_again_once_dropped() -> None:
    texts = [
        "r = get_user_pages(f, 0)",
        "put_page(r)",
        "r = pin_user_pages(f, 0)",
        "dma_write(r)",
        "unpin_user_pages(r)",
    ]
    check_calls(Program({"task": tuple(map(parse_call, texts))}, Setup({"f": 1})))


def test_registers_belong_to_their_task() -> None:
    first = (parse_call("r0 = get_user_pages(file0, 0)"),)
    with pytest.raises(CallError, match=r"tasks.second\[0\]"):
        check_calls(Program({"first": first, "second": (parse_call("put_page(r0)"),)}))
