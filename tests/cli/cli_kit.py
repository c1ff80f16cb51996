"""What the tests of the command line share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from daxfuzz.cli import main

F01 = """\
# found by hand
daxfuzz = 1
protocol = "pin-wait"
filesystem = "ext4"
finding = "freed-while-referenced"
repaired_by = ["fix-idle-on-refcount"]

[tasks]
getter = ["r0 = get_user_pages_fast(file0, 0)"]  # never put
truncator = ["truncate(file0, 0)"]
"""
"""Shows its finding under the default schedule."""

CLEAN = """\
daxfuzz = 1
protocol = "pin-wait-fixed"
finding = "none"

[tasks]
getter = ["r0 = get_user_pages_fast(file0, 0)", "put_page(r0)"]
"""


def run(*args: str | Path) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, [str(arg) for arg in args])


def run_json(*args: str | Path) -> Any:
    """The document that a command prints with --json, which is all there is on stdout."""
    return json.loads(run(*args, "--json").stdout)


def start(*args: str | Path, cwd: Path) -> subprocess.Popen[str]:
    """Run a command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "daxfuzz", *map(str, args)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TERM": "dumb"},
    )


def written(directory: Path, text: str | bytes, name: str = "case.dax") -> Path:
    """A file with this text."""
    path = directory / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def assert_one_line(result: Result, *parts: str, code: int = 2) -> None:
    """One line on stderr that holds all the parts, and nothing on stdout."""
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr
