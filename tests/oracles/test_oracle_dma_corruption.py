"""dma-corruption."""

from __future__ import annotations

import pytest
from oracle_kit import assert_silent, executions, program, simulate, trip

from daxfuzz.oracles.dma_corruption import DmaCorruption

NOBODYS = program(
    {
        "getter": ["r0 = get_user_pages_fast(file0, 0)", "dma_write(r0)", "put_page(r0)"],
        "truncator": ["truncate(file0, 0)"],
    }
)
SOMEBODY_ELSES = program(
    {
        "getter": ["r0 = get_user_pages(file0, 0)", "dma_write(r0)", "put_page(r0)"],
        # ext4 reuses a block when its freeing has been committed.
        "truncator": ["truncate(file0, 0)", "fsync(file0)", "store(file1, 0)"],
    },
    files={"file0": 1, "file1": 1},
    prefault=False,
)


def test_a_device_that_writes_to_a_freed_block_corrupts_it() -> None:
    violation = trip(simulate(NOBODYS, protocol="pin-wait", oracles=[DmaCorruption]), "dma-corruption", random=0)
    assert "nobody's" in violation.message
    assert violation.function == "dma_write"


def test_a_device_that_writes_to_a_block_of_another_file_corrupts_it() -> None:
    sim = simulate(SOMEBODY_ELSES, protocol="pin-wait", oracles=[DmaCorruption])
    messages = [e.violation.message for e in executions(sim, simple=3_000) if e.violation is not None]
    assert any("page 0 of inode 1" in message for message in messages)


@pytest.mark.parametrize("of", [NOBODYS, SOMEBODY_ELSES])
@pytest.mark.parametrize("protocol", ["refcount-1", "pin-wait-fixed"])
def test_a_device_that_is_waited_for_writes_where_it_should(of, protocol) -> None:
    assert_silent(simulate(of, protocol=protocol))


def test_a_failed_reference_gives_the_device_nothing_to_write_to() -> None:
    unmapped = program(
        {
            "getter": ["munmap(file0)", "r0 = pin_user_pages_fast(file0, 0)", "dma_write(r0)"],
            "other": ["store(file0, 0)"],
        }
    )
    assert_silent(simulate(unmapped))
