"""What is given to a worker, with what to do when it comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from daxfuzz.campaign.config import Way
from daxfuzz.campaign.crew import Seat


@dataclass(slots=True)
class Job:
    """Something that a worker is to do.

    what: for a reader. done: takes what came of it. failed: takes an error of the worker instead.
    tries: how often it was begun. arm: kernel and way of a slice. triage: whether the end of the campaign can be before
    its own.
    """

    what: str
    function: Callable[[Any], Any]
    argument: Any
    done: Callable[[Seat, Any], None]
    failed: Callable[[Exception], None]
    tries: int = 0
    arm: tuple[str, Way] | None = None
    triage: bool = False
