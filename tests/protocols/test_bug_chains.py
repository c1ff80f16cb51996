"""Chains of historical bugs: each fix opened the next one, or did not go far enough; the last state is clean.

A state is a protocol with the bugs that the kernel had then. What it shows is looked for in the programs of these bugs
and of those before: a bug does not hide another one, and a later one does not bring back an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pytest
from oracle_kit import program

import daxfuzz
from daxfuzz.program.case import Case, KernelSpec, Program
from daxfuzz.program.dax_file import load_case
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.replay import replay_case
from daxfuzz.triage.reproduce import Effort, Failure, Goal, hints_of, search

CORPUS = Path(daxfuzz.__file__).parent.parent / "corpus" / "bugs"
EFFORT = Effort(200, 10)

LOCK = "lock-mapping-entry-self-deadlock"
NULL = "lock-page-null-mapping"
INODE = "lock-page-freed-inode"
DROPS = "lock-page-drops-exclusive-wake"
EXCLUSIVE = "exclusive-wait-by-non-locker"
ABBA = "entry-lock-vs-transaction-abba"
STALE = "fault-maps-stale-hole-vs-write"
UNLOCKED = "unlocked-concurrent-faults"
REPLACED = "hole-replace-wakes-one"
INVALIDATED = "invalidate-null-entry-breaks-wake-chain"
QUEUE = "pmd-waiter-on-wrong-queue"
SKIPPED = "scan-skips-locked-entry"
IGNORED = "truncate-ignores-dma-pins"
COPIES = "break-layout-zaps-private-cow"
EVICTED = "evict-ignores-pins"
PUT = "gup-put-skips-fsdax-wake"
BATCH = "batched-release-skips-idle-wake"
OUTLIVES = "entries-outlive-layout-break"

PASSES_ON = (DROPS, EXCLUSIVE)
"""In their programs somebody who has waited has to pass the wake on."""
WAITS = (LOCK, *PASSES_ON)
"""In their programs dax_lock_page waits, and the file stays."""


@lru_cache
def case_of(bug: str) -> tuple[Case, Failure]:
    """The case of a bug, and the failure that it shows."""
    case = load_case(CORPUS / f"{bug}.dax")
    replayed = replay_case(case, KernelChoice(case.kernel))
    assert replayed.found is not None
    return case, Failure(case.program, replayed.bench.kernel, replayed.execution, replayed.found)


def shows(bugs: tuple[str, ...], of: str) -> str | None:
    """What a kernel with some bugs shows in the program of one, None if that is nothing."""
    case, failure = case_of(of)
    kernel = KernelChoice(KernelSpec(case.kernel.protocol, bugs=bugs, filesystem=case.kernel.filesystem))
    found = search(case.program, kernel, Goal(), EFFORT, hints_of(failure))
    return None if found is None else found.violation.kind


CHAINS: Mapping[str, tuple[tuple[tuple[str, ...], dict[str, str]], ...]] = {
    # The fault's order of transaction, entry lock and lookup.
    "lookup": (
        ((ABBA,), {ABBA: "lock-order"}),
        ((STALE,), {STALE: "stale-pte"}),
        ((ABBA, STALE), {ABBA: "lock-order", STALE: "stale-pte"}),
        ((), {}),
    ),
    # dax_lock_page from c2a7d2a11552 on.
    "lock_page": (
        ((LOCK, NULL), {NULL: "kernel-warning", INODE: "use-after-free", **dict.fromkeys(WAITS, "self-deadlock")}),
        ((DROPS, NULL), {NULL: "kernel-warning", INODE: "use-after-free", **dict.fromkeys(PASSES_ON, "lost-wakeup")}),
        ((DROPS,), {INODE: "use-after-free", **dict.fromkeys(PASSES_ON, "lost-wakeup")}),
        ((INODE,), {INODE: "use-after-free"}),
        ((EXCLUSIVE,), dict.fromkeys(PASSES_ON, "lost-wakeup")),
        ((), {}),
    ),
    # Locks of entries from ac401cc78242 on.
    "wake_chains": (
        ((UNLOCKED,), {UNLOCKED: "stale-data"}),
        ((REPLACED, INVALIDATED), {REPLACED: "lost-wakeup", INVALIDATED: "lost-wakeup"}),
        ((INVALIDATED,), {INVALIDATED: "lost-wakeup"}),
        ((), {}),
    ),
    # The XArray from b15cd800682f on.
    "xarray": (
        ((QUEUE, SKIPPED), {QUEUE: "lost-wakeup", SKIPPED: "freed-while-referenced"}),
        ((SKIPPED,), {SKIPPED: "freed-while-referenced"}),
        ((), {}),
    ),
    # The wait for pins from 5fac7408d828 to bde708f1a65d (v6.15), which has waits of its own; the bug of ext4 among
    # these, b9c1c26739ec, is about what the model leaves out.
    "break_layouts": (
        ((IGNORED,), {IGNORED: "freed-while-pinned"}),
        ((COPIES, EVICTED), {COPIES: "stale-data", EVICTED: "freed-while-pinned"}),
        ((EVICTED,), {EVICTED: "freed-while-pinned"}),
        ((), {}),
    ),
    "removed_entries": (
        ((OUTLIVES,), {OUTLIVES: "kernel-warning"}),
        ((), {}),
    ),
    # Not one after the other, but one could hide the other: a wake that is missing, and a chain of them that ends.
    "missing_wakes": (
        ((PUT, INVALIDATED), {PUT: "lost-wakeup", INVALIDATED: "lost-wakeup"}),
        ((INVALIDATED,), {INVALIDATED: "lost-wakeup"}),
        ((), {}),
    ),
}


@pytest.mark.parametrize("chain", CHAINS)
def test_each_fix_of_a_chain_leaves_the_next_bug_and_the_last_none(chain: str) -> None:
    fixed: dict[str, None] = {}
    for bugs, expected in CHAINS[chain]:
        judged = dict.fromkeys((*fixed, *expected))
        assert {each: kind for each in judged if (kind := shows(bugs, each)) is not None} == expected, bugs
        fixed |= dict.fromkeys(bugs)


def released(release: str, take: str = "get_user_pages") -> Program:
    """Somebody gives references back while truncate waits for them."""
    return program({"user": [f"r0 = {take}(file0, 0)", f"{release}(r0)"], "truncator": ["truncate(file0, 0)"]})


@pytest.mark.parametrize("bugs", [(), (PUT,), (BATCH,), (PUT, BATCH)])
def test_every_release_wakes_unless_a_bug_takes_that_from_it(bugs: tuple[str, ...]) -> None:
    releases = {
        "put_page": (released("put_page"), ""),
        "release_pages": (released("release_pages"), BATCH),
        "unpin_user_pages": (released("unpin_user_pages", "pin_user_pages"), PUT),
    }
    for release, (of, bug) in releases.items():
        kernel = KernelChoice(KernelSpec("refcount-1-fixed", bugs=bugs))
        found = search(of, kernel, Goal("lost-wakeup"), EFFORT)
        assert (found is not None) == (bug in bugs), release
