"""What can be seen of a sequence, on a kernel as on the model. Never times."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

Facts = Mapping[str, str]
"""What was seen after one step.

The name of each task whose call has ended since the step before: "ok", a number that it read, the name of an error, of
a signal that it drew, or "ended" for a task that is no more. Of each that has not gone on: "blocked S" if it sleeps so
that a signal interrupts it, else "blocked D".
"refs FILE": the reference counts of the pages that the file began with; "-" for one that is not compared.
"warnings": functions that have warned for the first time in the sequence.
"""

Outcome = tuple[Facts, ...]
"""The facts before the first step, then those after each."""

UNKNOWN = "-"
OK = "ok"
ENDED = "ended"
INTERRUPTIBLE, UNINTERRUPTIBLE = "blocked S", "blocked D"

READS = ("load", "pipe_read")
"""Operations whose result is what they have read."""

SILENT = ("inodegc",)
"""Operations of which nothing is compared: workers of the kernel that nobody starts on a real one."""

ERRORS = {
    2: "ENOENT", 4: "EINTR", 5: "EIO", 6: "ENXIO", 9: "EBADF", 11: "EAGAIN", 12: "ENOMEM", 14: "EFAULT", 16: "EBUSY",
    17: "EEXIST", 19: "ENODEV", 22: "EINVAL", 27: "EFBIG", 28: "ENOSPC", 31: "EMLINK", 38: "ENOSYS", 52: "EBADE",
    95: "EOPNOTSUPP", 107: "ENOTCONN", 117: "EFSCORRUPTED",
    # Not seen outside the kernel: a handler has run, and the call is not restarted.
    512: "EINTR",
}  # fmt: skip
"""Names of the errors of the kernel under test, which are not always those of the machine that this runs on."""


def result_of(operation: str, value: int) -> str:
    """The word for what a call has returned."""
    if value < 0:
        return ERRORS.get(-value, f"error {-value}")
    return str(value) if operation in READS else OK


def differences(model: Outcome, kernel: Outcome) -> list[str]:
    """Where two outcomes differ, one line each: the step, what it is about, and both sides."""
    nothing: Facts = {}
    found: list[str] = []
    for number, (ours, theirs) in enumerate(zip_longest(model, kernel, fillvalue=nothing)):
        found += [
            f"step {number}: {key}: model {ours.get(key) or 'nothing'}, kernel {theirs.get(key) or 'nothing'}"
            for key in dict.fromkeys((*ours, *theirs))
            if not same(ours.get(key, ""), theirs.get(key, ""))
        ]
    return found


def same(ours: str, theirs: str) -> bool:
    """Whether two facts agree, as far as both are known."""
    words = zip_longest(ours.split(), theirs.split())
    return all(mine == other or UNKNOWN in (mine, other) for mine, other in words)
