"""Who watches a world."""

from __future__ import annotations

from typing import ClassVar


class Observer:
    """Has functions that are called at events of a world, and may remember things between them (World.memories).

    Whatever holds an Observer, and is called or held by one, has to be one itself: the recording mode finds out in this
    way what a function may look at.

    TELLS: whether its functions say themselves which of its memories they look at (World.tellers). Else it is all.
    """

    TELLS: ClassVar[bool] = False
