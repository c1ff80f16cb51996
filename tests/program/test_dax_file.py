"""The .dax text form: what is read, how it is written, and that nothing but InputError comes of a bad file."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies_cases import cases

from daxfuzz.kernel.machine import Machine, TlbMode
from daxfuzz.program.calls import parse_call
from daxfuzz.program.case import Case, KernelSpec, Program, Schedule, Setup
from daxfuzz.program.dax_file import dumps_case, load_case, loads_case, rewrite_case, save_case
from daxfuzz.program.dax_file.limits import MAX_SIZE
from daxfuzz.program.errors import InputError
from daxfuzz.sim import Constraint, Label

EXAMPLE = """\
# Two of three references dropped are one wake-up too few.
daxfuzz = 1                       # format version
protocol = "pin-wait"             # or "series-v1:7"
patches = []                      # none of our own
bugs = []
filesystem = "ext4"
finding = "lost-wakeup"           # what a replay must show
repaired_by = ["fix-wake-on-threshold"]

[machine]
bias = 4                          # small
tlb = "ipi"

[setup]                           # defaults shown
files = {file0 = 1}               # size in pages
mms = {mm0 = ["getter"], mm1 = ["truncator"]}
prefault = true

[tasks]                           # calls in program order
getter    = ["r0 = get_user_pages_fast(file0, 0)", "r1 = get_user_pages_fast(file0, 0)",  # take both
             "put_page(r0)", "put_page(r1)"]
truncator = ["truncate(file0, 0)"]

[schedule]
steps = "getter*15 truncator*9 getter*6"         # exact
order = ["getter:get_user_pages_fast.add#3 < truncator:dax_layout_busy_page.read",
         "truncator:wait_var_event.condition < getter:put_page.dec#1"]        # what the bug needs
"""

CANONICAL = """\
daxfuzz = 1
protocol = "pin-wait"
filesystem = "ext4"
finding = "lost-wakeup"
repaired_by = ["fix-wake-on-threshold"]

[machine]
bias = 4

[tasks]
getter = [
    "r0 = get_user_pages_fast(file0, 0)",
    "r1 = get_user_pages_fast(file0, 0)",
    "put_page(r0)",
    "put_page(r1)",
]
truncator = ["truncate(file0, 0)"]

