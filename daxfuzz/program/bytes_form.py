"""The byte form of a program and a sparse schedule, for fuzzers that mutate bytes.

Any bytes decode to a valid program: a number is read as a position in the list of what is valid where it stands,
modulo the length of that list. Bytes that are missing at the end read as 0, and 0 is always the simplest choice: no
further call, the first file, the default machine, no switch. So small inputs are simple programs, and cutting an input
short makes its program simpler.

In order: machine, files, which of them are clones, tasks and who shares an mm, prefault, huge and align in one number,
the calls of each task, the switches.

Names are not stored. Decoded programs have tasks t0, t1, ..., files file0, ..., mms mm0, ... in order of their first
task, and in each task registers r0, ..., a new one for each assignment; :func:`canonical` renames any program so. For
every valid program within the bounds of the .dax form, decode(encode(p, s)) == (canonical(p), s).

Operations are numbered in the order of SIGNATURES: a new one goes to its end, or stored inputs change their meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.program.calls import check_calls
from daxfuzz.program.case import Argument, Call, Program, Setup
from daxfuzz.program.dax_file.limits import (
    MAX_BIAS,
    MAX_CALLS,
    MAX_FILE_SIZE,
    MAX_FILES,
    MAX_RAM_PAGES,
    MAX_SPARE_BLOCKS,
    MAX_WAIT_BUCKETS,
    MAX_WINDOW_RANGES,
    MAX_XA_CHECK_SCHED,
    MIN_SPARE_BLOCKS,
    PMD_SIZES,
)
from daxfuzz.program.dax_file.reader import default_mms
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.scope import OMITTED, Scope
from daxfuzz.program.signature import Kind
from daxfuzz.sim import SparseSchedule

MAX_TURN = 2**20
"""Switches are at turns below this."""

_TASK_COUNTS = (1, 2, 3, 4, 2, 3, 2, 3, 5, 6, 7, 8)
"""Most bugs need two or three tasks, so more bytes mean these; each number counts at its first place when encoding."""
_OPERATIONS = tuple(SIGNATURES)
_NO_CALL = 0
"""Where the next operation could stand: no further call in this task. Operation i is written as i + 1."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def number(self, choices: int) -> int:
        """A number below `choices`; takes no bytes if only 0 is."""
        if choices <= 256:
            return self._byte() % choices if choices > 1 else 0
        value = 0
        for shift in range(0, (choices - 1).bit_length(), 7):
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        return value % choices

    def _byte(self) -> int:
        position = self.position
        self.position = position + 1
        return self._data[position] if position < len(self._data) else 0


class _Writer:
    def __init__(self) -> None:
        self._data = bytearray()

    def number(self, value: int, choices: int) -> None:
        """Write what _Reader.number(choices) reads as `value`. Raises ValueError if that is out of bounds."""
        if not 0 <= value < choices:
            raise ValueError(f"the byte form has no number {value} where {choices} are possible")
        if choices <= 256:
            if choices > 1:
                self._data.append(value)
            return
        while value >= 0x80:
            self._data.append(value & 0x7F | 0x80)
            value >>= 7
        self._data.append(value)

    def bytes(self) -> bytes:
        """What was written, less the zeros at the end, which reading supplies."""
        return bytes(self._data).rstrip(b"\0")


