"""From a Case to canonical text, with small diffs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from daxfuzz.kernel.machine import Align, Machine
from daxfuzz.program.case import Case, Program, Schedule, Setup
from daxfuzz.program.dax_file.limits import (
    FORMAT_VERSION,
    MAX_COLUMNS,
)
from daxfuzz.program.dax_file.reader import default_mms


@dataclass(frozen=True)
class Entry:
    """One key of the document.

    value: what it says, in plain values that compare.
    text: how it is written.
    wanted: whether it is written when nobody has written it before: not if it says the default.
    """

    value: object
    text: str
    wanted: bool


@dataclass(frozen=True)
class Section:
    """One table of the document; the name of the topmost is empty."""

    name: str
    entries: dict[str, Entry] = field(default_factory=dict)

    def add(self, key: str, value: object, text: str, wanted: bool) -> None:
        self.entries[key] = Entry(value, text, wanted)


def dumps_case(case: Case) -> str:
    """The canonical text of a valid case: loads_case(dumps_case(case)) == case, and equal cases give equal texts.

    What is default is left out, except for the protocol, the file system and the finding. A case whose steps have
    tens of thousands of entries can get longer than loads_case accepts.
    """
    return "\n".join(filter(None, (section_text(section) for section in sections_of(case))))


def section_text(section: Section) -> str:
    lines = [f"{key} = {entry.text}\n" for key, entry in section.entries.items() if entry.wanted]
    header = f"[{section.name}]\n" if section.name and lines else ""
    return header + "".join(lines)


def sections_of(case: Case) -> list[Section]:
    return [_top(case), _machine(case.program.machine), _setup(case.program), _tasks(case), _schedule(case.schedule)]


def _top(case: Case) -> Section:
    section = Section("")
    kernel = case.kernel
    section.add("daxfuzz", FORMAT_VERSION, str(FORMAT_VERSION), True)
    section.add("protocol", kernel.protocol, quoted(kernel.protocol), True)
    _add_array(section, "patches", kernel.patches)
    _add_array(section, "bugs", kernel.bugs)
    section.add("filesystem", kernel.filesystem, quoted(kernel.filesystem), True)
    section.add("finding", case.finding, quoted(case.finding), True)
    _add_array(section, "repaired_by", case.repaired_by)
    return section


def _machine(machine: Machine) -> Section:
    section, default = Section("machine"), Machine()
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
    return quoted(value)


def _setup(program: Program) -> Section:
    section, setup = Section("setup"), program.setup
    # The order of files and mms is part of a program, so it is compared, too.
    files = list(setup.files.items())
    section.add("files", files, _inline(files, str), files != list(Setup().files.items()))
    default = list(default_mms(program.tasks).items())
    mms = list(setup.mms.items()) or default
    section.add("mms", mms, _inline(mms, lambda names: f"[{', '.join(map(quoted, names))}]"), mms != default)
    section.add("prefault", setup.prefault, _scalar(setup.prefault), not setup.prefault)
    section.add("huge", setup.huge, _scalar(setup.huge), setup.huge)
    clones = [(file, setup.clones[file]) for file in setup.files if file in setup.clones]
    section.add("clones", clones, _inline(clones, quoted), bool(clones))
    section.add("align", setup.align, _scalar(setup.align), setup.align is not Align.PAGE)
    return section


def _tasks(case: Case) -> Section:
    section = Section("tasks")
    for task, calls in case.program.tasks.items():
        _add_array(section, task, [str(call) for call in calls], always=True)
    return section


def _schedule(schedule: Schedule) -> Section:
    section = Section("schedule")
    section.add("steps", schedule.steps, _steps_text(schedule.steps), bool(schedule.steps))
    _add_array(section, "order", [str(constraint) for constraint in schedule.order])
    calls = " ".join(task if number == 1 else f"{task}*{number}" for task, number in schedule.calls)
    section.add("calls", schedule.calls, quoted(calls), bool(schedule.calls))
    return section


def _add_array(section: Section, key: str, strings: Sequence[str], always: bool = False) -> None:
    section.add(key, list(strings), _array_text(key, strings), always or bool(strings))


def _array_text(key: str, strings: Sequence[str]) -> str:
    """On one line if it fits, else one string a line: then a change of one string is a diff of one line."""
    line = f"[{', '.join(map(quoted, strings))}]"
    if len(f"{key} = {line}") <= MAX_COLUMNS:
        return line
    return "[\n" + "".join(f"    {quoted(string)},\n" for string in strings) + "]"


def _inline(items: Sequence[tuple[str, Any]], write: Callable[[Any], str]) -> str:
    return "{" + ", ".join(f"{key} = {write(value)}" for key, value in items) + "}"


def _steps_text(steps: Sequence[tuple[str, int]]) -> str:
    words = [f"{task}*{turns}" for task, turns in steps]
    line = quoted(" ".join(words))
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


def quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    return f"\\{char}" if char in '"\\' else f"\\u{ord(char):04x}"
