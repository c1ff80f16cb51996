"""Boots a kernel: needs QEMU, gcc, mkfs.ext4, mkfs.xfs, and a kernel that `daxfuzz conform --fetch` got before."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from conform_kit import CORPUS

from daxfuzz.conform import model
from daxfuzz.conform.kernels import cached
from daxfuzz.conform.outcome import differences
from daxfuzz.conform.profiles import PROFILES
from daxfuzz.conform.runner import Machine
from daxfuzz.conform.sequence import FILESYSTEMS, load

pytestmark = pytest.mark.boots

NAMES = ("pin-pipe-truncate", "pin-direct-truncate", "unmapped-pipe-truncate", "fork-child-pins", "frozen-killed")


def test_a_real_kernel_does_what_the_model_does() -> None:
    subsystems = PROFILES["6.1"].composed().subsystems
    with Machine(cached("6.1")) as machine:
        for filesystem in FILESYSTEMS:
            for sequence in load(CORPUS):
                if sequence.name in NAMES:
                    ours = model.run(sequence, subsystems, filesystem)
                    assert differences(ours, machine.run(sequence, filesystem)) == [], sequence.name
        assert machine.boots == 1


def test_the_machine_ends_with_its_parent() -> None:
    program = (
        "import os\n"
        "from daxfuzz.conform.kernels import cached\n"
        "from daxfuzz.conform.qemu import Qemu\n"
        "machine = Qemu(cached('6.1'))\n"
        "machine.__enter__()\n"
        "print(machine._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    pid = int(done.stdout)
    for _ in range(50):
        if not os.path.exists(f"/proc/{pid}"):
            return
        time.sleep(0.1)
    pytest.fail("QEMU outlives the process that started it")
