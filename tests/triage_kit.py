"""Deliberately fat programs, one per known flaw, and the failures they show."""

from __future__ import annotations

from dataclasses import dataclass

from oracle_kit import program

from daxfuzz.kernel.machine import TlbMode
from daxfuzz.program.case import KernelSpec, Program
from daxfuzz.triage.bench import KernelChoice
from daxfuzz.triage.reproduce import Effort, Failure, Goal, search

DEEP = Effort(2_000, 200)


@dataclass(frozen=True)
class Fat:
    """A flaw's kind, its repair, and a program with much that it does not need."""

    kind: str
    repair: str
    program: Program


FLAWS = {
    "F-01": Fat(
        "freed-while-referenced",
        "fix-idle-on-refcount",
        program(
            {
                "getter": ["r0 = get_user_pages_fast(file0, 1)", "r1 = get_user_pages(file0, 1)", "dma_write(r0)"],
                "truncator": ["fsync(file0)", "truncate(file0, 1)", "fsync(file1)"],
                "mapper": ["load(file0, 1)", "store(file0, 1)"],
            },
            files={"file0": 3, "file1": 1},
            bias=1024,
            tlb=TlbMode.BROADCAST,
            wait_buckets=4,
        ),
    ),
    "F-02": Fat(
        "lost-wakeup",
        "fix-wake-on-threshold",
        program(
            {
                "mapper": ["load(file0, 0)"],
                "getter": [
                    *(f"r{i} = get_user_pages_fast(file0, 0)" for i in range(4)),
                    "put_page(r0)",
                    "put_page(r1)",
                    "load(file1, 0)",
                ],
                "truncator": ["fsync(file0)", "truncate(file0, 0)"],
            },
            files={"file0": 1, "file1": 1},
            wait_buckets=1,
        ),
    ),
    "F-07": Fat(
        "freed-while-pinned",
        "fix-mapping-mapped",
        program(
            {
                "mapper": ["load(file0, 1)"],
                "pinner": [
                    "r0 = pin_user_pages_fast(file0, 1)",
                    "r1 = pin_user_pages(file0, 0)",
                    "unpin_user_pages(r1)",
                    "munmap(file0)",
                    "dma_write(r0)",
                ],
                "truncator": ["fsync(file0)", "fallocate(file0, PUNCH_HOLE, 0, 2)"],
            },
            files={"file0": 2, "file1": 1},
            mms={"mm0": ("pinner", "mapper"), "mm1": ("truncator",)},
            bias=8,
            tlb=TlbMode.BROADCAST,
        ),
    ),
    "F-08": Fat(
        "freed-while-pinned",
        "fix-skip-locked",
        program(
            {
                "pinner": ["r0 = pin_user_pages_fast(file0, 1)", "load(file0, 0)", "dma_write(r0)"],
                "syncer": ["fsync(file0)", "fsync(file1)"],
                "truncator": ["truncate(file0, 1)"],
                "mapper": ["load(file0, 0)"],
            },
            files={"file0": 2, "file1": 1},
            bias=8,
        ),
    ),
    "F-10": Fat(
        "stale-tlb",
        "fix-flush-before-unlink",
        program(
            {
                "mapper": ["load(file0, 1)", "store(file0, 1)"],
                "unmapper": ["munmap(file0)"],
                "truncator": ["truncate(file0, 1)"],
            },
            files={"file0": 2},
            mms={"mm0": ("mapper", "unmapper"), "mm1": ("truncator",)},
            bias=8,
        ),
    ),
}


def kernel(protocol: str, *patches: str) -> KernelChoice:
    """A kernel under test by name."""
    return KernelChoice(KernelSpec(protocol, patches))


def failing(of: Program, on: KernelChoice, kind: str) -> Failure:
    """A failure of a kind, where there has to be one."""
    failure = search(of, on, Goal(kind), DEEP)
    assert failure is not None, f"no {kind}"
    return failure
