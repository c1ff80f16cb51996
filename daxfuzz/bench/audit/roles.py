"""What the awaited steps of the model are for, by the name of what is called."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

WAKES: Final = frozenset(
    {
        "_kick_dmap_free_worker",
        "complete",
        "dax_wake_entry",
        "kick_dmap_free_worker",
        "put_unlocked_entry",
        "wake",
        "wake_up_var",
    }
)

LOCKS: Final = {
    "acquire": "release",
    "down_read": "up_read",
    "down_write": "up_write",
    "inode_lock_two": "inode_unlock_two",
    "local_irq_save": "local_irq_restore",
    "lock_updates": "unlock_updates",
    "read_lock": "read_unlock",
    "xfs_ilock": "xfs_iunlock",
}
"""What takes a lock, with what drops it. RCU and SRCU sections, and sections without interrupts, count as such."""

UNLOCKS: Final = {release: acquire for acquire, release in LOCKS.items()}

ENTRY_LOCKS: Final = frozenset({"dax_lock_entry", "dax_unlock_entry", "dax_unlock_page", "dax_unlock_mapping_entry"})
"""The lock bit of entries, which is taken in one function and dropped in another."""

GETS: Final = frozenset({"get", "get_file", "get_dev_pagemap_many", "mm_set_has_pinned_flag", "dax_folio_init"})

BOOLEAN_GETS: Final = frozenset(
    {"add_unless_zero", "blk_queue_enter", "igrab", "try_grab_page", "tryget", "tryget_live"}
)
"""Those that may fail, and say so."""

PUTS: Final = frozenset(
    {
        "blk_queue_exit",
        "dax_folio_put",
        "dmap_put",
        "folio_put_refs",
        "gup_put_folio",
        "iput",
        "put",
        "put_born_references",
        "put_dev_pagemap",
        "put_dev_pagemap_many",
        "put_page",
        "release_pages",
        "undo_dev_pagemap",
        "unpin_user_page",
        "unpin_user_pages",
    }
)

UNDOES: Final = frozenset({"undo_dev_pagemap"})
"""Those of them that empty a list, so that nothing is left for a second time."""

ASSOCIATIONS: Final = frozenset({"dax_associate_entry", "dax_disassociate_entry", "dax_mapping_set_cow"})
"""How a page counts who has it."""

FLUSHES: Final = frozenset(
    {
        "broadcast",
        "dax_flush",
        "flush",
        "flush_tlb_mm_range",
        "tlb_end_vma",
        "tlb_finish_mmu",
        "tlb_flush_mmu",
        "tlb_flush_mmu_tlbonly",
    }
)

UNMAPS: Final = frozenset(
    {
        "dax_delete_mapping_range",
        "invalidate_inode_pages2_range",
        "pageunmap_range",
        "pfn_mkclean_range",
        "truncate_inode_pages_final",
        "truncate_inode_pages_range",
        "truncate_pagecache",
        "truncate_pagecache_range",
        "unmap_and_kill",
        "unmap_mapping_pages",
        "unmap_page_range",
        "unmap_region",
    }
)
"""What takes away mappings and entries before blocks go."""

RANGES: Final = frozenset(
    {
        "dax_delete_mapping_range",
        "dax_layout_busy_page",
        "dax_layout_busy_page_range",
        "invalidate_inode_pages2_range",
        "pfn_mkclean_range",
        "truncate_inode_pages_range",
        "truncate_pagecache_range",
        "unmap_mapping_pages",
    }
)
"""Functions of (what, first, last or how many)."""

WAITS: Final = frozenset(
    {
        "call_function",
        "dax_break_layout_final",
        "drain",
        "prepare_to_wait",
        "schedule",
        "synchronize",
        "synchronize_rcu",
        "wait",
        "wait_entry_unlocked",
        "wait_for_free_range",
        "wait_page_idle_uninterruptible",
        "wait_page_unused",
        "wait_var_event",
        "wait_event",
    }
)

ENTRIES: Final = frozenset({"store", "set_mark", "clear_mark", "tag_for_writeback"})
"""Changes of what the page cache has at an index."""

PAGE_CACHE: Final = frozenset(
    {
        "clear_mark",
        "dax_lock_entry",
        "dax_wake_entry",
        "end_writeback",
        "get_mark",
        "put_unlocked_entry",
        "set_mark",
        "start_writeback",
        "store",
        "tag_for_writeback",
    }
)
"""What is done with xa_lock held and concerns only who takes that lock; who is woken takes it before anything else."""

FREES: Final = frozenset(
    {"free", "xfs_free_extent", "ext4_remove_space", "remove", "free_unref_page", "arch_remove_memory"}
)
"""After these somebody else may get what was there."""

READS: Final = frozenset(
    {
        "active",
        "empty",
        "find",
        "find_conflict",
        "find_vma",
        "get_mark",
        "load",
        "lookup",
        "marked",
        "read",
        "read_once",
    }
)

LOOKS: Final = READS | frozenset(
    {"pmd_unchanged", "pte_unchanged", "pud_unchanged", "raced_with_pmd", "raced_with_pte", "unchanged"}
)
"""Whatever looks at shared state and changes nothing."""

COUNTED: Final = frozenset({"add_return", "page_ref_sub_return", "put_devmap_managed_page_refs"})
"""What drops references and says what is left, or whether it did."""

HOLDS: Final = frozenset(LOCKS) | GETS | BOOLEAN_GETS | {"prepare_to_wait", "try_get_folio", "try_grab_folio"}
"""What a look at shared state after it relies on."""

SLEEPS: Final = frozenset(
    {"get_unlocked_entry", "schedule", "wait", "wait_entry_unlocked", "wait_event", "wait_var_event"}
)
"""While these wait, everything may change."""

VALUES: Final = READS | {"add_return", "exchange", "get_unlocked_entry", "page_ref_sub_return", "store"}
"""What returns a value of shared state itself."""

SKIPPED_WAITS: Final = {
    "break_file_layouts": "0",
    "break_layout": "0",
    "dax_break_layout": "0",
    "dax_break_layout_inode": "0",
    "dax_layout_busy_page": "None",
    "dax_layout_busy_page_range": "None",
    "ext4_break_layouts": "0",
    "filemap_fdatawrite_range": "0",
    "filemap_write_and_wait_range": "0",
    "fuse_dax_break_layouts": "0",
    "wait_page_idle": "0",
    "wait_scanned_entry": "entry",
    "xfs_break_dax_layouts": "(0, False)",
    "xfs_break_layouts": "0",
    "xfs_break_leased_layouts": "(0, False)",
}
"""Searches and waits that have a result, with the one that they have when there is nothing to wait for."""

STEPS: Final = frozenset(
    WAKES | LOCKS.keys() | UNLOCKS.keys() | ENTRY_LOCKS | GETS | BOOLEAN_GETS | PUTS | ASSOCIATIONS | FLUSHES | UNMAPS
) | (WAITS | ENTRIES | FREES | SKIPPED_WAITS.keys() | {"add", "add_return", "exchange", "page_ref_sub_return"})
"""All steps of which the order matters."""


def called(node: ast.AST | None) -> str:
    """The name of what a node awaits; empty if it does not await a call."""
    if not isinstance(node, ast.Await) or not isinstance(node.value, ast.Call):
        return ""
    target = node.value.func
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""


def call_of(node: ast.AST) -> ast.Call:
    """The call that a node awaits."""
    assert isinstance(node, ast.Await)
    assert isinstance(node.value, ast.Call)
    return node.value


def receiver(node: ast.AST) -> str:
    """What the awaited function is a method of, as source."""
    target = call_of(node).func
    return ast.unparse(target.value) if isinstance(target, ast.Attribute) else ""


def stated(statement: ast.stmt) -> ast.Await | None:
    """The awaited call that is a statement of its own."""
    if isinstance(statement, ast.Expr) and called(statement.value):
        assert isinstance(statement.value, ast.Await)
        return statement.value
    return None


def awaits(node: ast.AST) -> Iterator[str]:
    """Names of all that is awaited below a node."""
    for each in ast.walk(node):
        if isinstance(each, ast.Await):
            yield called(each)


def is_step(node: ast.AST) -> bool:
    """Whether a node awaits something of which the order matters."""
    return any(name in STEPS for name in awaits(node))


def changes(node: ast.AST) -> bool:
    """Whether a node awaits more than reads."""
    return any(name not in READS for name in awaits(node))
