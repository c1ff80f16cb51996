"""Stock Debian kernels, downloaded once and kept in the user's cache directory."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from daxfuzz.conform.apt import Apt
from daxfuzz.conform.missing import Missing, tool

SUITES = {"6.1": "bookworm", "6.12": "trixie"}
"""Suites that have a kernel as their own; all others are in BACKPORTS."""

BACKPORTS = "trixie-backports"

KERNELS = ("6.1", "6.12", "6.16", "7.3")
"""Versions that there are profiles for."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel that can be booted. package, version: where it comes from. directory: what was in the packages."""

    name: str
    package: str
    version: str
    directory: Path

    @property
    def image(self) -> Path:
        """The bzImage."""
        places = (*self.directory.glob("boot/vmlinuz-*"), *self.directory.glob("usr/lib/modules/*/vmlinuz"))
        return places[0]

    @property
    def modules(self) -> dict[str, Path]:
        """Files of the modules by their names."""
        files = self.directory.glob("**/kernel/**/*.ko*")
        return {path.name.split(".")[0].replace("-", "_"): path for path in sorted(files)}


def cache() -> Path:
    """Where kernels are kept."""
    return Path(platformdirs.user_cache_dir("daxfuzz")) / "kernels"


def cached(name: str) -> Kernel:
    """A kernel that was fetched before. Raises Missing."""
    directory = cache() / name
    try:
        found = json.loads((directory / "package.json").read_text())
    except OSError:
        raise Missing(f"no kernel {name} here; get it with: daxfuzz conform --fetch {name}") from None
    return Kernel(name, found["package"], found["version"], directory)


def fetch(name: str) -> Kernel:
    """Download the newest stock cloud kernel of a version such as 6.1, and unpack it. Raises Missing."""
    unpack = tool("dpkg-deb", "dpkg")
    root = cache()
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=root) as temporary:
        here = Path(temporary)
        apt = Apt(here / "apt", SUITES.get(name, BACKPORTS))
        apt.update()
        image, *others = packages(apt, name)
        version = apt.field(image, "Version")
        for path in apt.download([image, *others], here / "packages"):
            subprocess.run([unpack, "-x", path, here / "root"], check=True)
        package = re.sub(r"(image|binary)-.*-cloud", r"image-cloud", image)
        (here / "root" / "package.json").write_text(json.dumps({"package": package, "version": version}) + "\n")
        shutil.rmtree(root / name, ignore_errors=True)
        (here / "root").rename(root / name)
    return cached(name)


def packages(apt: Apt, name: str) -> list[str]:
    """The package of the newest kernel of a version and those with its other parts. Raises Missing."""
    number = re.escape(name)
    images = apt.names(rf"linux-image-{number}\.[0-9][^-]*(-[0-9]+)?-cloud-amd64")
    if not images:
        raise Missing(f"the archive has no kernel {name}; there are profiles for {', '.join(KERNELS)}")
    newest = images[-1]
    abi = newest.removeprefix("linux-image-")
    depends = re.findall(r"[^\s,|]+", apt.field(newest, "Depends"))
    return [newest, *(f"{part}-{abi}" for part in ("linux-binary", "linux-modules") if f"{part}-{abi}" in depends)]
