"""Kinds of findings that several bugs are known by."""

from __future__ import annotations

FREED_IN_USE = ("freed-while-pinned", "freed-while-referenced", "dma-corruption", "kernel-warning")
"""A block is freed although its page is in use. The kernel itself warns of that when it drops the entry."""

OLD_DATA = ("stale-data", "stale-pte", "freed-while-mapped", "stale-tlb")
"""A mapping shows something else than the file holds."""
