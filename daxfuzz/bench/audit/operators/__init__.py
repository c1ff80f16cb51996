"""The operators: what is dropped, weakened or moved to make a mutant.

An operator looks at the tree of one function and yields changes of it. Where it stands in OPERATORS, and the order of
the source, number the changes; none of them depends on a protocol.

Not changed: transactions, plain stores to fields, and lookups of extents, which are no steps of the protocol;
structures that are no subsystem (the xarray, lists of free blocks, the journal).

Nor what only asserts: a condition of which a warning comes. A mutant of it would warn less, which can hide nothing that
goes wrong without it, or warn of nothing. And not the order of two steps that nobody can tell: of changes of the page
cache, all of them under one hold of xa_lock, and of locks that are dropped one after the other.
"""

from __future__ import annotations

from typing import Final

from daxfuzz.bench.audit import roles
from daxfuzz.bench.audit.operators.change import Operator, dropper
from daxfuzz.bench.audit.operators.checks import (
    answers,
    drop_branch,
    drop_condition,
    drop_recheck,
    no_retry,
    weaken_comparison,
)
from daxfuzz.bench.audit.operators.locks import drop_lock, drop_relock, drop_unlock, keep_lock, lock_bit, share_lock
from daxfuzz.bench.audit.operators.order import (
    early_recheck,
    early_step,
    early_unlock,
    early_unmap,
    late_lock,
    late_step,
    swap,
)
from daxfuzz.bench.audit.operators.steps import double_put, drop_get, drop_put, short_range, skip_wait
from daxfuzz.bench.audit.operators.waits import (
    check_first,
    early_wake,
    exclusive_wait,
    signal_first,
    wake_one,
    wake_other_key,
)

OPERATORS: Final[dict[str, Operator]] = {
    "drop-wake": dropper(roles.WAKES),
    "wake-one": wake_one,
    "wake-other-key": wake_other_key,
    "early-wake": early_wake,
    "check-first": check_first,
    "signal-first": signal_first,
    "exclusive-wait": exclusive_wait,
    "skip-wait": skip_wait,
    "drop-lock": drop_lock,
    "late-lock": late_lock,
    "early-unlock": early_unlock,
    "keep-lock": keep_lock,
    "drop-unlock": drop_unlock,
    "drop-relock": drop_relock,
    "share-lock": share_lock,
    "lock-bit": lock_bit,
    "drop-recheck": drop_recheck,
    "drop-branch": drop_branch,
    "drop-condition": drop_condition,
    "answer-yes": answers(True),
    "answer-no": answers(False),
    "weaken-comparison": weaken_comparison,
    "no-retry": no_retry,
    "drop-get": drop_get,
    "drop-put": drop_put,
    "double-put": double_put,
    "drop-association": dropper(roles.ASSOCIATIONS),
    "drop-flush": dropper(roles.FLUSHES),
    "drop-unmap": dropper(roles.UNMAPS),
    "drop-entry": dropper(roles.ENTRIES),
    "short-range": short_range,
    "swap": swap,
    "late-step": late_step,
    "early-step": early_step,
    "early-recheck": early_recheck,
    "early-unmap": early_unmap,
}
"""All operators, by the name that mutants bear."""
