"""Which functions of the model are functions of the kernel."""

from __future__ import annotations

from daxfuzz.triage.trace import Step

NOT_THERE = """
    _commit abort_open any_page_in_use associate_page break_inode busy_at_truncation copy_for_wp copy_shared dax_fault
    dax_insert_block dax_iomap_pmd_fault_locked delete_idle_entries delete_unused dev_dax_map disassociate_page
    dmap_put do_close do_fallocate do_write downgrade_pmd_entry drop_caches drop_locks dup_vma end_writeback
    enqueue_req entry_in_use ext4_allocate_unwritten ext4_can_shift ext4_collapse_blocks ext4_insert_blocks
    ext4_map_blocks_create ext4_preallocate ext4_punch_blocks ext4_remove_space ext4_shift_extents ext4_write_and_drop
    ext4_write_fault ext4_zero_blocks fallocate_locked find_checked_vma follow_huge_zero_pmd follow_or_fault
    follow_pud_leaf force_commit forget_copy fuse_dax_fault_retry fuse_dax_window_write fuse_fill_iomap_of_other
    grab_zero_page grow gup_device_leaf gup_get_dev_pagemap gup_pte gup_pud_leaves handle_pud_fault has_failed
    inline_reclaim_locked inode_unlock_two inodegc insert_huge_zero_pmd insert_synced_pfn invalidate_entries
    invalidate_entry invalidate_inode invalidate_on_open invalidate_removed iomap_dirty isolate_inode keep_entry
    map_new_page map_page mapped_folios no_cow_extents over page_anon page_idle page_of_pte pick_busy_dmap
    pmd_unchanged prune_dentry pte_mkclean_range pte_unchanged pud_split pud_unchanged pud_zapped put_born_references
    raced_with_pmd raced_with_pte range_is_free reassociate reclaim_and_charge removemapping return_lease returned
    revoke_procs setupmapping sleep start_writeback still_names still_to_write take_lease tree_remove
    unmap_and_kill_page unmap_pmd_ranges unmap_view unused wait_for_free_range wait_is_over wait_marked_entry
    wait_page_unused wait_scanned_entry walk xfs_alloc_extent xfs_fallocate_mode xfs_refcount_exchange
    xfs_reflink_resample xfs_reflink_unshare_page xfs_second_mmaplock xfs_shift_extents xfs_trans_end
    xfs_wait_leased_layout xfs_write_iomap_begin zero_page
"""

INLINE = frozenset(NOT_THERE.split())
"""Functions that the model has apart and the kernel has not, under this name, in v6.0, v6.6 or v6.19."""


KERNEL = ("daxfuzz/kernel/", "daxfuzz/protocols/")
"""Where functions of the kernel under test are; others are of the program."""


SERVER = ("daxfuzz/kernel/fs/virtiofsd.py",)
"""What runs on the host of a virtual machine."""


NOT_BEFORE_V6_15 = frozenset({"wait_page_idle"})
"""Functions that older kernels have inline."""

NOT_SINCE_V6_15 = frozenset({"insert_pfn"})
"""Functions of the model that newer kernels have inline: what mm/ has under this name is not for DAX any more."""

SINCE_V6_15 = {
    "copy_present_pte": "copy_present_ptes",
    "dax_lock_page": "dax_lock_folio",
    "dax_unlock_page": "dax_unlock_folio",
    "follow_trans_huge_pmd": "follow_huge_pmd",
    "get_unlocked_entry": "get_next_unlocked_entry",
    "gup_pmd_range": "gup_fast_pmd_range",
    "gup_pte_range": "gup_fast_pte_range",
    "internal_get_user_pages_fast": "gup_fast_fallback",
    "lockless_pages_from_mm": "gup_fast",
    "page_add_new_anon_rmap": "folio_add_new_anon_rmap",
    "page_needs_cow_for_dma": "folio_needs_cow_for_dma",
    "page_try_dup_anon_rmap": "folio_try_dup_anon_rmap_pte",
}
"""Names of v6.0 that the model keeps, and those of v6.19."""


def kernel_function(step: Step, protocol: str) -> str:
    """The innermost function of the kernel in which a step happens, empty if it is in none of its own."""
    if any(place.file in SERVER for place in step.stack):
        return "virtiofsd"
    names = [place.function for place in reversed(step.stack) if place.file.startswith(KERNEL)]
    return next((named(name, protocol) for name in names if is_there(name, protocol)), "")


def is_there(name: str, protocol: str) -> bool:
    """Whether a function of the model is one of the kernel."""
    missing = NOT_SINCE_V6_15 if protocol.startswith("refcount-0") else NOT_BEFORE_V6_15
    return name.removeprefix("_") not in INLINE and name not in missing


def named(name: str, protocol: str) -> str:
    """What a function is called in the kernel that a protocol is of."""
    return SINCE_V6_15.get(name, name) if protocol.startswith("refcount-0") else name