[schedule]
steps = "getter*15 truncator*9 getter*6"
order = [
    "getter:get_user_pages_fast.add#3 < truncator:dax_layout_busy_page.read",
    "truncator:wait_var_event.condition < getter:put_page.dec",
]
"""


def example() -> Case:
    calls = ["r0 = get_user_pages_fast(file0, 0)", "r1 = get_user_pages_fast(file0, 0)", "put_page(r0)", "put_page(r1)"]
    tasks = {"getter": tuple(map(parse_call, calls)), "truncator": (parse_call("truncate(file0, 0)"),)}
    setup = Setup({"file0": 1}, {"mm0": ("getter",), "mm1": ("truncator",)})
    order = (
        Constraint(
            Label("getter", "get_user_pages_fast", "add", 3), Label("truncator", "dax_layout_busy_page", "read")
        ),
        Constraint(Label("truncator", "wait_var_event", "condition"), Label("getter", "put_page", "dec")),
    )
    return Case(
        Program(tasks, setup, Machine(bias=4)),
        KernelSpec(),
        "lost-wakeup",
        ("fix-wake-on-threshold",),
        Schedule((("getter", 15), ("truncator", 9), ("getter", 6)), order),
    )


def in_order(case: Case) -> tuple[object, ...]:
    """Dictionaries compare without their order, which is part of a case."""
    setup = case.program.setup
    return (case, list(case.program.tasks), list(setup.files), list(setup.mms))


def test_reads_the_example() -> None:
    assert loads_case(EXAMPLE) == example()
    assert loads_case(EXAMPLE.encode()) == example()
    assert loads_case(EXAMPLE.replace("\n", "\r\n")) == example()


def test_writes_the_example() -> None:
    assert dumps_case(example()) == CANONICAL


def test_shortest_case() -> None:
    assert loads_case("daxfuzz = 1\ntasks.t = []") == Case(Program({"t": ()}, Setup(mms={"mm0": ("t",)})))


def test_mms_that_are_not_in_the_program_are_the_default() -> None:
    assert loads_case(dumps_case(Case(Program({"a": (), "b": ()})))).program.setup.mms == {"mm0": ("a",), "mm1": ("b",)}


@settings(max_examples=150, deadline=None)
@given(cases())
def test_round_trip(case: Case) -> None:
    text = dumps_case(case)
    again = loads_case(text)
    assert in_order(again) == in_order(case)
    assert dumps_case(again) == text
    calls = [line for line in text.splitlines() if line.startswith("    ") and "(" in line]
    assert all(len(line) <= 100 for line in calls)


def test_long_steps_are_wrapped() -> None:
    steps = tuple(("getter" if index % 2 else "truncator", index + 1) for index in range(60))
    case = replace(example(), schedule=Schedule(steps))
    text = dumps_case(case)
    assert max(map(len, text.splitlines())) <= 100
    assert loads_case(text) == case


def test_an_order_of_calls_is_kept() -> None:
    case = replace(example(), schedule=Schedule(calls=(("getter", 2), ("truncator", 1), ("getter", 1))))
    text = dumps_case(case)
    assert text.endswith('[schedule]\ncalls = "getter*2 truncator getter"\n')
    assert loads_case(text) == case
    with pytest.raises(InputError, match=r'schedule\.calls: "gettr" is no task \(did you mean "getter"\?\)'):
        loads_case(text.replace("truncator getter", "truncator gettr"))


# Rewriting


def test_rewriting_nothing_changes_nothing() -> None:
    assert rewrite_case(EXAMPLE, example()) == EXAMPLE


def test_rewriting_keeps_comments() -> None:
    case = example()
    tasks = {"getter": (case.program.tasks["getter"][0],), "truncator": case.program.tasks["truncator"]}
    program = replace(case.program, tasks=tasks, machine=Machine(tlb=TlbMode.BROADCAST))
    new = replace(case, program=program, finding="deadlock", schedule=Schedule((("getter", 2),)))
    text = rewrite_case(EXAMPLE, new)
    assert loads_case(text) == new
    changed = [line for line in text.splitlines() if line not in EXAMPLE.splitlines()]
    assert changed == [
        'finding = "deadlock"           # what a replay must show',
        "bias = 1024                          # small",
        'tlb = "broadcast"',
        'getter    = ["r0 = get_user_pages_fast(file0, 0)"]',
        'steps = "getter*2"         # exact',
        "order = []        # what the bug needs",
    ]


def test_rewriting_keeps_comments_beside_calls() -> None:
    head = 'daxfuzz = 1\n[tasks]\na = [\n  "load(file0, 0)",  # touch\n'
    text = head + '  "fsync(file0)",  # sync\n  "munmap(file0)",  # gone\n]\n'
    case = loads_case(text)
    calls = case.program.tasks["a"]
    new = replace(case, program=replace(case.program, tasks={"a": (calls[0], calls[2])}))
    assert rewrite_case(text, new).endswith('"load(file0, 0)",  # touch\n  "munmap(file0)",  # gone\n]\n')


def test_rewriting_adds_and_removes_tasks() -> None:
    case = example()
    setup = Setup(mms={"mm0": ("new", "truncator")})
    tasks = {"new": (parse_call("fsync(file0)"),), "truncator": case.program.tasks["truncator"]}
    new = replace(case, program=replace(case.program, tasks=tasks, setup=setup), schedule=Schedule())
    text = rewrite_case(EXAMPLE, new)
    assert in_order(loads_case(text)) == in_order(new)
    assert "# calls in program order" in text


@settings(max_examples=60, deadline=None)
@given(cases(max_tasks=3), cases(max_tasks=3))
def test_rewriting_any_case_to_any_other(old: Case, new: Case) -> None:
    text = "# first\n" + dumps_case(old).replace("[tasks]", "# what they do\n[tasks]  # calls")
    rewritten = rewrite_case(text, new)
    assert in_order(loads_case(rewritten)) == in_order(new)
    assert rewrite_case(text, old) == text
    assert "# first\n" in rewritten
    assert "[tasks]  # calls" in rewritten


@pytest.mark.parametrize(
    "text",
    [
        'daxfuzz = 1\ntasks = {a = ["load(file0, 0)"]} # one\n',
        'daxfuzz = 1\ntasks.a = ["load(file0, 0)"] # one\n',
        'tasks.a = ["load(file0, 0)"] # one\nsetup.prefault = true\nsetup.files.file0 = 2\ndaxfuzz = 1',
        'daxfuzz = 1\n[setup.files]\nfile0 = 1 # one\n[tasks]\n"a" = [\'load(file0, 0)\']\n[setup.mms]\nm = ["a"]\n',
        'daxfuzz = 1\r\n[tasks]\r\na = ["load(file0, 0)"] # one\r\n',
    ],
)
def test_rewriting_unusual_files(text: str) -> None:
    assert loads_case(rewrite_case(text, example())) == example()
    assert "# one" in rewrite_case(text, loads_case(text))


# Errors

HEAD = 'daxfuzz = 1\nprotocol = "pin-wait"\n'
TASKS = '[tasks]\na = ["load(file0, 0)"]\n'


def message_of(text: str | bytes) -> str:
    with pytest.raises(InputError) as error:
        loads_case(text, "case.dax")
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "case.dax:1: daxfuzz: missing: a case file says daxfuzz = 1, the format's version"),
        ("daxfuzz = 2\nnew = 3", "case.dax:1: daxfuzz: must be 1, the format that this daxfuzz reads, not 2"),
        ("daxfuzz = true", "case.dax:1: daxfuzz: must be 1, the format that this daxfuzz reads, not a boolean"),
        ("daxfuzz = 1", "case.dax:1: tasks: missing: a case has 1 to 8 tasks"),
        ("daxfuzz = 1\n[tasks]", "case.dax:2: tasks: must have 1 to 8 tasks, not 0"),
        (
            "daxfuzz = 1\ntasks = 3",
            "case.dax:2: tasks: must be a table of tasks, not 3",
        ),
        ("daxfuzz = 1\n\nprotocol = ", "case.dax:3: not TOML: Invalid value"),
        ("daxfuzz = 1\ndaxfuzz = 1", "case.dax:2: not TOML: Cannot overwrite a value"),
        (
            HEAD + "protocl = 1\n" + TASKS,
            'case.dax:3: protocl: unknown key (did you mean "protocol"?); allowed: daxfuzz, '
            "protocol, patches, bugs, filesystem, finding, repaired_by, machine, setup, tasks, "
            "schedule",
        ),
        (HEAD + "finding = 3\n" + TASKS, "case.dax:3: finding: must be a name of 1 to 200 printable characters, not 3"),
        (
            HEAD + 'finding = "a\\nb"\n' + TASKS,
            'case.dax:3: finding: must be a name of 1 to 200 printable characters, not "a\\nb"',
        ),
        (HEAD + "patches = 'x'\n" + TASKS, 'case.dax:3: patches: must be an array of names, not "x"'),
        (
            HEAD + "patches = [\n'x',\n1.5]\n" + TASKS,
            "case.dax:5: patches[1]: must be a name of 1 to 200 printable characters, not a float",
        ),
        (
            HEAD + "[machine]\n# no\nbias = 1\n" + TASKS,
            "case.dax:5: machine.bias: must be an integer from 2 to 1048576, not 1",
        ),
        (
            HEAD + "[machine]\nbias = true\n" + TASKS,
            "case.dax:4: machine.bias: must be an integer from 2 to 1048576, not a boolean",
        ),
        (
            HEAD + "[machine]\nwait_buckets = 5000\n" + TASKS,
            "case.dax:4: machine.wait_buckets: must be an integer from 1 to 4096, not 5000",
        ),
        (
            HEAD + "[machine]\ntlb = 'ipl'\n" + TASKS,
            'case.dax:4: machine.tlb: must be one of "ipi", "broadcast", not "ipl" (did you mean "ipi"?)',
        ),
        (
            HEAD + "machine.tbl = 1\n" + TASKS,
            'case.dax:3: machine.tbl: unknown key (did you mean "tlb"?); allowed: bias, tlb, '
            "wait_buckets, pmd_pages, xa_check_sched, merge_vmas, window_ranges, low_memory, spare_blocks, "
            "ram_pages, rmapbt",
        ),
        (
            HEAD + 'setup = {files = {"a b" = 1}}\n' + TASKS,
            'case.dax:3: setup.files."a b": cannot be a name here: ASCII letters, digits and _, no '
            "digit first, no Python keyword, at most 24 characters",
        ),
        (
            HEAD + "[setup]\nfiles = {f = 9}\n" + TASKS,
            "case.dax:4: setup.files.f: must be an integer from 1 to 8, not 9",
        ),
        (HEAD + "[setup]\nfiles = {}\n" + TASKS, "case.dax:4: setup.files: must have 1 to 4 files, not 0"),
        (HEAD + "[setup]\nprefault = 1\n" + TASKS, "case.dax:4: setup.prefault: must be true or false, not 1"),
        (
            HEAD + "[setup]\nalign = 'pmds'\n" + TASKS,
            'case.dax:4: setup.align: must be one of "page", "pmd", "pud", not "pmds" (did you mean "pmd"?)',
        ),
        (
            HEAD + "[setup]\nclones = {file1 = 'file0'}\n" + TASKS,
            'case.dax:4: setup.clones.file1: "file1" is no file (did you mean "file0"?); there is file0',
        ),
        (
            HEAD + "[setup]\nfiles = {f = 1, g = 1}\nclones = {f = 'g'}\n" + TASKS,
            'case.dax:5: setup.clones.f: "g" is no file before f; there is none',
        ),
        (HEAD + "[setup]\nmms = {m = ['b']}\n" + TASKS, 'case.dax:4: setup.mms.m[0]: "b" is no task; there is a'),
        (HEAD + "[setup]\nmms = {m = ['a'], n = ['a']}\n" + TASKS, 'case.dax:4: setup.mms.n[0]: "a" is in m already'),
        (HEAD + "[setup]\nmms = {m = []}\n" + TASKS, "case.dax:4: setup.mms.m: must have at least one task"),
        (
            HEAD + "[setup]\nmms = {m = ['a']}\n" + TASKS + "b = []",
            "case.dax:4: setup.mms: must name every task; b is in no mm",
        ),
        (
            HEAD + "[tasks]\na = [\n'load(file0, 0)',  # x, y\n'load(file0, 1)']",
            'case.dax:6: tasks.a[1]: page must be 0 here, not "1"',
        ),
        (HEAD + "[tasks]\na = ['fsync(file0)', 7]", "case.dax:4: tasks.a[1]: must be a string, not 7"),
        (HEAD + "[tasks]\na = [[\n1]]", "case.dax:4: tasks.a[0]: must be a string, not an array"),
        (HEAD + "[tasks]\na = [1979-05-27]", "case.dax:4: tasks.a[0]: must be a string, not a date or time"),
        (
            HEAD + "[tasks]\na = ['load(file0, 0']",
            'case.dax:4: tasks.a[0]: "load(file0, 0" is not a call: write a call as "load(file0, 0)" '
            'or "r0 = pin_user_pages(file0, 0)"',
        ),
        (
            HEAD + "[tasks]\na = ['lod(file0, 0)']",
            'case.dax:4: tasks.a[0]: no operation is called "lod" (did you mean "load"?); `daxfuzz '
            "list operations` lists them",
        ),
        (
            HEAD + "[tasks]\na = [" + "'fsync(file0)',\n" * 65 + "]",
            "case.dax:68: tasks.a[64]: 65 calls are too many: at most 64",
        ),
        (
            HEAD + "[tasks]\nclass = []",
            'case.dax:4: tasks."class": cannot be a name here: ASCII letters, digits and _, no digit '
            "first, no Python keyword, at most 24 characters",
        ),
        (
            HEAD + TASKS + "[schedule]\nsteps = 'a*0'",
            'case.dax:6: schedule.steps: "a*0" must be task*turns, with 1 to 100000 turns',
        ),
        (
            HEAD + TASKS + "[schedule]\nsteps = 'a*100001'",
            'case.dax:6: schedule.steps: "a*100001" must be task*turns, with 1 to 100000 turns',
        ),
        (HEAD + TASKS + "[schedule]\nsteps = 'a b'", 'case.dax:6: schedule.steps: "b" is no task; there is a'),
        (
            HEAD + TASKS + "[schedule]\nsteps = '" + "a*100000 " * 11 + "'",
            "case.dax:6: schedule.steps: 1100000 turns are too many: at most 1000000",
        ),
        (
            HEAD + TASKS + "[schedule]\nsteps = '" + "a " * 20001 + "'",
            "case.dax:6: schedule.steps: 20001 entries are too many: at most 20000",
        ),
        (
            HEAD + TASKS + '[schedule]\norder = [\n"a:f.x < a:f"]',
            'case.dax:7: schedule.order[0]: must be "A < B", a label being task:function.verb or '
            'task:function.verb#occurrence from 1 to 100000, not "a:f.x < a:f"',
        ),
        (
            HEAD + TASKS + '[schedule]\norder = ["a:f.x < b:f.x"]',
            'case.dax:6: schedule.order[0]: "b" is no task; there is a',
        ),
        (HEAD + "x = " + "[" * 33 + "]" * 33, "case.dax:3: nested too deeply: at most 32 levels"),
        (HEAD + ".".join("abcdefgh" * 5) + " = 1", "case.dax:3: nested too deeply: at most 32 levels"),
        ("\0", "case.dax:1: not TOML: Invalid statement"),
        ("#" * (MAX_SIZE + 1), "case.dax: larger than 256 KiB"),
        ("#" + "é" * (MAX_SIZE // 2), "case.dax: larger than 256 KiB"),
        (b"daxfuzz = 1\n# \xff", "case.dax:2: not text: a case file is UTF-8"),
        ("\n\n\ud800", "case.dax:3: not text: a case file is UTF-8"),
    ],
)
def test_messages(text: str | bytes, message: str) -> None:
    assert message_of(text) == message


def test_brackets_in_strings_and_comments_do_not_nest() -> None:
    hidden = "[{" * 20
    quoted = f'"{hidden}\\"{hidden}", """{hidden}"{hidden}\\""""'
    literal = f"'{hidden}', '''{hidden}'{hidden}'''"
    text = f'daxfuzz = 1 # {hidden} "\nbugs = [{quoted}, {literal}]\n'
    assert len(loads_case(text + TASKS).kernel.bugs) == 4


@pytest.mark.parametrize(
    "text",
    [
        "a." * 100_000,
        "[" * 200_000,
        "x=" + "[" * 200_000,
        "x=" + "{a=" * 80_000,
        '"""\\' * 60_000,
        "'''" * 80_000 + "'",
        '"\\' * 120_000,
        "x = " + "9" * 200_000,
        "x = '''" + "[\n" * 100_000,
        "".join(f"a{index} = 1\n" for index in range(20_000)),
        "".join(f"[a{index}]\n" for index in range(20_000)),
        "[" + ".".join("a" * 30) + "]\n" + "b=1\n" * 3,
        "daxfuzz = 1\nbugs = [" + "'x'," * 50_000 + "]",
        'daxfuzz = 1\ntasks.a = ["' + "(" * 200_000 + '"]',
        "daxfuzz = 1\n" + "k" * 200_000 + " = 1",
        HEAD + TASKS + "schedule.steps = '" + "a" * 200_000 + "'",
        HEAD + TASKS + "[schedule]\norder = ['" + "a:" * 100_000 + "']",
        HEAD + TASKS + "[schedule]\norder = ['" + "<" * 200_000 + "']",
    ],
)
def test_hostile_files_are_refused_shortly(text: str) -> None:
    assert len(message_of(text)) < 500


