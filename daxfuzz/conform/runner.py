"""Many sequences on one kernel: boots as often as needed, and once more where a machine is of no use any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from random import Random

from daxfuzz.conform.initramfs import build
from daxfuzz.conform.kernels import Kernel
from daxfuzz.conform.outcome import Outcome
from daxfuzz.conform.qemu import Died, Qemu
from daxfuzz.conform.real import Guest, PoisonedAfter
from daxfuzz.conform.running import Poisoned
from daxfuzz.conform.sequence import FILESYSTEMS, Group, Sequence

ATTEMPTS = 3
"""Boots that one sequence gets."""

Job = tuple[Sequence, str]
"""A sequence and the file system that it is to run on."""


class Machine:
    """A kernel that runs sequences. A context manager.

    boots: so far.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.boots = 0
        self._kernel = kernel
        self._initramfs = build(kernel)
        self._stack = ExitStack()
        self._guest: Guest | None = None

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the emulated machine, if there is one."""
        self._guest = None
        self._stack.close()

    def run(
        self, sequence: Sequence, filesystem: str, groups: tuple[Group, ...] = (), rng: Random | None = None
    ) -> Outcome:
        """One sequence, as Guest.run does. Raises Died if no boot gets to its end, NotExpressible."""
        for attempt in range(ATTEMPTS):
            try:
                return self._booted().run(sequence, filesystem, groups, rng)
            except PoisonedAfter as poisoned:
                self.close()
                return poisoned.outcome
            except (Poisoned, Died) as error:
                self.close()
                if attempt + 1 == ATTEMPTS:
                    raise Died(f"{sequence.name} on {filesystem}: {error}") from None
        raise AssertionError("there is at least one attempt")

    def _booted(self) -> Guest:
        if self._guest is None:
            self.boots += 1
            qemu = self._stack.enter_context(Qemu(self._kernel, self._initramfs))
            self._guest = Guest(qemu)
        return self._guest


def jobs(sequences: Iterable[Sequence]) -> Iterator[Job]:
    """Every sequence on every file system, so that file systems change as rarely as possible."""
    several = list(sequences)
    for filesystem in FILESYSTEMS:
        for sequence in several:
            yield sequence, filesystem
