"""The first root directory of the emulated machine, written without any tool that needs root."""

from __future__ import annotations

import gzip
import re
import stat
import subprocess
import tempfile
from pathlib import Path

from daxfuzz.conform.kernels import Kernel
from daxfuzz.conform.missing import Missing, tool
from daxfuzz.conform.modules import OPTIONS, load_order

AGENT = Path(__file__).with_name("agent.c")
MAKERS = {"mkfs.ext4": "e2fsprogs", "mkfs.xfs": "xfsprogs"}
"""Programs that make file systems, with their Debian packages."""


class Archive:
    """A cpio archive in the format that the kernel unpacks (newc)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0
        self._names: set[str] = set()

    def add(self, name: str, data: bytes, mode: int = 0o755) -> None:
        """A file, with the directories above it; once only."""
        if name in self._names:
            return
        self._names.add(name)
        self._above(name)
        self._entry(name, stat.S_IFREG | mode, data)

    def directory(self, name: str) -> None:
        """A directory, with those above it."""
        if name not in self._names:
            self._above(name)
            self._names.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def node(self, name: str, major: int, minor: int) -> None:
        """A character device."""
        self._above(name)
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def compressed(self) -> bytes:
        """The whole archive."""
        self._entry("TRAILER!!!", 0)
        return gzip.compress(b"".join(self._parts), compresslevel=3, mtime=0)

    def _above(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent:
            self.directory(parent)

    def _entry(self, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._count += 1
        encoded = name.encode() + b"\0"
        numbers = (self._count, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % number for number in numbers) + encoded
        for part in (header, data):
            self._parts.append(part + b"\0" * (-len(part) % 4))


def build(kernel: Kernel) -> bytes:
    """The archive for a kernel. Raises Missing if this machine lacks a compiler or a program that goes into it."""
    archive = Archive()
    archive.add("init", compiled_agent())
    for directory in ("proc", "sys", "dev", "mnt", "tmp"):
        archive.directory(directory)
    archive.node("dev/console", 5, 1)
    archive.node("dev/null", 1, 3)
    for name, package in MAKERS.items():
        path = tool(name, package)
        archive.add(f"bin/{name}", Path(path).read_bytes())
        for library in libraries(path):
            archive.add(library.lstrip("/"), Path(library).read_bytes())
    settings = Path("/etc/mke2fs.conf")
    if settings.exists():
        archive.add("etc/mke2fs.conf", settings.read_bytes(), 0o644)
    modules = load_order(kernel.modules)
    for name, data in modules.items():
        archive.add(f"mods/{name}.ko", data)
    order = "".join(f"{name}.ko {OPTIONS.get(name, '')}".rstrip() + "\n" for name in modules)
    archive.add("mods/order", order.encode())
    return archive.compressed()


def compiled_agent() -> bytes:
    """The agent, linked statically. Raises Missing."""
    compiler = tool("gcc", "gcc libc6-dev")
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "agent"
        command = [compiler, "-O2", "-static", "-o", str(program), str(AGENT)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"gcc cannot build the agent: {done.stderr.strip().splitlines()[-1]}")
        return program.read_bytes()


def libraries(program: str) -> list[str]:
    """Shared libraries that a program loads, the loader among them."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)