@pytest.mark.parametrize("content", [b"\0" * 10_000_000, b"[" * 10_000_000, bytes(range(256)) * 4, b"\xfe\xff"])
def test_binary_and_huge_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "case.dax"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^\S+: "):
        load_case(path)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", "with\0null", "with\nline\udc80"):
        with pytest.raises(InputError, match=r"^.+: cannot be read: ") as error:
            load_case(path)
        assert error.value.line is None
        assert len(str(error.value).splitlines()) == 1


LINES = re.split(r"(?<=\n)", EXAMPLE)
BITS = [
    '"',
    "'",
    '"""',
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "\n",
    "\0",
    "#",
    "1",
    "-1",
    "true",
    "nan",
    "\\",
    "é",
    "[[",
    ".",
    "a",
    "<",
    "*",
    "\r",
    "\u2028",
]


@settings(max_examples=1500, deadline=None)
@given(st.data())
def test_damaged_files_give_a_case_or_one_line(data: st.DataObject) -> None:
    text = EXAMPLE
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        text = text[:start] + data.draw(st.one_of(st.sampled_from(BITS), st.text(max_size=3))) + text[end:]
    only_input_errors(text)


@settings(max_examples=400, deadline=None)
@given(st.permutations(LINES), st.integers(0, len(EXAMPLE)))
def test_shuffled_and_truncated_files(lines: list[str], length: int) -> None:
    only_input_errors("".join(lines))
    only_input_errors(EXAMPLE[:length])


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300), st.lists(st.sampled_from(BITS), max_size=60).map(lambda bits: "".join(bits).encode())
    )
)
def test_random_bytes(data: bytes) -> None:
    only_input_errors(data)
    only_input_errors(HEAD.encode() + data)


def outcome(text: str | bytes) -> Case | InputError:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return loads_case(text, "x.dax")
        except InputError as error:
            return error


def only_input_errors(text: str | bytes) -> None:
    result = outcome(text)
    if isinstance(result, Case):
        assert loads_case(dumps_case(result)) == result
        return
    lines = len(text.splitlines())
    assert len(str(result).splitlines()) == 1
    assert str(result).startswith("x.dax:")
    assert 1 <= (result.line or 0) <= lines + 2


# Files


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "case.dax"
    save_case(path, "old")
    save_case(path, dumps_case(example()))
    assert load_case(path) == load_case(str(path)) == example()
    assert [entry.name for entry in tmp_path.iterdir()] == ["case.dax"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "case.dax"
    save_case(path, "old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_case(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["case.dax"]


def test_saving_through_a_link_keeps_the_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.dax", tmp_path / "link.dax"
    target.write_text("old")
    link.symlink_to(target)
    save_case(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_input_error_is_one_line_whatever_it_repeats() -> None:
    assert str(InputError("a\nb", 3, "k\x1b", "m\u2028")) == "a\\nb:3: k\\x1b: m\\u2028"
    assert str(InputError("a", None, "", "m")) == "a: m"
