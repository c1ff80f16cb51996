"""What a character device refuses that a file does not."""

from __future__ import annotations

import pytest
from kernel_kit import run, simulate

from daxfuzz.kernel.errno import EINVAL, ENODEV, EOPNOTSUPP


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("truncate(file0, 0)", EINVAL),
        ("fallocate(file0, PUNCH_HOLE, 0, 1)", ENODEV),
        ("fallocate(file0, ALLOCATE, 0, 1)", ENODEV),
        ("fsync(file0)", EINVAL),
        ("write(file0, 0)", EINVAL),
        ("pwrite(file0, 0, file0, 0)", EINVAL),
        ("unlink(file0)", EOPNOTSUPP),
        ("freeze()", EOPNOTSUPP),
        ("reflink(file0, 0, file0, 0, 1)", EOPNOTSUPP),
    ],
)
def test_an_operation_on_files_fails_and_changes_nothing(call, error) -> None:
    sim = simulate({"a": ["store(file0, 0)", call, "munmap(file0)", "close(file0)"]}, filesystem="device-dax")
    run(sim)
    assert sim.results == [[1000, -error, 0, 0]]
    assert sim.kernel.inodes["file0"].i_count.value == 1


def test_a_private_mapping_is_refused() -> None:
    sim = simulate({"a": ["munmap(file0)", "mmap(file0, MAP_PRIVATE)", "mmap(file0)"]}, filesystem="device-dax")
    run(sim)
    assert sim.results == [[0, -EINVAL, 0]]
