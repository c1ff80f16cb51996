"""One emulated machine: its process, a line to its agent, and a look into its memory."""

from __future__ import annotations

import ctypes
import json
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from daxfuzz.conform.initramfs import build
from daxfuzz.conform.kernels import Kernel
from daxfuzz.conform.missing import Missing, tool

BOOT_SECONDS = 300.0
ANSWER_SECONDS = 180.0

VMEMMAP = 0xFFFF_EA00_0000_0000
"""Where the page structs are, with four-level paging and no randomized addresses."""

PAGE_STRUCT = 64
REFCOUNT_WORD = 13

COMMAND_LINE = (
    "console=ttyS0 loglevel=6 nokaslr mitigations=off nopti no5lvl panic=-1 oops=panic random.trust_cpu=on "
    "rcupdate.rcu_expedited=1 memmap=448M!512M memmap=448M!1024M"
)
"""Two regions of memory are marked as persistent. Page structs would be elsewhere with random addresses or five-level
paging."""

MACHINE = (
    *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-nic", "none", "-machine", "q35"),
    *("-accel", "tcg,thread=multi", "-smp", "2", "-m", "1536M"),
    # Without cx16 some kernels crash under QEMU 7.2; without rdrand each mkfs waits seconds for entropy.
    *("-cpu", "qemu64,cx16=off,rdrand=on"),
)

PR_SET_PDEATHSIG = 1


class Died(Exception):
    """The machine is gone or does not answer. Its last words, in one line."""


class Qemu:
    """A booted kernel. A context manager: the process ends with it, and with this process, whatever happens."""

    def __init__(self, kernel: Kernel, initramfs: bytes | None = None) -> None:
        self._program = tool("qemu-system-x86_64", "qemu-system-x86")
        self._kernel = kernel
        self._initramfs = build(kernel) if initramfs is None else initramfs
        self._directory = tempfile.TemporaryDirectory(prefix="daxfuzz-")
        self._process: subprocess.Popen[bytes] | None = None
        self._agent: Line | None = None
        self._monitor: Line | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        here = Path(self._directory.name)
        initramfs = here / "initramfs"
        initramfs.write_bytes(self._initramfs)
        sockets = {name: here / name for name in ("agent", "qmp")}
        command = [
            *(self._program, *MACHINE, "-kernel", str(self._kernel.image), "-initrd", str(initramfs)),
            *("-append", COMMAND_LINE),
            *("-chardev", f"file,id=con,path={here / 'console'}", "-serial", "chardev:con"),
            *("-chardev", f"socket,id=ag,path={sockets['agent']},server=on,wait=off", "-serial", "chardev:ag"),
            *(
                "-chardev",
                f"socket,id=qmp,path={sockets['qmp']},server=on,wait=off",
                "-mon",
                "chardev=qmp,mode=control",
            ),
        ]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=die_with_me
        )
        self._agent = self._connect(sockets["agent"])
        self._monitor = self._connect(sockets["qmp"])
        self._monitor.send(json.dumps({"execute": "qmp_capabilities"}))
        self._read(self._agent, "ready", BOOT_SECONDS)

    def _connect(self, path: Path) -> Line:
        end = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < end:
            self._check()
            try:
                return Line(path)
            except OSError:
                time.sleep(0.02)
        raise Died("QEMU does not open its sockets")

    def ask(self, command: str) -> dict[str, Any]:
        """Send one command to the agent and return its answer. Raises Died."""
        assert self._agent is not None, "asked only while the machine runs"
        self._agent.send(command)
        return self._read(self._agent, "", ANSWER_SECONDS)

    def refcounts(self, pfns: Sequence[int]) -> list[int]:
        """The reference counts in the page structs of physical pages, as they are now. Raises Died."""
        found: dict[int, int] = {}
        for first, count in runs(sorted(set(pfns))):
            words = self._words(VMEMMAP + first * PAGE_STRUCT, count * PAGE_STRUCT // 4)
            for offset in range(count):
                found[first + offset] = words[offset * PAGE_STRUCT // 4 + REFCOUNT_WORD]
        return [found[pfn] for pfn in pfns]

    def _words(self, address: int, count: int) -> list[int]:
        assert self._monitor is not None, "asked only while the machine runs"
        text = {"execute": "human-monitor-command", "arguments": {"command-line": f"x /{count}xw {address:#x}"}}
        self._monitor.send(json.dumps(text))
        answer = str(self._read(self._monitor, "return", ANSWER_SECONDS, str)["return"])
        return [int(word, 16) for word in re.findall(r"0x[0-9a-f]{8}\b(?!:)", answer)]

    def _read(self, line: Line, key: str, seconds: float, kind: type = object) -> dict[str, Any]:
        """The next object from a line that has a key with a value of some type."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = line.receive(0.5)
            if text is None:
                self._check()
                continue
            found = json.loads(text)
            if not key or isinstance(found.get(key), kind):
                return dict(found)
        raise Died(f"no answer in {seconds:.0f} s; {self.last_words()}")

    def _check(self) -> None:
        process = self._process
        if process is not None and process.poll() is not None:
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise Died(said[-1] if said else self.last_words())

    def last_words(self) -> str:
        """The last line of the console, or why there is none."""
        try:
            lines = (Path(self._directory.name) / "console").read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"the console says: {lines[-1].strip()}" if lines else "the console is empty"

    def close(self) -> None:
        """End the machine."""
        for line in (self._agent, self._monitor):
            if line is not None:
                line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
        self._directory.cleanup()


class Line:
    """A socket that carries one message a line."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._rest = b""

    def send(self, text: str) -> None:
        """Send one message. Raises Died if the other side is gone."""
        try:
            self._socket.sendall(text.encode() + b"\n")
        except OSError as error:
            raise Died(f"the machine is gone: {error.strerror}") from None

    def receive(self, seconds: float) -> str | None:
        """The next message; None if none has come in time or the other side is gone."""
        self._socket.settimeout(seconds)
        while b"\n" not in self._rest:
            try:
                got = self._socket.recv(65536)
            except OSError:
                return None
            if not got:
                time.sleep(seconds)
                return None
            self._rest += got
        text, _, self._rest = self._rest.partition(b"\n")
        return text.decode(errors="replace").strip() or None

    def close(self) -> None:
        self._socket.close()


def runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, count) of consecutive ones, at most 16 in a run."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == sum(found[-1]) and found[-1][1] < 16:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((number, 1))
    return found


def die_with_me() -> None:
    """In the child before it becomes QEMU: the kernel kills it when this process ends."""
    if ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise Missing("prctl(PR_SET_PDEATHSIG) fails")
