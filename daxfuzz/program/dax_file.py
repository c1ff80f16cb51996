"""The .dax text form: one case as TOML, made to be read and edited by hand.

A case file may come from a stranger, and is data only: its size and nesting are bounded before a parser sees it, every
key and value is checked, and whatever is wrong with it becomes an InputError of one line. Names of protocols, patches,
bugs, file systems and findings are checked to be names; what they stand for is the registry's business.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import SequenceMatcher
from itertools import count
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.program.calls import MAX_NAME_LENGTH, CallError, check_calls, is_name, parse_call
from daxfuzz.program.case import Call, Case, KernelSpec, Program, Schedule, Setup
from daxfuzz.program.errors import InputError, did_you_mean, shown
from daxfuzz.sim import Constraint, Label

FORMAT_VERSION = 1
MAX_SIZE = 256 * 1024
"""Bytes of a file."""
MAX_NESTING = 32
"""Brackets inside each other, and dots in a line (a dotted key nests, too)."""
MAX_FILES = 4
MAX_FILE_SIZE = 8
"""Pages."""
MAX_TASKS = 8
MAX_CALLS = 64
"""Per task."""
MAX_BIAS = 2**20
MAX_WAIT_BUCKETS = 4096
MAX_XA_CHECK_SCHED = 2**20
MAX_RUNS = 20_000
"""Entries of `steps`."""
MAX_TURNS = 100_000
"""Turns of one entry of `steps`, and occurrences in a label."""
MAX_ALL_TURNS = 1_000_000
"""Turns of all entries of `steps` together."""
MAX_ORDER = 1000
"""Constraints."""
MAX_SPEC_LENGTH = 200
"""Characters of the name of a protocol, a patch, ..."""
MAX_COLUMNS = 100
"""Width of lines that are written, where they can be broken."""

_NAME_RULE = f"ASCII letters, digits and _, no digit first, no Python keyword, at most {MAX_NAME_LENGTH} characters"

Key = tuple[str | int, ...]
"""Where a value is in the document: names of tables and keys, indices in arrays."""


# Reading: the text before it is parsed


@dataclass(frozen=True)
class _Source:
    """The text that is being read, to say where in it something is wrong."""

    path: str
    text: str

    def error(self, key: Key, message: str) -> InputError:
        """The error to raise for what is at `key`."""
        lines = _Locator(self.text).lines
        known = (key[:length] for length in range(len(key), 0, -1))
        line = next((lines[prefix] for prefix in known if prefix in lines), 1)
        return InputError(self.path, line, _written(key), message)


def _written(key: Key) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{_short(part)}" for part in key)
    return "".join(parts).removeprefix(".")


def _short(part: str) -> str:
    return part if is_name(part) else shown(part)


_TOKEN = re.compile(
    r'''
    (?P<string>
        """ (?: [^"\\]++ | \\[\s\S] | "(?!"") )*+ (?: "{3,5} | \\?\Z )
      | \'\'\' (?: [^']++ | '(?!\'\') )*+ (?: '{3,5} | \Z )
      | " (?: [^"\\\n]++ | \\[^\n] )*+ "?
      | ' [^'\n]*+ '?
    )
  | (?P<comment> \#[^\n]*+ )
  | (?P<mark> [][{}=,.\n] )
  | (?P<word> [^][{}=,.\n\#"'\ \t\r]++ )
    ''',
    re.VERBOSE,
)
"""TOML's tokens, as far as finding brackets and keys needs them. Nothing in it backtracks: it takes linear time."""


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of each token; the kind of a mark is the mark itself."""
    line = 1
    for match in _TOKEN.finditer(text):
        token = match.group()
        kind = match.lastgroup or ""
        yield (token if kind == "mark" else kind), token, line
        line += token.count("\n")


def _check_nesting(path: str, text: str) -> None:
    depth = dots = 0
    for kind, _, line in _tokens(text):
        match kind:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth = max(0, depth - 1)
            case ".":
                dots += 1
            case "\n":
                dots = 0
        if max(depth, dots) > MAX_NESTING:
            raise InputError(path, line, "", f"nested too deeply: at most {MAX_NESTING} levels")


class _Locator:
    """Finds the line of every key and array element; made only once something is wrong.

    The text need not be valid: places found before the first flaw are right.
    """

    def __init__(self, text: str) -> None:
        self.lines: dict[Key, int] = {}
        self._table: Key = ()
        self._parts: list[str] = []
        self._stack: list[tuple[Key, int]] = []
        """Open arrays as (key, index of the element), and inline tables as (key, -1)."""
        self._path: Key = ()
        self._in_header = False
        self._in_value = False
        for kind, token, line in _tokens(text):
            self._take(kind, token, line)

    def _take(self, kind: str, token: str, line: int) -> None:
        match kind:
            case "\n":
                self._end_line()
            case "=":
                self._end_key(line)
            case ",":
                self._next_element()
            case "[" | "{":
                self._open(kind, line)
            case "]" | "}":
                self._close(line)
            case "word" | "string":
                self._text(token, line)

    def _text(self, token: str, line: int) -> None:
        if self._in_value:
            self.lines.setdefault(self._path, line)
        else:
            self._parts.append(token.strip("\"'"))

    def _end_line(self) -> None:
        if not self._stack:
            self._parts.clear()
            self._in_header = self._in_value = False

    def _end_key(self, line: int) -> None:
        if self._in_value:
            return
        base = self._stack[-1][0] if self._stack else self._table
        self._path = (*base, *self._parts)
        for length in range(len(base) + 1, len(self._path) + 1):
            self.lines.setdefault(self._path[:length], line)
        self._parts.clear()
        self._in_value = True

    def _open(self, kind: str, line: int) -> None:
        if not self._in_value:
            self._in_header = True
            return
        self.lines.setdefault(self._path, line)
        self._stack.append((self._path, 0 if kind == "[" else -1))
        self._in_value = kind == "["
        if self._in_value:
            self._path = (*self._path, 0)

    def _next_element(self) -> None:
        if not self._stack:
            return
        key, index = self._stack[-1]
        if index < 0:
            self._in_value = False
            self._parts.clear()
        else:
            self._stack[-1] = (key, index + 1)
            self._path = (*key, index + 1)

    def _close(self, line: int) -> None:
        if self._in_header and self._parts:
            self._table = tuple(self._parts)
            self.lines.setdefault(self._table, line)
            self._parts.clear()
        elif self._stack:
            self._path = self._stack.pop()[0]
            self._in_value = True


# Reading: values

Parser = Callable[[_Source, Key, object], Any]
"""Checks what is at a key and turns it into what the case holds; raises InputError."""

_TYPE_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    str: "a string",
    list: "an array",
    dict: "a table",
}


def _expected(source: _Source, key: Key, what: str, value: object) -> InputError:
    given = shown(value) if isinstance(value, str) else _TYPE_NAMES.get(type(value), "a date or time")
    if type(value) is int and abs(value) < 10**15:
        given = str(value)
    return source.error(key, f"must be {what}, not {given}")


def _integer(low: int, high: int) -> Parser:
    def parse(source: _Source, key: Key, value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise _expected(source, key, f"an integer from {low} to {high}", value)

    return parse


def _boolean(source: _Source, key: Key, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _expected(source, key, "true or false", value)


def _string(source: _Source, key: Key, value: object) -> str:
    if isinstance(value, str):
        return value
    raise _expected(source, key, "a string", value)


def _spec(source: _Source, key: Key, value: object) -> str:
    if isinstance(value, str) and 0 < len(value) <= MAX_SPEC_LENGTH and value.isprintable():
        return value
    raise _expected(source, key, f"a name of 1 to {MAX_SPEC_LENGTH} printable characters", value)


def _tlb(source: _Source, key: Key, value: object) -> TlbMode:
    names = [mode.value for mode in TlbMode]
    if isinstance(value, str) and value in names:
        return TlbMode(value)
    near = did_you_mean(value, names) if isinstance(value, str) else ""
    error = _expected(source, key, "one of " + ", ".join(map(shown, names)), value)
    raise InputError(error.path, error.line, error.key, error.message + near)


def _array(item: Parser, high: int, what: str) -> Parser:
    def parse(source: _Source, key: Key, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _expected(source, key, f"an array of {what}", value)
        if len(value) > high:
            raise source.error((*key, high), f"{len(value)} {what} are too many: at most {high}")
        return tuple(item(source, (*key, index), element) for index, element in enumerate(value))

    return parse


def _named(item: Parser, high: int, what: str) -> Parser:
    """A table whose keys the writer of the case chooses; it has at least one."""

    def parse(source: _Source, key: Key, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _expected(source, key, f"a table of {what}", value)
        for name in value:
            if not is_name(name):
                raise source.error((*key, name), f"cannot be a name here: {_NAME_RULE}")
        if not 1 <= len(value) <= high:
            raise source.error(key, f"must have 1 to {high} {what}, not {len(value)}")
        return {name: item(source, (*key, name), inner) for name, inner in value.items()}

    return parse


def _table(keys: Mapping[str, Parser]) -> Parser:
    """A table with keys that the format fixes; all of them may be left out."""

    def parse(source: _Source, key: Key, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _expected(source, key, "a table", value)
        for name in value:
            if name not in keys:
                near = did_you_mean(name, keys)
                raise source.error((*key, name), f"unknown key{near}; allowed: {', '.join(keys)}")
        return {name: keys[name](source, (*key, name), inner) for name, inner in value.items()}

    return parse


def _parse_call(source: _Source, key: Key, value: object) -> Call:
    try:
        return parse_call(_string(source, key, value))
    except ValueError as error:
        raise source.error(key, str(error)) from None


_RUN = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\*([1-9][0-9]{0,5}))?")


def _steps(source: _Source, key: Key, value: object) -> tuple[tuple[str, int], ...]:
    words = _string(source, key, value).split()
    if len(words) > MAX_RUNS:
        raise source.error(key, f"{len(words)} entries are too many: at most {MAX_RUNS}")
    runs = tuple(_run(source, key, word) for word in words)
    turns = sum(number for _, number in runs)
    if turns > MAX_ALL_TURNS:
        raise source.error(key, f"{turns} turns are too many: at most {MAX_ALL_TURNS}")
    return runs


def _run(source: _Source, key: Key, word: str) -> tuple[str, int]:
    match = _RUN.fullmatch(word)
    turns = int(match[2] or 1) if match else 0
    if match is None or turns > MAX_TURNS:
        raise source.error(key, f"{shown(word)} must be task*turns, with 1 to {MAX_TURNS} turns")
    return match[1], turns


_LABEL = re.compile(r"(\w{1,64}):(\w{1,64})\.(\w{1,64})(?:#([1-9][0-9]{0,5}))?", re.ASCII)
_LABEL_RULE = 'must be "A < B", a label being task:function.verb or task:function.verb#occurrence'


def _constraint(source: _Source, key: Key, value: object) -> Constraint:
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
                "tlb": _tlb,
                "wait_buckets": _integer(1, MAX_WAIT_BUCKETS),
                "xa_check_sched": _integer(1, MAX_XA_CHECK_SCHED),
                "merge_vmas": _boolean,
            }
        ),
        "setup": _table(
            {
                "files": _named(_integer(1, MAX_FILE_SIZE), MAX_FILES, "files"),
                "mms": _named(_array(_string, MAX_TASKS, "tasks"), MAX_TASKS, "mms"),
                "prefault": _boolean,
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
    source = _Source(path, _bounded_text(text, path))
    _check_nesting(path, source.text)
    document = _parse_toml(source)
    _check_version(source, document)
    case = _build(_DOCUMENT(source, (), document))
    _check_tasks_named(source, case)
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


def _parse_toml(source: _Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except (ValueError, RecursionError, MemoryError) as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else source.text.count("\n") + 1
        reason = _TOML_PLACE.sub("", str(error)) or type(error).__name__
        raise InputError(source.path, line if place else 1, "", f"not TOML: {reason}") from None


def _check_version(source: _Source, document: Mapping[str, object]) -> None:
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


def _check_tasks_named(source: _Source, case: Case) -> None:
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


def _check_mms(source: _Source, program: Program) -> None:
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


# Writing


@dataclass(frozen=True)
class _Entry:
    """One key of the document.

    value: what it says, in plain values that compare.
    text: how it is written.
    wanted: whether it is written when nobody has written it before: not if it says the default.
    """

    value: object
    text: str
    wanted: bool


@dataclass(frozen=True)
class _Section:
    """One table of the document; the name of the topmost is empty."""

    name: str
    entries: dict[str, _Entry] = field(default_factory=dict)

    def add(self, key: str, value: object, text: str, wanted: bool) -> None:
        self.entries[key] = _Entry(value, text, wanted)


def dumps_case(case: Case) -> str:
    """The canonical text of a valid case: loads_case(dumps_case(case)) == case, and equal cases give equal texts.

    What is default is left out, except for the protocol, the file system and the finding. A case whose steps have
    tens of thousands of entries can get longer than loads_case accepts.
    """
    return "\n".join(filter(None, (_section_text(section) for section in _sections(case))))


def _section_text(section: _Section) -> str:
    lines = [f"{key} = {entry.text}\n" for key, entry in section.entries.items() if entry.wanted]
    header = f"[{section.name}]\n" if section.name and lines else ""
    return header + "".join(lines)


def _sections(case: Case) -> list[_Section]:
    return [_top(case), _machine(case.program.machine), _setup(case.program), _tasks(case), _schedule(case.schedule)]


def _top(case: Case) -> _Section:
    section = _Section("")
    kernel = case.kernel
    section.add("daxfuzz", FORMAT_VERSION, str(FORMAT_VERSION), True)
    section.add("protocol", kernel.protocol, _quoted(kernel.protocol), True)
    _add_array(section, "patches", kernel.patches)
    _add_array(section, "bugs", kernel.bugs)
    section.add("filesystem", kernel.filesystem, _quoted(kernel.filesystem), True)
    section.add("finding", case.finding, _quoted(case.finding), True)
    _add_array(section, "repaired_by", case.repaired_by)
    return section


def _machine(machine: Machine) -> _Section:
    section, default = _Section("machine"), Machine()
    for setting in fields(Machine):
        value = getattr(machine, setting.name)
        section.add(setting.name, value, _scalar(value), value != getattr(default, setting.name))
    return section


def _scalar(value: bool | int | str) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
    return _quoted(value)


def _setup(program: Program) -> _Section:
    section, setup = _Section("setup"), program.setup
    # The order of files and mms is part of a program, so it is compared, too.
    files = list(setup.files.items())
    section.add("files", files, _inline(files, str), files != list(Setup().files.items()))
    default = list(default_mms(program.tasks).items())
    mms = list(setup.mms.items()) or default
    section.add("mms", mms, _inline(mms, lambda names: f"[{', '.join(map(_quoted, names))}]"), mms != default)
    section.add("prefault", setup.prefault, _scalar(setup.prefault), not setup.prefault)
    return section


def _tasks(case: Case) -> _Section:
    section = _Section("tasks")
    for task, calls in case.program.tasks.items():
        _add_array(section, task, [str(call) for call in calls], always=True)
    return section


def _schedule(schedule: Schedule) -> _Section:
    section = _Section("schedule")
    section.add("steps", schedule.steps, _steps_text(schedule.steps), bool(schedule.steps))
    _add_array(section, "order", [str(constraint) for constraint in schedule.order])
    return section


def _add_array(section: _Section, key: str, strings: Sequence[str], always: bool = False) -> None:
    section.add(key, list(strings), _array_text(key, strings), always or bool(strings))


def _array_text(key: str, strings: Sequence[str]) -> str:
    """On one line if it fits, else one string a line: then a change of one string is a diff of one line."""
    line = f"[{', '.join(map(_quoted, strings))}]"
    if len(f"{key} = {line}") <= MAX_COLUMNS:
        return line
    return "[\n" + "".join(f"    {_quoted(string)},\n" for string in strings) + "]"


def _inline(items: Sequence[tuple[str, Any]], write: Callable[[Any], str]) -> str:
    return "{" + ", ".join(f"{key} = {write(value)}" for key, value in items) + "}"


def _steps_text(steps: Sequence[tuple[str, int]]) -> str:
    words = [f"{task}*{turns}" for task, turns in steps]
    line = _quoted(" ".join(words))
    return line if len(f"steps = {line}") <= MAX_COLUMNS else '"""\n' + "".join(_filled(words)) + '"""'


def _filled(words: Sequence[str]) -> Iterator[str]:
    line = ""
    for word in words:
        if line and len(line) + 1 + len(word) > MAX_COLUMNS:
            yield line + "\n"
            line = word
        else:
            line = f"{line} {word}" if line else word
    yield line + "\n"


_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return f"\\{char}" if char in '"\\' else f"\\u{ord(char):04x}"


# Rewriting


def rewrite_case(text: str, case: Case) -> str:
    """`text`, the text of some case, changed to say `case`: comments and everything that needs no change stay.

    Raises InputError if `text` is not the text of a case. Where an edit in place is not possible (a file whose tables
    are written in some unusual way), the result is dumps_case(case).
    """
    old = loads_case(text)
    for edit in (_edit_strings, _edit_array):
        try:
            edited = _rewritten(text, old, case, edit)
            # The editor's idea of TOML is its own: what comes out is believed only once it has been read.
            if dumps_case(loads_case(edited)) == dumps_case(case):
                return edited
        except (TOMLKitError, InputError, ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue
    return dumps_case(case)


EditArray = Callable[[Array, Sequence[str], str], Any]


def _rewritten(text: str, old: Case, new: Case, edit: EditArray) -> str:
    document = tomlkit.parse(text)
    for before, after in zip(_sections(old), _sections(new), strict=True):
        if after.name not in document and after.name:
            _append_section(document, after)
        else:
            _rewrite_section(document[after.name] if after.name else document, before, after, edit)
    return tomlkit.dumps(document)


def _append_section(document: Any, section: _Section) -> None:
    text = _section_text(section)
    if text:
        document.append(section.name, tomlkit.parse("\n" + text)[section.name])


def _rewrite_section(table: Any, before: _Section, after: _Section, edit: EditArray) -> None:
    for key in [key for key in table if key in before.entries and key not in after.entries]:
        del table[key]
    for key, entry in after.entries.items():
        if key not in table:
            if entry.wanted:
                table[key] = _item(entry.text)
        elif entry.value != before.entries[key].value:
            _rewrite_entry(table, key, entry, edit)
    if after.name == "tasks":
        _reorder(table, list(after.entries))


def _reorder(table: Any, keys: Sequence[str]) -> None:
    if list(table) != keys:
        for key in keys:
            item = table[key]
            del table[key]
            table[key] = item


def _rewrite_entry(table: Any, key: str, entry: _Entry, edit: EditArray) -> None:
    item = table[key]
    if isinstance(item, Array) and isinstance(entry.value, list):
        table[key] = edit(item, entry.value, entry.text)
    else:
        table[key] = _item(entry.text)


def _item(text: str) -> Any:
    return tomlkit.parse(f"x = {text}\n")["x"]


def _edit_array(array: Array, strings: Sequence[str], text: str) -> Any:
    """A new array in place of the old one."""
    return _item(text)


def _edit_strings(array: Array, strings: Sequence[str], text: str) -> Any:
    """The same array with single strings exchanged, so that comments beside the others stay."""
    matcher = SequenceMatcher(a=[str(item) for item in array], b=list(strings), autojunk=False)
    for tag, start, end, low, high in reversed(matcher.get_opcodes()):
        if tag == "equal":
            continue
        for index in reversed(range(start, end)):
            del array[index]
        for offset, string in enumerate(strings[low:high]):
            array.insert(start + offset, string)
    return array


def save_case(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to a file so that at any time it holds either the old text or the new one. Raises OSError."""
    target = Path(os.path.realpath(path))
    descriptor, temporary = _open_temporary(target)
    try:
        with open(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _open_temporary(target: Path) -> tuple[int, Path]:
    """A new file beside `target` (a rename is atomic within one file system only), with the mode a new file gets."""
    for number in count():
        temporary = target.with_name(f".daxfuzz-{os.getpid()}-{number}.tmp")
        try:
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), temporary
        except FileExistsError:
            continue
    raise AssertionError("count() does not end")
