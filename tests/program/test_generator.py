"""The generator of random programs, and that it knows no flaw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random

import pytest

import daxfuzz
from daxfuzz.kernel.kernel import FILESYSTEMS
from daxfuzz.kernel.machine import Align, TlbMode
from daxfuzz.program.bytes_form import canonical, decode, encode
from daxfuzz.program.calls import check_calls
from daxfuzz.program.case import Call, Case, Program
from daxfuzz.program.dax_file import dumps_case, loads_case
from daxfuzz.program.generator import generate
from daxfuzz.program.generator.roles import ROLES
from daxfuzz.program.generator.roles.pinner import MAX_REFERENCES
from daxfuzz.program.generator.usual import draw_usual
from daxfuzz.program.operations import SIGNATURES
from daxfuzz.program.processes import mapped_files, opened_files
from daxfuzz.protocols.registry import PATCHES
from daxfuzz.sim import SparseSchedule

COUNT = 2_000
PACKAGE = Path(daxfuzz.__file__).parent


@lru_cache(maxsize=8)
def programs(filesystem: str = "ext4") -> tuple[Program, ...]:
    return tuple(generate(Random(seed), filesystem) for seed in range(COUNT))


def everywhere() -> Iterator[Program]:
    for filesystem in FILESYSTEMS:
        yield from programs(filesystem)


def test_every_program_is_valid() -> None:
    for program in everywhere():
        check_calls(program)
        assert 2 <= len(program.tasks) <= 4
        assert all(program.tasks.values())


def test_the_same_seed_gives_the_same_program_and_others_give_others() -> None:
    assert all(generate(Random(seed), "ext4") == program for seed, program in enumerate(programs()[:500]))
    assert len({repr(program) for program in programs()}) > COUNT * 0.9


def test_every_program_comes_back_from_text() -> None:
    for program in programs()[::4]:
        case = Case(program)
        text = dumps_case(case)
        assert loads_case(text) == case
        assert dumps_case(loads_case(text)) == text


def test_every_program_comes_back_from_bytes_with_its_schedule() -> None:
    for seed, program in enumerate(programs()):
        rng = Random(seed)
        turns = sorted(rng.sample(range(300), rng.randrange(4)))
        schedule = SparseSchedule(tuple((turn, rng.randrange(len(program.tasks))) for turn in turns))
        data = encode(program, schedule)
        assert decode(data) == (canonical(program), schedule)
        assert encode(*decode(data)) == data


def test_every_operation_and_every_role_is_used() -> None:
    operations = Counter(call.name for program in everywhere() for calls in program.tasks.values() for call in calls)
    roles = Counter(name.rstrip("0123456789") for program in everywhere() for name in program.tasks)
    assert set(operations) == set(SIGNATURES)
    assert set(roles) == set(ROLES)
    assert min(operations.values()) >= 20
    # What removes or fails the device is rare where there is a file system.
    device = Counter(name.rstrip("0123456789") for program in programs() for name in program.tasks)
    assert all(COUNT // 200 <= device[role] <= COUNT // 10 for role in ("unbinder", "injector"))
    assert min(roles.values()) >= COUNT // 30


def test_programs_of_a_character_device_have_few_file_operations() -> None:
    operations = Counter(
        call.name for program in programs("device-dax") for calls in program.tasks.values() for call in calls
    )
    # Now and then somebody tries; a device has none of them.
    files = sum(operations[name] for name in ("truncate", "fallocate", "fsync", "write", "pwrite", "unlink"))
    assert 0 < files < operations.total() / 100
    assert min(operations[name] for name in ("unbind", "madvise", "memory_failure", "pin_user_pages", "store")) >= 200
    for program in programs("device-dax"):
        check_calls(program)
        assert 2 <= len(program.tasks) <= 4


def test_every_flag_and_both_signals_are_used() -> None:
    used = {
        argument
        for program in everywhere()
        for calls in program.tasks.values()
        for c in calls
        for argument in c.arguments
    }
    for signature in SIGNATURES.values():
        for parameter in signature.parameters:
            # SIGUSR1 is what a signal is when it is not named.
            assert set(parameter.choices) - {"SIGUSR1"} <= used


def usual_roles(filesystem: str) -> Iterator[set[str]]:
    """The roles of each program that is about nothing in particular."""
    for seed in range(COUNT // 2):
        yield {name.rstrip("0123456789") for name in draw_usual(Random(seed), filesystem).tasks}


def test_somebody_frees_blocks_and_somebody_uses_them() -> None:
    for roles in usual_roles("ext4"):
        assert roles & {"truncator", "evictor", "unbinder", "injector"}
        assert roles & {"pinner", "mapper", "splicer"}


def test_requests_have_several_devices_now_and_then() -> None:
    devices = Counter(sum(name.startswith("device") for name in program.tasks) for program in programs())
    assert 0 < devices[2] < devices[1]


def test_on_fuse_ranges_are_taken_back_and_there_are_few() -> None:
    for roles in usual_roles("fuse"):
        assert roles & {"truncator", "reclaimer"}
        assert roles & {"pinner", "mapper"}
    assert {program.machine.window_ranges for program in programs("fuse")} == {1, 2, 3}


def test_on_fuse_files_compete_for_one_range_with_both_ways_to_take_it() -> None:
    found = 0
    for program in programs("fuse"):
        roles = {name.rstrip("0123456789") for name in program.tasks}
        taken = [call.arguments[0] for calls in program.tasks.values() for call in calls if call.result is not None]
        found += (
            program.machine.window_ranges == 1 and {"truncator", "reclaimer"} <= roles and len(dict.fromkeys(taken)) > 1
        )
    assert found >= COUNT // 100


@pytest.mark.parametrize("filesystem", ["fuse", "ext4", "xfs"])
def test_where_memory_is_short_somebody_pins_what_nobody_has_mapped_and_allocates(filesystem: str) -> None:
    short = [program for program in programs(filesystem) if program.machine.low_memory]
    assert COUNT // 25 <= len(short) <= COUNT // 8
    hoarded = [program for program in short if "hoarder" in program.tasks]
    assert len(hoarded) >= COUNT // 100
    assert sum(keeps_and_allocates(program) for program in hoarded) >= len(hoarded) // 4


def keeps_and_allocates(program: Program) -> bool:
    """Whether the hoarder keeps a page of a file that nobody else reaches, and maps another one."""
    calls = program.tasks["hoarder"]
    kept = calls[0].arguments[0]
    others = [call for name, other in program.tasks.items() if name != "hoarder" for call in other]
    return (
        all(kept not in call.arguments for call in others)
        and any(call.name == "mmap" and call.arguments[0] != kept for call in calls)
        and program.machine.window_ranges > 1
    )


def test_devices_have_all_alignments_and_whole_entries() -> None:
    assert {program.setup.align for program in programs()} == {Align.PAGE}
    made = list(programs("device-dax"))
    assert {program.setup.align for program in made} == set(Align)
    for program in made:
        assert all(size % program.setup.align.pages(program.machine) == 0 for size in program.setup.files.values())


def test_scale_and_hardware_vary() -> None:
    machines = [program.machine for program in programs()]
    assert {machine.bias for machine in machines} == {4, 8, 1024}
    assert {machine.tlb for machine in machines} == set(TlbMode)
    assert {machine.merge_vmas for machine in machines} == {True, False}
    assert len({machine.wait_buckets for machine in machines}) > 1
    sizes = {size for program in programs() for size in program.setup.files.values()}
    assert sizes == {1, 2, 3, 4}
    assert {machine.pmd_pages for machine in machines} == {2, 4}
    assert {program.setup.huge for program in programs()} == {True, False}
    assert {program.setup.prefault for program in programs()} == {True, False}
    assert {len(program.setup.mms) for program in programs()} >= {1, 2, 3}


def test_some_pinners_take_as_many_references_as_look_like_a_pin() -> None:
    taken = [
        (program.machine.bias, sum(call.name.startswith("get_user") for call in calls))
        for program in programs()
        for calls in program.tasks.values()
    ]
    assert any(count >= bias - 1 for bias, count in taken)
    assert max(count for _, count in taken) <= MAX_REFERENCES


def test_some_references_outlive_their_task() -> None:
    kept = 0
    for program in programs():
        for calls in program.tasks.values():
            names = Counter(call.name for call in calls)
            kept += sum(names[n] for n in names if "get_user" in n or n.startswith("pin_")) > (
                names["put_page"] + names["release_pages"] + names["unpin_user_pages"]
            )
    assert kept > 50


@pytest.mark.parametrize("package", ["program", "search", "engines"])
def test_whoever_invents_programs_and_schedules_names_no_flaw_and_no_repair(package) -> None:
    forbidden = [r"F-\d\d", *(re.escape(slug) for slug in PATCHES), *(patch.__name__ for patch in PATCHES.values())]
    for path in (PACKAGE / package).rglob("*.py"):
        assert not re.findall("|".join(forbidden), path.read_text()), path


def test_some_programs_have_everybody_at_one_page_and_some_fork_beside_threads() -> None:
    crowds = families = 0
    for program in programs():
        names = list(program.tasks)
        crowds += sum(name.startswith("visitor") for name in names) >= 2 and len(program.setup.files) == 1
        families += program.setup.mms["mm0"] == ("parent", "thread")
    assert crowds >= COUNT // 20
    assert families >= COUNT // 40


def test_some_crowds_all_do_the_same_and_some_blocks_are_unwritten_first() -> None:
    same = unwritten = 0
    for program in programs():
        if sum(name.startswith("visitor") for name in program.tasks) >= 2:
            same += max(Counter(program.tasks.values()).values()) >= 2
            unwritten += any(set(calls[0].arguments) & {"ALLOCATE", "ZERO_RANGE"} for calls in program.tasks.values())
    assert same >= COUNT // 40
    assert unwritten >= COUNT // 40


def test_some_come_to_a_file_without_keeping_it_while_its_users_leave() -> None:
    found = 0
    for program in programs():
        if not {"leaver", "stranger"} <= set(program.tasks):
            continue
        found += 1
        assert all(len(members) == 1 for members in program.setup.mms.values())
        strangers = [calls for name, calls in program.tasks.items() if name.startswith("stranger")]
        assert all(call.name in ("memory_failure", "open", "drop_caches") for calls in strangers for call in calls)
        for name, calls in program.tasks.items():
            assert all(Call("munmap", (file,)) in calls for file in mapped_files(program, (name,)))
            assert all(Call("close", (file,)) in calls for file in opened_files(program, (name,)))
    assert found >= COUNT // 20


def test_some_map_a_huge_page_whole_where_others_have_mapped_it_page_by_page() -> None:
    remapped = split = 0
    for program in programs():
        if {"remapper", "splitter"}.isdisjoint(program.tasks):
            continue
        assert not program.setup.huge
        assert program.setup.mms["mm0"] in (("remapper",), ("splitter",))
        (pages,) = program.setup.files.values()
        assert pages % program.machine.pmd_pages == 0
        remapped += program.setup.prefault and "remapper" in program.tasks
        split += not program.setup.prefault and "splitter" in program.tasks
    assert remapped >= COUNT // 60
    assert split >= COUNT // 60


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_some_files_get_the_blocks_that_others_give_back_and_some_users_keep(filesystem: str) -> None:
    handovers = 0
    for program in programs(filesystem):
        calls = {
            task: {(call.name.removesuffix("_fast"), *call.arguments[:1]) for call in body}
            for task, body in program.tasks.items()
        }
        kept = {("store", "file0"), ("pin_user_pages", "file0")} <= calls.get("keeper", set())
        given = calls.get("giver", set()) & {(name, "file0") for name in ("truncate", "fallocate", "unlink")}
        taken = calls.get("taker", set()) & {(name, "file1") for name in ("store", "write")}
        handovers += program.machine.spare_blocks < 0 and kept and bool(given and taken)
    assert handovers >= COUNT // 200


def test_on_fuse_some_write_through_hardly_any_window_while_ranges_are_taken_back() -> None:
    found = 0
    for program in programs("fuse"):
        if "scribe" not in program.tasks:
            continue
        assert any(name.startswith("reclaimer") for name in program.tasks)
        assert program.machine.window_ranges <= 2
        for name, calls in program.tasks.items():
            if name.startswith("scribe"):
                kinds = Counter(call.name for call in calls)
                assert kinds["write"] == kinds["load"] >= 2
        found += not program.setup.prefault
    assert found >= COUNT // 40


def test_some_use_a_huge_page_that_a_snapshot_shares_in_part_and_some_a_whole_snapshot() -> None:
    part = whole = 0
    for program in programs("xfs"):
        if "editor" not in program.tasks:
            continue
        if "archivist" in program.tasks:
            names = [call.name for call in program.tasks["archivist"]]
            assert "reflink" in names
            assert program.setup.files["file0"] == program.machine.pmd_pages
            part += {"mmap", "store"} <= set(names) and program.setup.huge
        else:
            assert program.setup.clones == {"file1": "file0"}
            failures = [call for call in program.tasks["stranger"] if call.name == "memory_failure"]
            whole += bool(failures) and not program.machine.rmapbt
    assert part >= COUNT // 50
    assert whole >= COUNT // 80


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_some_all_sync_a_file_of_several_dirty_pages_while_its_blocks_go(filesystem: str) -> None:
    found = 0
    for program in programs(filesystem):
        roles = Counter(name.rstrip("0123456789") for name in program.tasks)
        if roles["flusher"]:
            assert roles["flusher"] == 3
            assert program.setup.prefault
            assert program.setup.files["file0"] >= 3
            found += 1
    assert found >= COUNT // 80


def test_some_move_a_mapping_that_another_thread_uses_while_the_file_is_emptied() -> None:
    found = 0
    for program in programs():
        if "mover" in program.tasks:
            user, mover = program.setup.mms["mm0"]
            assert mover == "mover"
            assert program.tasks[mover][0].name == "mremap"
            assert "emptier" in program.tasks
            found += any(call.name in ("load", "store") for call in program.tasks[user])
    assert found >= COUNT // 100


@pytest.mark.parametrize("filesystem", ["ext4", "xfs"])
def test_some_move_the_pages_of_a_file_over_blocks_behind_its_end(filesystem: str) -> None:
    found = 0
    for program in programs(filesystem):
        if "shifter" in program.tasks:
            assert program.setup.files["file0"] >= 3
            flags = [call.arguments[1] for call in program.tasks["shifter"] if call.name == "fallocate"]
            assert set(flags) <= {"COLLAPSE_RANGE", "INSERT_RANGE", "KEEP_SIZE"}
            found += {"INSERT_RANGE", "KEEP_SIZE"} <= set(flags)
    assert found >= COUNT // 400


def test_some_files_get_to_share_blocks_while_both_are_in_use_and_some_lose_the_device() -> None:
    both = lost = 0
    for program in programs("xfs"):
        if "sender" not in program.tasks:
            continue
        names = {call.name for calls in program.tasks.values() for call in calls}
        kept = {str(c.arguments[0]) for calls in program.tasks.values() for c in calls if c.result is not None}
        both += bool(names & {"reflink", "dedupe"}) and {"file0", "file1"} <= kept
        lost += "unbind" in names and program.setup.clones == {"file1": "file0"}
    assert both >= COUNT // 200
    assert lost >= COUNT // 400


def test_some_clients_do_something_else_while_they_have_a_lease_of_a_file_that_changes() -> None:
    found = 0
    for program in programs("xfs"):
        names = [call.name for name, calls in program.tasks.items() if name.startswith("leaser") for call in calls]
        others = {name.rstrip("0123456789") for name in program.tasks}
        found += any(name not in ("lease", "unlease", "unlink", "signal") for name in names) and bool(
            others & {"cloner", "truncator", "writer"}
        )
    assert found >= COUNT // 50
