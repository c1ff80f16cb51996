"""Descriptors, names, and the end of files."""

from __future__ import annotations

import pytest
from kernel_kit import points, run, simulate


def test_a_file_without_name_lives_as_long_as_it_is_mapped_and_open() -> None:
    sim = simulate({"a": ["store(file0, 0)", "unlink(file0)", "load(file0, 0)", "munmap(file0)", "close(file0)"]})
    tables = []
    sim.on_end.append(lambda task, call, result: tables.append(sim.kernel.allocator.table[0]))
    run(sim)
    assert sim.results == [[1000, 0, 1000, 0, 0]]
    owner = ((0, 0),)
    assert tables == [owner, owner, owner, owner, ()]
    assert sim.kernel.inodes["file0"].i_mapping.i_pages.entries == {}
    assert sim.kernel.inodes["file0"].i_count.value == 0


def test_the_name_goes_once() -> None:
    sim = simulate({"a": ["unlink(file0)", "unlink(file0)"], "b": ["load(file0, 0)"]})
    run(sim)
    assert sim.results[0] == [0, -2]


def test_a_file_with_a_name_stays_when_nobody_uses_it() -> None:
    sim = simulate({"a": ["load(file0, 0)", "munmap(file0)", "close(file0)", "fsync(file0)", "close(file0)"]})
    run(sim)
    assert sim.results == [[0, 0, 0, -9, -9]]
    assert sim.kernel.allocator.table[0] == ((0, 0),)
    assert sim.kernel.inodes["file0"].i_count.value == 1


def test_a_call_keeps_the_file_that_another_thread_closes() -> None:
    tasks = {"a": ["fsync(file0)"], "b": ["close(file0)", "unlink(file0)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "b")})
    freed = []
    run(
        sim,
        ("a", "dax_flush.load"),
        ("b", ""),
        lambda: freed.append(sim.kernel.allocator.table[0]),
        ("a", ""),
        lambda: freed.append(sim.kernel.allocator.table[0]),
    )
    assert sim.results == [[0], [0, 0]]
    assert freed == [((0, 0),), ()]


def test_a_call_that_finds_the_descriptor_too_late_does_not_get_the_file() -> None:
    tasks = {"a": ["mmap(file0)"], "b": ["close(file0)", "unlink(file0)"]}
    sim = simulate(tasks, mms={"mm0": ("a", "b")})
    run(sim, ("a", "igrab.update"), ("b", ""), ("a", ""))
    assert sim.results == [[-9], [0, 0]]
    assert sim.kernel.inodes["file0"].i_count.value == 0


def test_drop_caches_leaves_entries_and_may_be_the_last_to_hold_a_file() -> None:
    tasks = {"d": ["drop_caches()"], "e": ["unlink(file0)"]}
    sim = simulate(tasks)
    seen = []
    run(
        sim,
        ("d", "find_lock_entries.read_lock"),
        ("e", ""),
        lambda: seen.append((sim.results[1], sim.kernel.allocator.table[0])),
        ("d", ""),
    )
    assert seen == [([0], ((0, 0),))]
    assert sim.kernel.allocator.table[0] == ()

    kept = simulate({"d": ["drop_caches()"], "m": ["load(file0, 0)"]})
    run(kept)
    assert list(kept.kernel.inodes["file0"].i_mapping.i_pages.entries) == [0]


@pytest.mark.parametrize("name", ["refcount-1", "refcount-0"])
@pytest.mark.parametrize(
    ("before", "calls", "waits"),
    [
        (["load(file0, 0)", "unlink(file0)"], ["open(file0)"], True),
        (["load(file0, 0)", "unlink(file0)"], ["open(file0, O_TRUNC)"], True),
        # Nobody uses the file any more: that its name is gone is cached.
        (["munmap(file0)", "close(file0)", "unlink(file0)"], ["open(file0)"], False),
        # It is cached since somebody has looked for the name.
        (["load(file0, 0)", "unlink(file0)", "open(file0)"], ["open(file0)"], False),
    ],
)
def test_who_opens_for_writing_what_is_unlinked_and_in_use_waits_for_the_thaw(before, calls, waits, name) -> None:
    tasks = {"a": before, "f": ["freeze()"], "o": calls, "t": ["thaw()"]}
    sim = simulate(tasks, name, mms={"mm0": ("a", "f", "o", "t")})
    blocked = []
    run(sim, ("a", ""), ("f", ""), ("o", ""), lambda: blocked.append(sim.world.tasks[2].blocked_on), ("t", ""))
    assert blocked == [sim.kernel.sb.writers if waits else None]
    assert sim.results[2] == [-2]


def test_who_opens_what_is_unlinked_does_not_wait_where_nothing_is_frozen() -> None:
    tasks = {"a": ["load(file0, 0)", "unlink(file0)", "open(file0, O_TRUNC)", "open(file0)"]}
    sim = simulate(tasks)
    execution = run(sim)
    assert sim.results == [[0, 0, -2, -2]]
    # The first asks the directory, the second finds what that has left in the cache.
    opens = points(execution, 0)
    assert opens.count("directory.i_rwsem.lock") == 2
