"""Words of messages."""

from __future__ import annotations


def plural(number: int, noun: str) -> str:
    """`3 findings`, `1 finding`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
