"""The base of all subsystems."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daxfuzz.kernel.kernel import Kernel


class Subsystem:
    """A file's worth of kernel functions. Holds no state: patches replace its functions, never its data."""

    __slots__ = ("k",)

    def __init__(self, kernel: Kernel) -> None:
        self.k = kernel
