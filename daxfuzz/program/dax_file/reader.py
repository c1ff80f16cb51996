"""From text to a Case: every key and value is checked, and what is wrong becomes an InputError of one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
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
from daxfuzz.program.dax_file.parsers import (
    Parser,
    array,
    boolean,
    expected,
    integer,
    one_of,
    parse_toml,
    spec,
    string,
    table,
)
from daxfuzz.program.dax_file.source import Source, check_nesting
from daxfuzz.program.errors import InputError, did_you_mean, shown
from daxfuzz.sim import Constraint, Label


def _pmd_pages(source: Source, key: Key, value: object) -> int:
    if type(value) is int and value in PMD_SIZES:
        return value
    raise expected(source, key, "one of " + ", ".join(map(str, PMD_SIZES)), value)


def _named(item: Parser, high: int, what: str, low: int = 1) -> Parser:
    """A table whose keys the writer of the case chooses, `low` to `high` of them."""

    def parse(source: Source, key: Key, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise expected(source, key, f"a table of {what}", value)
        for name in value:
            if not is_name(name):
                raise source.error((*key, name), f"cannot be a name here: {NAME_RULE}")
        if not low <= len(value) <= high:
            raise source.error(key, f"must have {low} to {high} {what}, not {len(value)}")
        return {name: item(source, (*key, name), inner) for name, inner in value.items()}

    return parse


def _parse_call(source: Source, key: Key, value: object) -> Call:
    try:
        return parse_call(string(source, key, value))
    except ValueError as error:
        raise source.error(key, str(error)) from None


_RUN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\*([1-9][0-9]{0,5}))?")


def _steps(source: Source, key: Key, value: object) -> tuple[tuple[str, int], ...]:
    words = string(source, key, value).split()
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
    text = string(source, key, value)
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


_SPECS = array(spec, 64, "names")

_DOCUMENT = table(
    {
        "daxfuzz": integer(FORMAT_VERSION, FORMAT_VERSION),
        "protocol": spec,
        "patches": _SPECS,
        "bugs": _SPECS,
        "filesystem": spec,
        "finding": spec,
        "repaired_by": _SPECS,
        "machine": table(
            {
                "bias": integer(2, MAX_BIAS),
                "tlb": one_of(TlbMode),
                "wait_buckets": integer(1, MAX_WAIT_BUCKETS),
                "pmd_pages": _pmd_pages,
                "xa_check_sched": integer(1, MAX_XA_CHECK_SCHED),
                "merge_vmas": boolean,
                "window_ranges": integer(1, MAX_WINDOW_RANGES),
                "low_memory": boolean,
                "spare_blocks": integer(MIN_SPARE_BLOCKS, MAX_SPARE_BLOCKS),
                "ram_pages": integer(0, MAX_RAM_PAGES),
                "rmapbt": boolean,
            }
        ),
        "setup": table(
            {
                "files": _named(integer(1, MAX_FILE_SIZE), MAX_FILES, "files"),
                "mms": _named(array(string, MAX_TASKS, "tasks"), MAX_TASKS, "mms"),
                "prefault": boolean,
                "huge": boolean,
                "clones": _named(string, MAX_FILES, "clones", 0),
                "align": one_of(Align),
            }
        ),
        "tasks": _named(array(_parse_call, MAX_CALLS, "calls"), MAX_TASKS, "tasks"),
        "schedule": table({"steps": _steps, "order": array(_constraint, MAX_ORDER, "constraints"), "calls": _steps}),
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
    document = parse_toml(source)
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


def _check_version(source: Source, document: Mapping[str, object]) -> None:
    """First of all: a later format may have keys that this one does not know."""
    if "daxfuzz" not in document:
        raise source.error(("daxfuzz",), f"missing: a case file says daxfuzz = {FORMAT_VERSION}, the format's version")
    version = document["daxfuzz"]
    if type(version) is not int or version != FORMAT_VERSION:
        raise expected(source, ("daxfuzz",), f"{FORMAT_VERSION}, the format that this daxfuzz reads", version)
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
    yield from ((("schedule", "calls"), task) for task, _ in case.schedule.calls)
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
