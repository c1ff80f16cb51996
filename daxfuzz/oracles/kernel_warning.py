"""Warnings of the modelled code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daxfuzz.oracles.lookup import head_of
from daxfuzz.oracles.oracle import Oracle, listen
from daxfuzz.sim import Violation

if TYPE_CHECKING:
    from daxfuzz.kernel.page import Page


class KernelWarning(Oracle):
    """No WARN_ON_ONCE fires. The kernel goes on after one, and so does the execution: what follows may be graver."""

    kinds = ("kernel-warning",)

    def attach(self) -> None:
        listen(self.kernel, "on_warn", self.warned)

    def warned(self, message: str, page: Page | None) -> None:
        if not speculative(self, message, page):
            self.world.defer(warning("kernel-warning", message, self.world.current.name))


class SpuriousWarning(Oracle):
    """No WARN_ON_ONCE fires for a reference that GUP is about to give back (F-35). Off by default: it is benign."""

    kinds = ("spurious-warning",)
    default = False

    def attach(self) -> None:
        listen(self.kernel, "on_warn", self.warned)

    def warned(self, message: str, page: Page | None) -> None:
        if speculative(self, message, page):
            self.world.defer(warning("spurious-warning", message, self.world.current.name))


def speculative(oracle: Oracle, message: str, page: Page | None) -> bool:
    """Whether a warning that a page is busy is due to nothing but calls under way.

    If the call keeps the reference after all, FreedBlock reports it when the call returns.
    """
    return message.endswith("page is busy") and all(
        head_of(reference.page) is not page for _, reference in oracle.sim.references()
    )


def warning(kind: str, message: str, task: str) -> Violation:
    """A warning as a violation; its text starts with the function that prints it."""
    return Violation(kind, f"WARN_ON_ONCE in {message}", function=message.split(":")[0], tasks=(task,))
