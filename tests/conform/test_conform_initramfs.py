from __future__ import annotations

import gzip
import lzma
from pathlib import Path

from daxfuzz.conform.initramfs import Archive
from daxfuzz.conform.modules import load_order
from daxfuzz.conform.qemu import runs


def entries(data: bytes) -> list[tuple[str, int, bytes]]:
    """Name, mode and contents of each file in a cpio archive."""
    found = []
    at = 0
    while True:
        numbers = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        assert data[at : at + 6] == b"070701"
        name = data[at + 110 : at + 110 + numbers[11] - 1].decode()
        at += 110 + numbers[11]
        at += -at % 4
        if name == "TRAILER!!!":
            return found
        found.append((name, numbers[1], data[at : at + numbers[6]]))
        at += numbers[6]
        at += -at % 4


def test_an_archive_holds_files_below_directories_that_come_first_and_once() -> None:
    archive = Archive()
    archive.add("bin/a", b"x" * 5)
    archive.add("bin/b", b"")
    archive.add("bin/a", b"again")
    archive.node("dev/null", 1, 3)
    assert entries(gzip.decompress(archive.compressed())) == [
        ("bin", 0o40755, b""),
        ("bin/a", 0o100755, b"xxxxx"),
        ("bin/b", 0o100755, b""),
        ("dev", 0o40755, b""),
        ("dev/null", 0o20600, b""),
    ]


def test_modules_come_after_what_they_need_whatever_it_is_packed_in(tmp_path: Path) -> None:
    plain = tmp_path / "top.ko"
    plain.write_bytes(b"ELF\0depends=mid-dle,builtin\0softdep=pre: soft\0")
    packed = tmp_path / "middle.ko.xz"
    packed.write_bytes(lzma.compress(b"ELF\0depends=low\0"))
    for name in ("low", "soft", "unused"):
        (tmp_path / f"{name}.ko").write_bytes(b"ELF\0depends=\0" + name.encode())
    modules = {name: tmp_path / f"{name}.ko" for name in ("top", "low", "soft", "unused")}
    modules["mid_dle"] = packed
    order = load_order(modules, ["top", "absent"])
    assert list(order) == ["low", "mid_dle", "soft", "top"]
    assert order["low"].endswith(b"low")
    assert order["mid_dle"].startswith(b"ELF")


def test_pages_that_follow_each_other_are_read_together_in_small_pieces() -> None:
    assert runs([1, 2, 3, 7, 8]) == [(1, 3), (7, 2)]
    assert runs(list(range(20))) == [(0, 16), (16, 4)]
