"""Programs that are about one thing: each module draws one shape of them."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from daxfuzz.program.case import Program
from daxfuzz.program.generator.machine import REFLINK
from daxfuzz.program.generator.shapes.closure import draw_closure
from daxfuzz.program.generator.shapes.crowd import draw_crowd
from daxfuzz.program.generator.shapes.departure import draw_departure
from daxfuzz.program.generator.shapes.family import draw_family
from daxfuzz.program.generator.shapes.handover import draw_handover
from daxfuzz.program.generator.shapes.lease import draw_lease
from daxfuzz.program.generator.shapes.moves import draw_moves
from daxfuzz.program.generator.shapes.privates import draw_privates
from daxfuzz.program.generator.shapes.removal import draw_removal
from daxfuzz.program.generator.shapes.rivals import draw_rivals
from daxfuzz.program.generator.shapes.sharing import draw_sharing
from daxfuzz.program.generator.shapes.shifts import draw_shifts
from daxfuzz.program.generator.shapes.shortage import draw_shortage
from daxfuzz.program.generator.shapes.sizes import draw_sizes
from daxfuzz.program.generator.shapes.snapshot import draw_snapshot
from daxfuzz.program.generator.shapes.storm import draw_storm
from daxfuzz.program.generator.shapes.threads import draw_threads
from daxfuzz.program.generator.shapes.window import draw_window

Draw = Callable[[Random, str], Program]

RIVALS = 0.12
"""How many programs of virtio-fs are about files that take the window from each other."""
WINDOWS = 0.07
"""How many programs of virtio-fs are about writes through a window that is taken back."""
SNAPSHOTS = 0.13
"""How many programs of a file system whose files can share blocks are about a page that a snapshot shares."""
HANDOVERS = 0.06
"""How many are about a file that gets the blocks of another one, on a file system that allocates blocks itself."""
STORMS = 0.04
"""How many of these file systems are about a file that everybody syncs."""
SHIFTS = 0.03
"""How many of these file systems are about a file whose pages move."""
MOVES = 0.3
"""How many programs of a character device are about mappings that move."""
LEASES = 0.04
"""How many programs of a file system whose files can share blocks are about leases of such files."""
SHARINGS = 0.08
"""How many programs of such a file system are about two files in use that share blocks, or get to."""
SHAPES: tuple[tuple[float, Draw], ...] = (
    (0.12, draw_crowd),
    (0.08, draw_family),
    (0.08, draw_departure),
    (0.08, draw_sizes),
    (0.07, draw_threads),
    (0.05, draw_shortage),
    (0.02, draw_privates),
    (0.045, draw_removal),
    (0.04, draw_closure),
)
"""How many programs on any file system are of which shape."""


def draw_shape(rng: Random, filesystem: str) -> Program | None:
    """A program about one thing, or None for one about anything."""
    if filesystem == "device-dax":
        return draw_moves(rng) if rng.random() < MOVES else None
    if filesystem == "fuse":
        shape = rng.random()
        if shape < RIVALS:
            return draw_rivals(rng)
        if shape > 1 - WINDOWS:
            return draw_window(rng)
    if filesystem in REFLINK and rng.random() < SNAPSHOTS:
        return draw_snapshot(rng, filesystem)
    shape = rng.random()
    if filesystem != "fuse" and shape > 1 - HANDOVERS:
        return draw_handover(rng, filesystem)
    if filesystem != "fuse" and shape > 1 - HANDOVERS - STORMS:
        return draw_storm(rng, filesystem)
    if filesystem != "fuse" and shape > 1 - HANDOVERS - STORMS - SHIFTS:
        return draw_shifts(rng, filesystem)
    if filesystem in REFLINK and shape > 1 - HANDOVERS - STORMS - SHIFTS - LEASES:
        return draw_lease(rng, filesystem)
    if filesystem in REFLINK and shape > 1 - HANDOVERS - STORMS - SHIFTS - LEASES - SHARINGS:
        return draw_sharing(rng, filesystem)
    for share, draw in SHAPES:
        if shape < share:
            return draw(rng, filesystem)
        shape -= share
    return None
