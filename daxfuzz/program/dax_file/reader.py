"""From text to a Case: every key and value is checked, and what is wrong becomes an InputError of one line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from daxfuzz.kernel.machine import Align, Machine, TlbMode
from daxfuzz.program.calls import CallError, check_calls, is_name, parse_call
from daxfuzz.program.case import Call, Case, KernelSpec, Program, Schedule, Setup
from daxfuzz.program.dax_file.limits import (
    FORMAT_VERSION,
    MAX_ALL_TURNS,
    MAX_BIAS,
    MAX_CALLS,
    MAX_FILE_SIZE,
    MAX_FILES,
    MAX_ORDER,
    MAX_RAM_PAGES,
    MAX_RUNS,
    MAX_SIZE,
    MAX_SPARE_BLOCKS,
    MAX_SPEC_LENGTH,
    MAX_TASKS,
    MAX_TURNS,
    MAX_WAIT_BUCKETS,
    MAX_WINDOW_RANGES,
    MAX_XA_CHECK_SCHED,
    MIN_SPARE_BLOCKS,
    NAME_RULE,
    PMD_SIZES,
    Key,
)
from daxfuzz.program.dax_file.source import Source, check_nesting
from daxfuzz.program.errors import InputError, did_you_mean, shown
from daxfuzz.sim import Constraint, Label

Parser = Callable[[Source, Key, object], Any]
"""Checks what is at a key and turns it into what the case holds; raises InputError."""

_TYPE_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def _expected(source: Source, key: Key, what: str, value: object) -> InputError:
    given = shown(value) if isinstance(value, str) else _TYPE_NAMES.get(type(value), "a date or time")
    if type(value) is int and abs(value) < 10**15:
        given = str(value)
    return source.error(key, f"must be {what}, not {given}")


def _integer(low: int, high: int) -> Parser:
    def parse(source: Source, key: Key, value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise _expected(source, key, f"an integer from {low} to {high}", value)

    return parse


def _boolean(source: Source, key: Key, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _expected(source, key, "true or false", value)


def _string(source: Source, key: Key, value: object) -> str:
    if isinstance(value, str):
        return value
    raise _expected(source, key, "a string", value)


def _spec(source: Source, key: Key, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= MAX_SPEC_LENGTH and value.isprintable():
        return value
    raise _expected(source, key, f"a name of 1 to {MAX_SPEC_LENGTH} printable characters", value)


def _one_of(kind: type[StrEnum]) -> Parser:
    def read(source: Source, key: Key, value: object) -> StrEnum:
        names = [each.value for each in kind]
        if isinstance(value, str) and value in names:
            return kind(value)
        near = did_you_mean(value, names) if isinstance(value, str) else ""
        error = _expected(source, key, "one of " + ", ".join(map(shown, names)), value)
        raise InputError(error.path, error.line, error.key, error.message + near)

    return read


def _pmd_pages(source: Source, key: Key, value: object) -> int:
    if type(value) is int and value in PMD_SIZES:
        return value
    raise _expected(source, key, "one of " + ", ".join(map(str, PMD_SIZES)), value)


def _array(item: Parser, high: int, what: str) -> Parser:
    def parse(source: Source, key: Key, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _expected(source, key, f"an array of {what}", value)
        if len(value) > high:
            raise source.error((*key, high), f"{len(value)} {what} are too many: at most {high}")
        return tuple(item(source, (*key, index), element) for index, element in enumerate(value))

    return parse


def _named(item: Parser, high: int, what: str, low: int = 1) -> Parser:
    """A table whose keys the writer of the case chooses, `low` to `high` of them."""

    def parse(source: Source, key: Key, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _expected(source, key, f"a table of {what}", value)
        for name in value:
            if not is_name(name):
                raise source.error((*key, name), f"cannot be a name here: {NAME_RULE}")
        if not low <= len(value) <= high:
            raise source.error(key, f"must have {low} to {high} {what}, not {len(value)}")
        return {name: item(source, (*key, name), inner) for name, inner in value.items()}

    return parse


def _table(keys: Mapping[str, Parser]) -> Parser:
    """A table with keys that the format fixes; all of them may be left out."""

    def parse(source: Source, key: Key, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _expected(source, key, "a table", value)
        for name in value:
            if name not in keys:
                near = did_you_mean(name, keys)
                raise source.error((*key, name), f"unknown key{near}; allowed: {', '.join(keys)}")
        return {name: keys[name](source, (*key, name), inner) for name, inner in value.items()}

    return parse


def _parse_call(source: Source, key: Key, value: object) -> Call:
    try:
        return parse_call(_string(source, key, value))
    except ValueError as error:
        raise source.error(key, str(error)) from None


_RUN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\*([1-9][0-9]{0,5}))?")


def _steps(source: Source, key: Key, value: object) -> tuple[tuple[str, int], ...]:
    words = _string(source, key, value).split()
    if len(words) > MAX_RUNS:
        raise source.error(key, f"{len(words)} entries are too many: at most {MAX_RUNS}")
    runs = tuple(_run(source, key, word) for word in words)
    turns = sum(number for _, number in runs)
    if turns > MAX_ALL_TURNS:
        raise source.error(key, f"{turns} turns are too many: at most {MAX_ALL_TURNS}")
    return runs


def _run(source: Source, key: Key, word: str) -> tuple[str, int]:
    match = _RUN.fullmatch(word)
    turns = int(match[2] or 1) if match else 0
    if match is None or turns > MAX_TURNS:
        raise source.error(key, f"{shown(word)} must be task*turns, with 1 to {MAX_TURNS} turns")
    return match[1], turns


_LABEL = re.compile(r"(\w{1,64}):(\w{1,64})\.(\w{1,64})(?:#([1-9][0-9]{0,5}))?", re.ASCII)
_LABEL_RULE = 'must be "A < B", a label being task:function.verb or task:function.verb#occurrence'


def _constraint(source: Source, key: Key, value: object) -> Constraint:
    text = _string(source, key, value)
    labels = [_label(part.strip(" ")) for part in text.split("<", 2)]
    match labels:
        case [Label() as before, Label() as after]:
            return Constraint(before, after)
    raise source.error(key, f"{_LABEL_RULE} from 1 to {MAX_TURNS}, not {shown(text)}")


def _label(text: str) -> Label | None:
    match = _LABEL.fullmatch(text)
    if match is None or int(match[4] or 1) > MAX_TURNS:
        return None
    return Label(match[1], match[2], match[3], int(match[4] or 1))


_SPECS = _array(_spec, 64, "names")

_DOCUMENT = _table(
    {
        "daxfuzz": _integer(FORMAT_VERSION, FORMAT_VERSION),
        "protocol": _spec,
        "patches": _SPECS,
        "bugs": _SPECS,
        "filesystem": _spec,
        "finding": _spec,
        "repaired_by": _SPECS,
        "machine": _table(
            {
                "bias": _integer(2, MAX_BIAS),
                "tlb": _one_of(TlbMode),
                "wait_buckets": _integer(1, MAX_WAIT_BUCKETS),
                "pmd_pages": _pmd_pages,
                "xa_check_sched": _integer(1, MAX_XA_CHECK_SCHED),
                "merge_vmas": _boolean,
                "window_ranges": _integer(1, MAX_WINDOW_RANGES),
                "low_memory": _boolean,
                "spare_blocks": _integer(MIN_SPARE_BLOCKS, MAX_SPARE_BLOCKS),
                "ram_pages": _integer(0, MAX_RAM_PAGES),
                "rmapbt": _boolean,
            }
        ),
        "setup": _table(
            {
                "files": _named(_integer(1, MAX_FILE_SIZE), MAX_FILES, "files"),
                "mms": _named(_array(_string, MAX_TASKS, "tasks"), MAX_TASKS, "mms"),
                "prefault": _boolean,
                "huge": _boolean,
                "clones": _named(_string, MAX_FILES, "clones", 0),
                "align": _one_of(Align),
            }
        ),
        "tasks": _named(_array(_parse_call, MAX_CALLS, "calls"), MAX_TASKS, "tasks"),
        "schedule": _table({"steps": _steps, "order": _array(_constraint, MAX_ORDER, "constraints")}),
    }
)
"""The format: every key and what reads it."""


def load_case(path: str | os.PathLike[str]) -> Case:
    """Read a case from a file. Raises InputError, also when the file cannot be read."""
    name = os.fsdecode(path)
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise InputError(name, None, "", f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(name, None, "", f"cannot be read: {error}") from None
    return loads_case(data, name)


def loads_case(text: str | bytes, path: str = "<string>") -> Case:
    """Read a case from text or from UTF-8. Raises InputError, which names `path`."""
    source = Source(path, _bounded_text(text, path))
    check_nesting(path, source.text)
    document = _parse_toml(source)
    _check_version(source, document)
    case = _build(_DOCUMENT(source, (), document))
    _check_tasks_named(source, case)
    _check_clones(source, case.program.setup)
    try:
        check_calls(case.program)
    except CallError as error:
        raise source.error(("tasks", error.task, error.position), error.message) from None
    return case


def _bounded_text(text: str | bytes, path: str) -> str:
    # A str of more characters than allowed bytes need not be encoded to know that it is too large.
    if len(text) > MAX_SIZE:
        raise InputError(path, None, "", f"larger than {MAX_SIZE // 1024} KiB")
    try:
        data = text if isinstance(text, bytes) else text.encode()
        decoded = data.decode()
    except UnicodeError as error:
        line = _line_of_flaw(text, error)
        raise InputError(path, line, "", "not text: a case file is UTF-8") from None
    if len(data) > MAX_SIZE:
        raise InputError(path, None, "", f"larger than {MAX_SIZE // 1024} KiB")
    return decoded.replace("\r\n", "\n")


def _line_of_flaw(text: str | bytes, error: UnicodeError) -> int:
    start = getattr(error, "start", 0)
    before = text[:start]
    return 1 + (before.count("\n") if isinstance(before, str) else before.count(b"\n"))


_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def _parse_toml(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except (ValueError, RecursionError, MemoryError) as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else source.text.count("\n") + 1
        reason = _TOML_PLACE.sub("", str(error)) or type(error).__name__
        raise InputError(source.path, line if place else 1, "", f"not TOML: {reason}") from None


def _check_version(source: Source, document: Mapping[str, object]) -> None:
    """First of all: a later format may have keys that this one does not know."""
    if "daxfuzz" not in document:
        raise source.error(("daxfuzz",), f"missing: a case file says daxfuzz = {FORMAT_VERSION}, the format's version")
    version = document["daxfuzz"]
    if type(version) is not int or version != FORMAT_VERSION:
        raise _expected(source, ("daxfuzz",), f"{FORMAT_VERSION}, the format that this daxfuzz reads", version)
    if "tasks" not in document:
        raise source.error(("tasks",), f"missing: a case has 1 to {MAX_TASKS} tasks")


def _build(values: Mapping[str, Any]) -> Case:
    setup = {"mms": default_mms(values["tasks"]), **values.get("setup", {})}
    program = Program(values["tasks"], Setup(**setup), Machine(**values.get("machine", {})))
    kernel = {name: values[name] for name in ("protocol", "patches", "bugs", "filesystem") if name in values}
    rest = {name: values[name] for name in ("finding", "repaired_by") if name in values}
    return Case(program, KernelSpec(**kernel), schedule=Schedule(**values.get("schedule", {})), **rest)


def default_mms(tasks: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """What [setup] mms is when it is left out: an address space for each task."""
    return {f"mm{index}": (task,) for index, task in enumerate(tasks)}


def _check_tasks_named(source: Source, case: Case) -> None:
    """Tasks are named in other places than [tasks]; all of them exist, and each is in one mm."""
    tasks = case.program.tasks
    for key, task in _task_mentions(case):
        if task not in tasks:
            near = did_you_mean(task, tasks)
            raise source.error(key, f"{shown(task)} is no task{near}; there is {', '.join(tasks)}")
    _check_mms(source, case.program)


def _task_mentions(case: Case) -> Iterator[tuple[Key, str]]:
    for mm, members in case.program.setup.mms.items():
        yield from ((("setup", "mms", mm, index), task) for index, task in enumerate(members))
    yield from ((("schedule", "steps"), task) for task, _ in case.schedule.steps)
    for index, constraint in enumerate(case.schedule.order):
        key = ("schedule", "order", index)
        yield from ((key, label.task) for label in (constraint.before, constraint.after))


def _check_clones(source: Source, setup: Setup) -> None:
    """A clone and what it is a clone of are files, in the order in which they are named."""
    files = list(setup.files)
    for clone, original in setup.clones.items():
        for name, allowed in ((clone, files), (original, files[: files.index(clone)] if clone in files else files)):
            if name not in allowed:
                near = did_you_mean(name, allowed)
                there = f"there is {', '.join(allowed)}" if allowed else "there is none"
                raise source.error(
                    ("setup", "clones", clone),
                    f"{shown(name)} is no file{'' if allowed is files else f' before {clone}'}{near}; {there}",
                )


def _check_mms(source: Source, program: Program) -> None:
    seen: dict[str, str] = {}
    for mm, members in program.setup.mms.items():
        if not members:
            raise source.error(("setup", "mms", mm), "must have at least one task")
        for index, task in enumerate(members):
            if task in seen:
                raise source.error(("setup", "mms", mm, index), f"{shown(task)} is in {seen[task]} already")
            seen[task] = mm
    missing = [task for task in program.tasks if task not in seen]
    if missing:
        raise source.error(("setup", "mms"), f"must name every task; {', '.join(missing)} is in no mm")
