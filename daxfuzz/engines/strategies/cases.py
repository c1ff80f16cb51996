"""Strategies for whole cases."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from daxfuzz.engines.strategies.programs import programs
from daxfuzz.engines.strategies.schedules import schedules
from daxfuzz.engines.trial import Trial
from daxfuzz.kernel.machine import Machine
from daxfuzz.program.case import KernelSpec
from daxfuzz.triage.user_choice import with_patches


def cases(
    protocols: Sequence[str] = ("pin-wait",),
    *,
    patches: Sequence[str] = (),
    bugs: Sequence[str] = (),
    filesystems: Sequence[str] = ("ext4",),
    roles: Sequence[str] | None = None,
    operations: Sequence[str] | None = None,
    tasks: int = 3,
    calls: int = 4,
    files: int = 1,
    pages: int = 2,
    switches: int = 4,
    turns: int = 200,
    machine: st.SearchStrategy[Machine] | None = None,
) -> st.SearchStrategy[Trial]:
    """A program and a schedule on a kernel, to be run with ``case.check()``.

    protocols, filesystems: any of these; the first is the simplest.
    patches: on top, by name, or as files of your own (my_patch.py, my_patch.py:Class).
    bugs: on top, by name.

    The rest is as for :func:`programs` and :func:`schedules`. Raises as these do, and as composing the kernels does.
    """
    kernels = [
        with_patches(KernelSpec(protocol, bugs=tuple(bugs), filesystem=filesystem), patches)
        for protocol in protocols
        for filesystem in filesystems
    ]
    what = programs(
        roles=roles, operations=operations, tasks=tasks, calls=calls, files=files, pages=pages, machine=machine
    )

    @st.composite
    def trials(draw: st.DrawFn) -> Trial:
        kernel, program = draw(st.sampled_from(kernels)), draw(what)
        return Trial(kernel, program, draw(schedules(len(program.tasks), switches=switches, turns=turns)))

    return trials()
