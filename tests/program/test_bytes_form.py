"""The byte form: total, canonical, and small where the program is simple."""

from __future__ import annotations

from dataclasses import fields, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies_cases import programs, sparse_schedules

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.program.bytes_form import canonical, decode, decode_parts, encode, encode_schedule
from daxfuzz.program.calls import check_calls, parse_call
from daxfuzz.program.case import Case, Program, Setup
from daxfuzz.program.dax_file import dumps_case, loads_case
from daxfuzz.sim import SparseSchedule


def in_order(program: Program) -> tuple[object, ...]:
    """Dictionaries compare without their order, which is part of a program."""
    return (program, list(program.tasks), list(program.setup.files), list(program.setup.mms))


def simple(*calls: str) -> Program:
    return Program({"t0": tuple(map(parse_call, calls))}, Setup(mms={"mm0": ("t0",)}))


def test_no_bytes_are_the_simplest_program() -> None:
    assert decode(b"") == (simple(), SparseSchedule())
    assert encode(simple(), SparseSchedule()) == b""


def test_small_programs_are_few_bytes() -> None:
    program = simple("r0 = pin_user_pages(file0, 0)", "truncate(file0, 0)", "unpin_user_pages(r0)")
    assert len(encode(program, SparseSchedule())) <= 20
    assert len(encode(program, SparseSchedule(((3, 0),)))) <= 23


@settings(max_examples=1500, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_decode_to_a_valid_program(data: bytes) -> None:
    program, schedule = decode(data)
    check_calls(program)
    assert in_order(canonical(program)) == in_order(program)
    again = encode(program, schedule)
    assert decode(again) == (program, schedule)
    assert in_order(decode(again)[0]) == in_order(program)
    assert encode(*decode(again)) == again
    assert again == again.rstrip(b"\0")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=100))
def test_missing_bytes_read_as_zero(data: bytes) -> None:
    assert decode(data) == decode(data + bytes(20))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_decoded_programs_have_a_text_form(data: bytes) -> None:
    case = Case(decode(data)[0])
    assert loads_case(dumps_case(case)) == case


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_program_and_schedule_survive(data: st.DataObject) -> None:
    program = data.draw(programs())
    schedule = data.draw(sparse_schedules(len(program.tasks)))
    plain = canonical(program)
    check_calls(plain)
    encoded = encode(program, schedule)
    assert encoded == encode(plain, schedule)
    assert decode(encoded) == (plain, schedule)
    assert in_order(decode(encoded)[0]) == in_order(plain)


OTHER_SETTINGS = {
    "bias": 4,
    "tlb": TlbMode.BROADCAST,
    "wait_buckets": 1,
    "pmd_pages": 4,
    "xa_check_sched": 2,
    "merge_vmas": False,
    "window_ranges": 1,
    "low_memory": True,
    "spare_blocks": -1,
    "ram_pages": 1,
    "rmapbt": False,
}


@pytest.mark.parametrize("setting", [field.name for field in fields(Machine)])
def test_every_setting_of_the_machine_is_kept(setting: str) -> None:
    program = replace(simple(), machine=replace(Machine(), **{setting: OTHER_SETTINGS[setting]}))
    assert decode(encode(program, SparseSchedule())) == (program, SparseSchedule())
    assert loads_case(dumps_case(Case(program))) == Case(program)


@pytest.mark.parametrize(
    ("stored", "buckets"), [("", 2), ("01", 1), ("02", 3), ("ff01", 256), ("ff1f", 4096), ("8020", 2), ("ff7f", 16)]
)
def test_inputs_keep_their_meaning(stored: str, buckets: int) -> None:
    data = bytes(2) + bytes.fromhex(stored)
    program, schedule = decode(data)
    assert program.machine == Machine(wait_buckets=buckets)
    assert (encode(program, schedule) == data.rstrip(b"\0")) == (stored not in ("8020", "ff7f"))


def test_random_bytes_seldom_mean_many_queues() -> None:
    rng = Random(1)
    drawn = [decode(rng.randbytes(20))[0].machine.wait_buckets for _ in range(400)]
    assert 400 / 16 < sum(buckets > 128 for buckets in drawn) < 400 / 5


def test_canonical_names() -> None:
    calls = {
        "b": tuple(
            map(parse_call, ["x = get_user_pages(g, 0)", "put_page(x)", "x = pin_user_pages(f, 0)", "signal(a)"])
        ),
        "a": tuple(map(parse_call, ["y = get_user_pages(g, 0)"])),
        "c": (),
    }
    plain = canonical(Program(calls, Setup({"f": 1, "g": 2}, {"m": ("a",), "n": ("c", "b")})))
    assert [str(call) for call in plain.tasks["t0"]] == [
        "r0 = get_user_pages(file1, 0)",
        "put_page(r0)",
        "r1 = pin_user_pages(file0, 0)",
        "signal(t1)",
    ]
    assert [str(call) for call in plain.tasks["t1"]] == ["r0 = get_user_pages(file1, 0)"]
    assert plain.setup == Setup({"file0": 1, "file1": 2}, {"mm0": ("t0", "t2"), "mm1": ("t1",)})


def test_mms_left_out_are_one_a_task() -> None:
    assert canonical(Program({"a": (), "b": ()})).setup.mms == {"mm0": ("t0",), "mm1": ("t1",)}


@pytest.mark.parametrize(
    ("program", "schedule"),
    [
        (simple("load(file0, 1)"), SparseSchedule()),
        (simple(*["load(file0, 0)"] * 65), SparseSchedule()),
        (Program({f"a{i}": () for i in range(9)}), SparseSchedule()),
        (Program({}), SparseSchedule()),
        (Program({"a": ()}, Setup({"f": 9})), SparseSchedule()),
        (Program({"a": ()}, Setup({f"f{i}": 1 for i in range(5)})), SparseSchedule()),
        (Program({"a": ()}, Setup({})), SparseSchedule()),
        (Program({"a": ()}, Setup(mms={"m": ("b",)})), SparseSchedule()),
        (Program({"a": ()}, machine=Machine(bias=1)), SparseSchedule()),
        (Program({"a": ()}, machine=Machine(bias=2**20 + 1)), SparseSchedule()),
        (simple(), SparseSchedule(((0, 1),))),
        (simple(), SparseSchedule(((0, -1),))),
        (simple(), SparseSchedule(((-1, 0),))),
        (simple(), SparseSchedule(((2**20, 0),))),
        (simple(), SparseSchedule(((5, 0), (5, 0)))),
        (simple(), SparseSchedule(((5, 0), (4, 0)))),
        (simple(), SparseSchedule(((2**20 - 1, 0), (2**20, 0)))),
    ],
)
def test_out_of_bounds_is_a_value_error(program: Program, schedule: SparseSchedule) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(program, schedule)


def test_the_last_turn_ends_the_switches() -> None:
    schedule = SparseSchedule(((0, 0), (2**20 - 1, 0)))
    encoded = encode(simple(), schedule)
    assert decode(encoded) == decode(encoded + b"\1\1\1") == (simple(), schedule)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), sparse_schedules(8))
def test_another_schedule_can_be_put_behind_a_program(data: bytes, schedule: SparseSchedule) -> None:
    program, _, size = decode_parts(data)
    tasks = len(program.tasks)
    fits = SparseSchedule(tuple((turn, task % tasks) for turn, task in schedule.switches))
    changed = data[:size].ljust(size, b"\0") + encode_schedule(fits, tasks)
    assert decode(changed) == (program, fits)
