"""One sequence on a real kernel, step by step."""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random
from typing import Any

from daxfuzz.conform.layout import layout
from daxfuzz.conform.outcome import ENDED, OK, Facts, Outcome, result_of
from daxfuzz.conform.qemu import Qemu
from daxfuzz.conform.sequence import Group, Sequence, registers
from daxfuzz.kernel.kernel import PIPE_BUFFERS
from daxfuzz.program.case import Call, Program
from daxfuzz.program.processes import address_spaces, mapped_files, opened_files, parents

SIGNALS = {7: "SIGBUS", 11: "SIGSEGV"}

MOST_SPINS = 20_000
"""Turns of an empty loop that one call may begin later than another: some tenths of a millisecond."""

_WARNING = re.compile(r"WARNING: .*? at (?:\S+ )?(?:at )?(\w+)\+0x")
_TROUBLE = re.compile(r"(BUG: [^,\[]*|Oops[^,\[]*)")


class Poisoned(Exception):
    """The machine is of no use for further sequences. One line that says why."""


def ask(qemu: Qemu, text: str) -> dict[str, Any]:
    """The agent's answer to a command. Raises Poisoned or Died."""
    answer = qemu.ask(text)
    if answer.get("error"):
        raise Poisoned(f"{text}: error {answer['error']}")
    return answer


class Running:
    """One sequence in a guest.

    warned: functions of the kernel that have warned.
    """

    def __init__(self, qemu: Qemu, sequence: Sequence, words: list[list[str]]) -> None:
        self._qemu = qemu
        self._sequence = sequence
        self._words = words
        self._names = list(sequence.program.tasks)
        self._calls: list[tuple[Call, ...]] = list(sequence.program.tasks.values())
        self._next = [0] * len(self._names)
        self._busy: dict[int, str] = {}
        self._calling: set[int] = set()
        self._idle_devices: list[int] = []
        self._dead: set[int] = set()
        self._exited: set[int] = set()
        self._unborn: set[int] = set()
        self._pfns: dict[str, list[int]] = {}
        self.warned: set[str] = set()

    def run(self, groups: tuple[Group, ...], rng: Random | None = None) -> Outcome:
        """Set up, and take one step after the other.

        groups: tasks whose next calls begin together. rng: draws how much earlier one of a group begins.
        """
        self._set_up(self._sequence.program)
        before = self._facts({})
        return (before, *[self._facts(self._step(group, rng)) for group in groups])

    def _set_up(self, program: Program) -> None:
        shape = layout(program)
        full = int(program.setup.prefault)
        self._ask(f"begin {len(registers(program))} {PIPE_BUFFERS}")
        for number, file in enumerate(shape.files):
            made = self._ask(f"file {number} {shape.pages(file)} {full} {shape.base(file):#x} {shape.parts}")
            self._pfns[file] = made["pfns"]
        forked = parents(program)
        for number, (space, members) in enumerate(address_spaces(program).items()):
            slots = [self._names.index(member) for member in members]
            if forked[space]:
                self._unborn.update(slots)
                continue
            mapped, opened = mapped_files(program, members), opened_files(program, members)
            words = [f"space {number} {sum(1 << slot for slot in slots)}"]
            words += [f"o {shape.files.index(file)}" for file in shape.files if file in opened]
            words += [
                f"m {shape.files.index(file)} {shape.base(file):#x} {shape.pages(file)} {full}"
                for file in shape.files
                if file in mapped
            ]
            self._ask(" ".join(words))

    def _ask(self, text: str) -> dict[str, Any]:
        return ask(self._qemu, text)

    def _step(self, group: Group, rng: Random | None) -> Mapping[str, Any]:
        """The next calls of some tasks, without those that cannot make one."""
        calls = []
        children: list[str] = []
        for task in group:
            position = self._next[task]
            if position >= len(self._calls[task]) or self._engaged(task):
                continue
            self._next[task] += 1
            call = self._calls[task][position]
            if call.name == "fork":
                children += self._space(str(call.arguments[0]))
            words = self._begin(task, call, self._words[task][position])
            if words:
                spin = 0 if rng is None else rng.choice((0, 0, rng.randrange(MOST_SPINS)))
                calls.append(words.replace("SPIN", str(spin)))
        if not calls:
            return {}
        answer = self._ask("call " + ";".join(calls))
        self._unborn -= {self._names.index(name) for name in children}
        return answer

    def _begin(self, task: int, call: Call, words: str) -> str:
        """The agent's words for a call that begins; empty if there is nothing to do."""
        if words == "endio":
            self._idle_devices.append(task)
            return f"-1 SPIN {words}"
        if words:
            self._calling.add(task)
            if call.name == "exit":
                self._exit(task)
            return f"{task} SPIN {words}"
        return ""

    def _engaged(self, task: int) -> bool:
        """Whether a task cannot begin a call: it is in one, or it is no more, or not there yet."""
        return any(task in each for each in (self._busy, self._dead, self._unborn, self._idle_devices))

    def _space(self, name: str) -> tuple[str, ...]:
        spaces = address_spaces(self._sequence.program).values()
        return next(members for members in spaces if name in members)

    def _exit(self, task: int) -> None:
        """With the last task that exits, the process ends."""
        self._exited.add(task)
        members = self._space(self._names[task])
        if all(self._names.index(name) in self._exited for name in members):
            spaces = list(address_spaces(self._sequence.program).values())
            self._ask(f"abandon {spaces.index(members)}")

    def _facts(self, answer: Mapping[str, Any]) -> Facts:
        facts: dict[str, str] = {}
        for slot, kind, value in answer.get("events", ()):
            # A program that has made all its calls is over in the model: no signal ends it.
            if slot in self._calling or self._next[slot] < len(self._calls[slot]):
                facts[self._names[slot]] = self._result(slot, kind, value)
            self._calling.discard(slot)
        if answer:
            self._busy = {slot: state for slot, state, _ in answer["busy"]}
            while len(self._idle_devices) > answer["idle_disk"]:
                # Whichever of them it is: the model lets the first go on that it has.
                task = min(self._idle_devices)
                self._idle_devices.remove(task)
                facts[self._names[task]] = OK
        for slot, state in self._busy.items():
            facts[self._names[slot]] = f"blocked {state}"
        for file, pfns in self._pfns.items():
            if pfns:
                facts[f"refs {file}"] = " ".join(str(count) for count in self._qemu.refcounts(pfns))
        warned = self._warnings(answer.get("warnings", ()))
        if warned:
            facts["warnings"] = " ".join(sorted(warned))
        return dict(sorted(facts.items(), key=lambda fact: self._order(fact[0])))

    def _order(self, key: str) -> int:
        return self._names.index(key) if key in self._names else len(self._names)

    def _result(self, slot: int, kind: str, value: int) -> str:
        if kind != "done":
            self._dead.add(slot)
            return SIGNALS.get(value, f"signal {value}") if kind == "signal" else ENDED
        return result_of(self._calls[slot][self._next[slot] - 1].name, value)

    def _warnings(self, lines: list[str] | tuple[str, ...]) -> list[str]:
        """Functions that have not warned before."""
        found = []
        for line in lines:
            match = _WARNING.search(line) or _TROUBLE.search(line)
            name = match[1].strip().replace(" ", "-") if match else "unknown"
            if name not in self.warned:
                self.warned.add(name)
                found.append(name)
        return found
