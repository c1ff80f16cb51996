"""The runs that tell the kernels before and after each patch of series-v1 apart, as data.

A run is a program, a bound on its schedules, and what is observed of each execution. It says whether the sets of
observations should differ; a run that should not is a control. Operations, file systems and settings of the machine
that a run names and that do not exist make it unavailable, never passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from daxfuzz.kernel.machine import Align, TlbMode

OLD_KEY = "old_key.py:OldKey"
OVER_PUT = "over_put.py:OverPut"
DOUBLE_UNLOCK = "double_unlock.py:DoubleUnlock"

DEVDAX = "device-dax"


@dataclass(frozen=True, slots=True)
class PatchRun:
    """One program on the kernel before a patch and on the one after it.

    name: number of the patch and a letter, as in 02a.
    observe: what is compared, a name in daxfuzz.bench.observe.
    differs: whether the observations should differ; None where the analysis does not say.
    tasks: calls by task. setup, machine: fields of Setup and Machine that are not the default.
    applied: later patches of the series, by name, on top of both kernels.
    mutations: patches beside this module, on top of both kernels.
    repaired: flaws repaired in both kernels, by number, so that they do not hide what the run is about.
    repaired_before: flaws repaired only in the kernel before.
    kernels: how many patches of the series the two kernels have, where it is not one patch more.
    preemptions, schedules: bound of the schedule space.
    """

    name: str
    what: str
    observe: str
    differs: bool | None
    tasks: Mapping[str, Sequence[str]]
    setup: Mapping[str, object] = field(default_factory=dict)
    machine: Mapping[str, object] = field(default_factory=dict)
    filesystem: str = "ext4"
    applied: tuple[str, ...] = ()
    mutations: tuple[str, ...] = ()
    repaired: tuple[str, ...] = ()
    repaired_before: tuple[str, ...] = ()
    kernels: tuple[int, int] | None = None
    preemptions: int = 1
    schedules: int = 4_000


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """What is asked of one patch.

    pure: whether it only renames or moves code, so that traces before and after are equal.
    """

    number: int
    title: str
    pure: bool = False
    runs: tuple[PatchRun, ...] = ()


_SMALL = {"bias": 4}
"""GUP_PIN_COUNTING_BIAS: three plain references and the page's own look like a pin."""

_HUGE = {"pmd_pages": 2}
"""Two pages to a PMD entry, four to a PUD entry."""

_COMPOUND = {"files": {"file0": 2}, "prefault": False, "align": Align.PMD}
"""A character device of one compound page, which is a PMD's."""

_ONE_PIN = {
    "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"],
    "truncator": ["truncate(file0, 0)"],
}
_FAULT_UNBIND = {"mapper": ["store(file0, 0)"], "unbinder": ["unbind()"]}
_TWO_FAULTS = {"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 0)"]}

