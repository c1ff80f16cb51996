"""Debian packages of suites that this machine does not use, through a private apt state.

Neither the sources nor the package lists of the system change, and nothing is installed. The address of the archive is
the one that the machine's own apt is configured with.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from daxfuzz.conform.missing import Missing, tool

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Apt:
    """apt with the package lists of one suite, kept in `directory`."""

    def __init__(self, directory: Path, suite: str) -> None:
        self.directory = directory
        for name in ("lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        sources = directory / "sources.list"
        sources.write_text("".join(f"deb [signed-by={KEYRING}] {uri} {name} main\n" for uri, name in archives(suite)))
        settings = {
            "Dir::Etc::sourcelist": sources,
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": directory / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": directory / "cache",
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "root",
        }
        self._options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def update(self) -> None:
        """Get the package lists. Raises Missing if the archive does not answer."""
        self._run("apt-get", "update", "--error-on=any")

    def names(self, pattern: str) -> list[str]:
        """Packages whose whole name matches a regular expression, the highest version in a name last."""
        names = self._run("apt-cache", "pkgnames", "linux").split()
        return sorted((name for name in names if re.fullmatch(pattern, name)), key=_natural)

    def field(self, package: str, field: str) -> str:
        """One field of the newest version of a package; empty if it has none."""
        text = self._run("apt-cache", "show", "--no-all-versions", package)
        found = re.search(rf"^{field}: (.*)$", text, re.MULTILINE)
        return found[1] if found else ""

    def download(self, packages: Sequence[str], into: Path) -> list[Path]:
        """Download packages and return their files. Raises Missing."""
        into.mkdir(parents=True, exist_ok=True)
        self._run("apt-get", "download", *packages, cwd=into)
        return sorted(into.glob("*.deb"))

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        command = [tool(program, "apt"), *self._options, *arguments]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise Missing(f"{program} {arguments[0]}: {lines[-1]}")
        return done.stdout


def archives(suite: str) -> Iterator[tuple[str, str]]:
    """Address and suite of the archives that have a suite and its security updates. Raises Missing."""
    formats = "$(REPO_URI) $(CODENAME)"
    command = [tool("apt-get", "apt"), "indextargets", "--format", formats, "Created-By: Packages", "Origin: Debian"]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    known = [line.split() for line in lines if len(line.split()) == 2]
    main = [uri for uri, codename in known if not codename.endswith(("-security", "-updates"))]
    security = [uri for uri, codename in known if codename.endswith("-security")]
    if not main:
        raise Missing("this machine's apt knows no Debian archive (is there a package list? try: apt-get update)")
    yield main[0], suite
    if security and "-" not in suite:
        yield security[0], f"{suite}-security"


def _natural(name: str) -> list[tuple[int, str]]:
    """Key to sort by the numbers in a name."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