@dataclass(frozen=True, slots=True)
class _Range:
    """Integers of one setting; the default comes first, so that 0 means it."""

    low: int
    high: int
    default: int

    @property
    def choices(self) -> int:
        return self.high - self.low + 1

    def value(self, number: int) -> int:
        if number == 0:
            return self.default
        value = self.low + number - 1
        return value if value < self.default else value + 1

    def number(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise ValueError(f"{value} is not from {self.low} to {self.high}")
        if value == self.default:
            return 0
        return value - self.low + (value < self.default)


_BIAS = _Range(2, MAX_BIAS, Machine().bias)
_WAIT_BUCKETS = _Range(1, MAX_WAIT_BUCKETS, Machine().wait_buckets)
_FEW_BUCKETS = 16
_BUCKET_NUMBERS = 4 * _WAIT_BUCKETS.choices
"""As many take no more bytes. Those that are over mean few queues: thousands of them take longer to make than a program
takes to run, and random bytes would mean thousands as often as not."""
_XA_CHECK_SCHED = _Range(1, MAX_XA_CHECK_SCHED, Machine().xa_check_sched)
_WINDOW_RANGES = _Range(1, MAX_WINDOW_RANGES, Machine().window_ranges)
_SPARE_BLOCKS = _Range(MIN_SPARE_BLOCKS, MAX_SPARE_BLOCKS, Machine().spare_blocks)
_RAM_PAGES = _Range(0, MAX_RAM_PAGES, Machine().ram_pages)
_TLB_MODES = tuple(TlbMode)
_ALIGNMENTS = tuple(Align)
assert Machine().tlb is _TLB_MODES[0]
assert Setup().align is _ALIGNMENTS[0]
assert Machine().pmd_pages == PMD_SIZES[0]


class Parts(NamedTuple):
    """What bytes mean. size: how many of them stand for the program, zeros at the end that are left out included."""

    program: Program
    schedule: SparseSchedule
    size: int


def decode(data: bytes) -> tuple[Program, SparseSchedule]:
    """The program and the schedule that `data` means; there is one for all bytes."""
    program, schedule, _ = decode_parts(data)
    return program, schedule


def decode_parts(data: bytes) -> Parts:
    """As decode, with the place where the schedule begins; another one can be put there (:func:`encode_schedule`)."""
    reader = _Reader(data)
    machine = _read_machine(reader)
    files = _read_files(reader)
    clones = _read_clones(reader, tuple(files))
    tasks = tuple(f"t{index}" for index in range(_TASK_COUNTS[reader.number(len(_TASK_COUNTS))]))
    mms = _read_mms(reader, tasks)
    prefault = reader.number(2) == 0
    align, huge = divmod(reader.number(2 * len(_ALIGNMENTS)), 2)
    setup = Setup(files, mms, prefault, huge == 1, clones, _ALIGNMENTS[align])
    calls = {task: _read_calls(reader, Scope(files, tasks)) for task in tasks}
    program = Program(calls, setup, machine)
    size = reader.position
    return Parts(program, _read_switches(reader, len(tasks)), size)


def encode(program: Program, schedule: SparseSchedule) -> bytes:
    """The shortest bytes that decode to canonical(program) and `schedule`.

    Raises ValueError if the program is not valid or something is out of the bounds of the .dax form, or a switch is
    not after the one before it, is at turn 2**20 or later, or names no task.
    """
    check_calls(program)
    plain = canonical(program)
    tasks = tuple(plain.tasks)
    writer = _Writer()
    _write_machine(writer, plain.machine)
    _write_files(writer, plain.setup.files)
    _write_clones(writer, tuple(plain.setup.files), plain.setup.clones)
    writer.number(_position(len(tasks), _TASK_COUNTS, "number of tasks"), len(_TASK_COUNTS))
    _write_mms(writer, plain.setup.mms, tasks)
    writer.number(int(not plain.setup.prefault), 2)
    writer.number(2 * _ALIGNMENTS.index(plain.setup.align) + plain.setup.huge, 2 * len(_ALIGNMENTS))
    for calls in plain.tasks.values():
        _write_calls(writer, calls, Scope(plain.setup.files, tasks))
    _write_switches(writer, schedule, len(tasks))
    return writer.bytes()


def encode_schedule(schedule: SparseSchedule, tasks: int) -> bytes:
    """What stands behind a program of so many tasks. Raises ValueError as :func:`encode` does for switches."""
    writer = _Writer()
    _write_switches(writer, schedule, tasks)
    return writer.bytes()


def _position(value: object, choices: Sequence[object], what: str) -> int:
    if value not in choices:
        raise ValueError(f"the byte form has no {what} {value}")
    return choices.index(value)


# Set-up


def _read_machine(reader: _Reader) -> Machine:
    return Machine(
        bias=_BIAS.value(reader.number(_BIAS.choices)),
        tlb=_TLB_MODES[reader.number(len(_TLB_MODES))],
        wait_buckets=_WAIT_BUCKETS.value(_bucket_number(reader.number(_BUCKET_NUMBERS))),
        pmd_pages=PMD_SIZES[reader.number(len(PMD_SIZES))],
        xa_check_sched=_XA_CHECK_SCHED.value(reader.number(_XA_CHECK_SCHED.choices)),
        merge_vmas=(flags := reader.number(8)) % 2 == 0,
        window_ranges=_WINDOW_RANGES.value(reader.number(_WINDOW_RANGES.choices)),
        low_memory=flags // 2 % 2 == 1,
        spare_blocks=_SPARE_BLOCKS.value(reader.number(_SPARE_BLOCKS.choices)),
        ram_pages=_RAM_PAGES.value(reader.number(_RAM_PAGES.choices)),
        rmapbt=flags < 4,
    )


def _bucket_number(number: int) -> int:
    return number if number < _WAIT_BUCKETS.choices else number % _FEW_BUCKETS


def _write_machine(writer: _Writer, machine: Machine) -> None:
    writer.number(_BIAS.number(machine.bias), _BIAS.choices)
    writer.number(_TLB_MODES.index(machine.tlb), len(_TLB_MODES))
    writer.number(_WAIT_BUCKETS.number(machine.wait_buckets), _BUCKET_NUMBERS)
    writer.number(_position(machine.pmd_pages, PMD_SIZES, "pmd_pages"), len(PMD_SIZES))
    writer.number(_XA_CHECK_SCHED.number(machine.xa_check_sched), _XA_CHECK_SCHED.choices)
    writer.number((not machine.merge_vmas) + 2 * machine.low_memory + 4 * (not machine.rmapbt), 8)
    writer.number(_WINDOW_RANGES.number(machine.window_ranges), _WINDOW_RANGES.choices)
    writer.number(_SPARE_BLOCKS.number(machine.spare_blocks), _SPARE_BLOCKS.choices)
    writer.number(_RAM_PAGES.number(machine.ram_pages), _RAM_PAGES.choices)


def _read_files(reader: _Reader) -> dict[str, int]:
    number = 1 + reader.number(MAX_FILES)
    return {f"file{index}": 1 + reader.number(MAX_FILE_SIZE) for index in range(number)}


def _write_files(writer: _Writer, files: Mapping[str, int]) -> None:
    writer.number(len(files) - 1, MAX_FILES)
    for size in files.values():
        writer.number(size - 1, MAX_FILE_SIZE)


def _read_clones(reader: _Reader, files: Sequence[str]) -> dict[str, str]:
    """Per file: 0 for one of its own, or one more than the index of the earlier file that it is a clone of."""
    numbers = {file: reader.number(1 + index) for index, file in enumerate(files)}
    return {file: files[number - 1] for file, number in numbers.items() if number}


def _write_clones(writer: _Writer, files: Sequence[str], clones: Mapping[str, str]) -> None:
    for index, file in enumerate(files):
        original = clones.get(file)
        writer.number(
            0 if original is None else 1 + _position(original, files[:index], f"file before {file}"), 1 + index
        )


def _read_mms(reader: _Reader, tasks: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Per task: 0 for an mm of its own, or one more than the index of an earlier mm."""
    mms: list[tuple[str, ...]] = []
    for task in tasks:
        number = reader.number(1 + len(mms))
        if number == 0:
            mms.append((task,))
        else:
            mms[number - 1] += (task,)
    return {f"mm{index}": members for index, members in enumerate(mms)}


def _write_mms(writer: _Writer, mms: Mapping[str, tuple[str, ...]], tasks: Sequence[str]) -> None:
    known = 0
    for task in tasks:
        index = next(index for index, members in enumerate(mms.values()) if task in members)
        writer.number(0 if index == known else index + 1, 1 + known)
        known = max(known, index + 1)


# Calls


def _read_calls(reader: _Reader, scope: Scope) -> tuple[Call, ...]:
    calls: list[Call] = []
    while len(calls) < MAX_CALLS:
        number = reader.number(1 + len(_OPERATIONS))
        if number == _NO_CALL:
            break
        call = _read_call(reader, _allowed_from(number - 1, scope), scope)
        scope.take(call)
        calls.append(call)
    return tuple(calls)


def _allowed_from(start: int, scope: Scope) -> str:
    """The operation at `start`, or the next one that has a valid call here: a number keeps its meaning where it can."""
    while not scope.allows(_OPERATIONS[start]):
        start = (start + 1) % len(_OPERATIONS)
    return _OPERATIONS[start]


def _read_call(reader: _Reader, operation: str, scope: Scope) -> Call:
    arguments: list[Argument] = []
    for parameter in SIGNATURES[operation].parameters:
        choices = scope.choices(parameter, arguments)
        argument = choices[reader.number(len(choices))]
        if argument != OMITTED:
            arguments.append(argument)
    return Call(operation, tuple(arguments), scope.result(operation))


def _write_calls(writer: _Writer, calls: Sequence[Call], scope: Scope) -> None:
    if len(calls) > MAX_CALLS:
        raise ValueError(f"the byte form has at most {MAX_CALLS} calls a task, not {len(calls)}")
    for call in calls:
        writer.number(1 + _OPERATIONS.index(call.name), 1 + len(_OPERATIONS))
        _write_arguments(writer, call, scope)
        scope.take(call)
    if len(calls) < MAX_CALLS:
        writer.number(_NO_CALL, 1 + len(_OPERATIONS))


def _write_arguments(writer: _Writer, call: Call, scope: Scope) -> None:
    earlier: list[Argument] = []
    for parameter, argument in SIGNATURES[call.name].bind(call.arguments):
        choices = scope.choices(parameter, earlier)
        writer.number(choices.index(OMITTED if argument is None else argument), len(choices))
        if argument is not None:
            earlier.append(argument)


# Schedule


def _read_switches(reader: _Reader, tasks: int) -> SparseSchedule:
    """Per switch: one more than the task's index, and how many turns lie between; 0 ends them."""
    switches: list[tuple[int, int]] = []
    earliest = 0
    while earliest < MAX_TURN and (number := reader.number(1 + tasks)):
        turn = earliest + reader.number(MAX_TURN - earliest)
        switches.append((turn, number - 1))
        earliest = turn + 1
    return SparseSchedule(tuple(switches))


def _write_switches(writer: _Writer, schedule: SparseSchedule, tasks: int) -> None:
    earliest = 0
    for turn, task in schedule.switches:
        writer.number(_position(task, range(tasks), "task") + 1, 1 + tasks)
        writer.number(turn - earliest, MAX_TURN - earliest)
        earliest = turn + 1


# Names


def canonical(program: Program) -> Program:
    """A valid program with the names of the byte form; its meaning is the same."""
    tasks = {task: f"t{index}" for index, task in enumerate(program.tasks)}
    files = {file: f"file{index}" for index, file in enumerate(program.setup.files)}
    setup = replace(
        program.setup,
        files={files[file]: size for file, size in program.setup.files.items()},
        mms=_canonical_mms(program, tasks),
        clones={files[file]: files[original] for file, original in program.setup.clones.items()},
    )
    calls = {tasks[task]: _canonical_calls(calls, files, tasks) for task, calls in program.tasks.items()}
    return Program(calls, setup, program.machine)


def _canonical_mms(program: Program, tasks: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    mms = program.setup.mms or default_mms(program.tasks)
    home = {task: mm for mm, members in mms.items() for task in members}
    if home.keys() != tasks.keys():
        raise ValueError("every task is in one mm, and nothing else is")
    shared: dict[str, tuple[str, ...]] = {}
    for task, name in tasks.items():
        shared[home[task]] = (*shared.get(home[task], ()), name)
    return {f"mm{index}": members for index, members in enumerate(shared.values())}


def _canonical_calls(calls: Sequence[Call], files: Mapping[str, str], tasks: Mapping[str, str]) -> tuple[Call, ...]:
    registers: dict[str, str] = {}
    renamed = []
    assigned = 0
    for call in calls:
        names = {Kind.FILE: files, Kind.TASK: tasks, Kind.REGISTER: dict(registers)}
        result = None
        if call.result is not None:
            result = registers[call.result] = f"r{assigned}"
            assigned += 1
        renamed.append(Call(call.name, _canonical_arguments(call, names), result))
    return tuple(renamed)


def _canonical_arguments(call: Call, names: Mapping[Kind, Mapping[str, str]]) -> tuple[Argument, ...]:
    return tuple(
        names[parameter.kind][str(argument)] if parameter.kind in names else argument
        for parameter, argument in SIGNATURES[call.name].bind(call.arguments)
        if argument is not None
    )