PLANS = (
    PatchPlan(1, 'fsdax: Rename "busy page" to "pinned page"', pure=True),
    PatchPlan(
        2,
        "fsdax: Use page_maybe_dma_pinned() for DAX vs DMA collisions",
        runs=(
            PatchRun(
                "02a",
                "a plain reference that is held: before, truncate sleeps; after, it frees the block at once (F-01)",
                "verdicts",
                True,
                {"getter": ["r0 = get_user_pages(file0, 0)"], "truncator": ["truncate(file0, 0)"]},
                machine=_SMALL,
            ),
            PatchRun(
                "02b",
                "as many plain references as look like a pin: before, the last put wakes; after, nobody does (F-02)",
                "verdicts",
                True,
                {
                    "getter": [
                        *(f"r{i} = get_user_pages(file0, 0)" for i in range(3)),
                        *(f"put_page(r{i})" for i in range(3)),
                    ],
                    "truncator": ["truncate(file0, 0)"],
                },
                machine=_SMALL,
            ),
            PatchRun(
                "02c",
                "a control: truncate waits for a pin, and the unpin wakes it, before and after",
                "outcomes",
                False,
                _ONE_PIN,
                machine=_SMALL,
                preemptions=2,
                schedules=20_000,
            ),
            PatchRun(
                "02c-wakes",
                "wake-ups by an unpin beside a plain reference: before none, after one",
                "wakes",
                True,
                {
                    "pinner": [
                        "r0 = get_user_pages_fast(file0, 0)",
                        "r1 = pin_user_pages_fast(file0, 0)",
                        "unpin_user_pages(r1)",
                    ]
                },
                machine=_SMALL,
            ),
            PatchRun(
                "02d",
                "unpin, a truncate that waited for it, and unbind: after, the waker reads freed pages (F-04)",
                "verdicts",
                True,
                {
                    "pinner": ["r0 = pin_user_pages_fast(file0, 0)", "unpin_user_pages(r0)"],
                    "truncator": ["truncate(file0, 0)", "unbind()"],
                },
                machine=_SMALL,
                repaired=("F-13",),
            ),
            PatchRun(
                "02e",
                "a pin and a plain reference, the pin dropped: before, truncate sleeps on; after, it frees the block",
                "verdicts",
                True,
                {
                    "pinner": [
                        "r0 = get_user_pages_fast(file0, 0)",
                        "r1 = pin_user_pages_fast(file0, 0)",
                        "unpin_user_pages(r1)",
                    ],
                    "truncator": ["truncate(file0, 0)"],
                },
                machine=_SMALL,
            ),
        ),
    ),
    PatchPlan(
        3,
        "fsdax: Delete put_devmap_managed_page_refs()",
        runs=(
            PatchRun(
                "03a",
                "a control: nothing changes for pins",
                "outcomes",
                False,
                _ONE_PIN,
                machine=_SMALL,
                preemptions=2,
                schedules=20_000,
            ),
            PatchRun(
                "03b",
                "a waiter left on the old key (a mutation): before, a put at 1 wakes it; after, nobody does",
                "verdicts",
                True,
                {
                    "pinner": [
                        "r0 = get_user_pages_fast(file0, 0)",
                        "r1 = pin_user_pages_fast(file0, 0)",
                        "unpin_user_pages(r1)",
                        "put_page(r0)",
                    ],
                    "truncator": ["truncate(file0, 0)"],
                },
                machine=_SMALL,
                mutations=(OLD_KEY,),
            ),
            PatchRun(
                "03c",
                "a reference dropped twice (a mutation): before, 0 is reached in silence; after, the kernel warns",
                "warnings",
                True,
                {"getter": ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]},
                mutations=(OVER_PUT,),
            ),
        ),
    ),
    PatchPlan(4, "fsdax: Update dax_insert_entry() calling convention to return an error", pure=True),
    PatchPlan(
        5,
        "fsdax: Cleanup dax_associate_entry()",
        runs=(
            PatchRun(
                "05a",
                "a huge fault at an address that is not its first: page.index is rounded up instead of down",
                "indices",
                True,
                {"mapper": ["store(file0, 1)"]},
                setup={"files": {"file0": 2}, "prefault": False},
                machine=_HUGE,
            ),
            PatchRun(
                "05b",
                "the same, then memory_failure of a page: it looks for entry and processes at another index",
                "results",
                True,
                {"mapper": ["store(file0, 1)", "memory_failure(file0, 1)"]},
                setup={"files": {"file0": 2}, "prefault": False},
                machine=_HUGE,
            ),
            PatchRun(
                "05c",
                "a control: a page behind the last whole PMD of the file",
                "indices",
                False,
                {"mapper": ["store(file0, 2)"]},
                setup={"files": {"file0": 3}, "prefault": False},
            ),
        ),
    ),
    PatchPlan(6, "fsdax: Rework dax_insert_entry() calling convention", pure=True),
    PatchPlan(
        7,
        "fsdax: Manage pgmap references at entry insertion and deletion",
        runs=(
            PatchRun(
                "07a",
                "fault, then unbind: before, it completes at once; after, it waits for the entry to go (F-32)",
                "outcomes",
                True,
                {"mapper": ["store(file0, 0)", "unbind()"]},
                setup={"prefault": False},
            ),
            PatchRun(
                "07b",
                "fault against unbind: before, freed pages are used (F-14); after, a reference is missing (F-20)",
                "verdicts",
                True,
                _FAULT_UNBIND,
                setup={"prefault": False},
            ),
            PatchRun(
                "07c",
                "a plain reference outlives truncate and unbind: freed pages are used before and after",
                "verdicts",
                False,
                {
                    "getter": ["r0 = get_user_pages(file0, 0)", "put_page(r0)"],
                    "truncator": ["truncate(file0, 0)", "unbind()"],
                },
                machine=_SMALL,
            ),
        ),
    ),
    PatchPlan(8, "devdax: Minor warning fixups", pure=True),
    PatchPlan(
        9,
        "devdax: Move address_space helpers to the DAX core",
        pure=True,
        runs=(
            PatchRun(
                "09a",
                "an entry unlocked twice (a mutation): before, the kernel stops; after, it warns and goes on",
                "outcomes",
                True,
                {"syncer": ["store(file0, 0)", "fsync(file0)", "load(file0, 0)"]},
                setup={"prefault": False},
                mutations=(DOUBLE_UNLOCK,),
            ),
        ),
    ),
    PatchPlan(
        10,
        "dax: Prep dax_{associate,disassociate}_entry() for compound pages",
        runs=(
            PatchRun(
                "10a",
                "a huge fault on compound pages, which have entries from patch 12 on: before, every page's mapping is "
                "stored; after, only the head's",
                "mapping-stores",
                True,
                {"mapper": ["store(file0, 0)"]},
                setup=_COMPOUND,
                machine=_HUGE,
                filesystem=DEVDAX,
                applied=("use-dax-insert-entry",),
            ),
            PatchRun(
                "10b",
                "a control: the pages of a file system are not compound",
                "mapping-stores",
                False,
                {"mapper": ["store(file0, 0)"], "truncator": ["truncate(file0, 0)"]},
                setup={"prefault": False},
            ),
        ),
    ),
    PatchPlan(
        11,
        "devdax: add PUD support to the DAX mapping infrastructure",
        runs=(
            PatchRun("11a", "a control: no file system has PUD entries", "outcomes", False, _ONE_PIN, machine=_SMALL),
            PatchRun(
                "11b",
                "two looks at one locked PUD entry at different indices, which devdax has from patch 12 on: the wait "
                "key of one is not the other's (F-17, which F-22 hides)",
                "verdicts",
                True,
                {"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 1)"]},
                setup={"files": {"file0": 4}, "prefault": False, "align": Align.PUD},
                machine=_HUGE,
                filesystem=DEVDAX,
                repaired=("F-22", "N-65"),
                repaired_before=("F-17",),
                kernels=(13, 13),
            ),
        ),
    ),
    PatchPlan(
        12,
        "devdax: Use dax_insert_entry() + dax_delete_mapping_entry()",
        runs=(
            PatchRun(
                "12a",
                "map, unbind, touch: before, the access faults and draws SIGBUS; after, a pte is still there (F-23)",
                "outcomes",
                True,
                {"mapper": ["store(file0, 0)", "unbind()", "store(file0, 0)"]},
                setup={"prefault": False},
                filesystem=DEVDAX,
            ),
            PatchRun(
                "12b",
                "two processes fault one huge page at different offsets: after, there are two entries (F-22)",
                "verdicts",
                True,
                {"mapper": ["store(file0, 0)"], "mapper1": ["store(file0, 1)"]},
                setup=_COMPOUND,
                machine=_HUGE,
                filesystem=DEVDAX,
                repaired=("N-65",),
                repaired_before=("N-140",),
            ),
            PatchRun(
                "12c",
                "a first fault against unbind, with F-23 repaired: clean before and after",
                "verdicts",
                False,
                _FAULT_UNBIND,
                setup={"prefault": False},
                filesystem=DEVDAX,
                repaired=("F-23",),
            ),
            PatchRun(
                "12d",
                "two faults on one page: before, nobody waits; after, the second waits for the entry",
                "entry-waits",
                True,
                _TWO_FAULTS,
                setup={"prefault": False},
                filesystem=DEVDAX,
            ),
        ),
    ),
    PatchPlan(
        13,
        "mm/gup: Drop DAX pgmap accounting",
        runs=(
            PatchRun(
                "13a",
                "lockless GUP against unbind, which leaves the page-table entry (F-23): before, it faults for ever "
                "once the page map is killed; after, it grabs the page, or what was one",
                "results",
                True,
                {"pinner": ["r0 = pin_user_pages_fast(file0, 0)"], "unbinder": ["unbind()"]},
                filesystem=DEVDAX,
            ),
            PatchRun(
                "13b",
                "lockless GUP of a huge page against truncate: before, the grab is undone; after, it is not (F-18)",
                "verdicts",
                True,
                {"pinner": ["r0 = pin_user_pages_fast(file0, 0)"], "truncator": ["truncate(file0, 0)"]},
                setup={"files": {"file0": 2}, "huge": True},
                machine={**_HUGE, "tlb": TlbMode.BROADCAST},
                preemptions=2,
                schedules=20_000,
            ),
            PatchRun(
                "13c",
                "GUP in the slow path on a dying page map: before, it faults for ever; after, it grabs the page, or "
                "what was one",
                "results",
                True,
                {"pinner": ["r0 = pin_user_pages(file0, 0)"], "unbinder": ["unbind()"]},
                filesystem=DEVDAX,
            ),
        ),
    ),
)
"""All patches of the series, in order."""
