"""The files for ClusterFuzzLite and for continuous integration; build.sh runs with stand-ins for the service's own
commands, which check what they are given."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from daxfuzz.engines.corpus.dictionary import dictionary
from daxfuzz.program.bytes_form import decode

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / ".clusterfuzzlite"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
HARNESSES = sorted(path.stem for path in (ROOT / "harnesses").glob("*_fuzzer.py"))

PIP = """#!/bin/bash -eu
[ "$*" = "install ." ] && [ -f pyproject.toml ]
"""
COMPILE_PYTHON_FUZZER = """#!/bin/bash -eu
# As the service's: a path, then options of PyInstaller; the fuzzer is named after the file.
path=$1
shift
grep -q '^if __name__ == "__main__":' "$path"
python3 -m py_compile "$path"
for option in "$@"; do
    case "$option" in
        --collect-submodules) ;;
        daxfuzz) [ -f daxfuzz/__init__.py ] ;;
        *) echo "PyInstaller has no $option" >&2; exit 2 ;;
    esac
done
fuzzer=$OUT/$(basename -s .py "$path")
printf '#!/bin/sh\\n' > "$fuzzer"
chmod +x "$fuzzer"
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What build.sh leaves in $OUT."""
    directory = tmp_path_factory.mktemp("service")
    for name in ("src", "out", "bin"):
        (directory / name).mkdir()
    (directory / "src" / "daxfuzz").symlink_to(ROOT)
    # A link would not know what is installed beside it.
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    for name, text in {"pip3": PIP, "compile_python_fuzzer": COMPILE_PYTHON_FUZZER, "python3": python}.items():
        (directory / "bin" / name).write_text(text)
        (directory / "bin" / name).chmod(0o755)
    path = f"{directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SRC": str(directory / "src"), "OUT": str(directory / "out")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(SERVICE / "build.sh")], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return directory / "out"


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_every_harness_is_built_with_seeds_dictionary_and_options(out: Path) -> None:
    assert HARNESSES
    built = sorted(path.name for path in out.iterdir() if os.access(path, os.X_OK))
    assert built == HARNESSES
    beside = {f"{name}{end}" for name in HARNESSES for end in ("", ".dict", ".options", "_seed_corpus.zip")}
    assert {path.name for path in out.iterdir()} == beside


def test_seeds_are_inputs(out: Path) -> None:
    with zipfile.ZipFile(out / f"{HARNESSES[0]}_seed_corpus.zip") as archive:
        names = archive.namelist()
        found = [decode(archive.read(name)) for name in names]
    assert len(names) >= len(list((ROOT / "corpus" / "bugs").glob("*.dax")))
    assert "/" not in "".join(names)
    assert any(schedule.switches for _, schedule in found)
    assert all(any(program.tasks.values()) for program, _ in found)


def test_the_dictionary_is_one_for_libfuzzer(out: Path) -> None:
    lines = (out / f"{HARNESSES[0]}.dict").read_text().splitlines()
    words = [line for line in lines if not line.startswith("#")]
    assert len(words) == len(list(dictionary()))
    assert all(re.fullmatch(r'"(\\x[0-9a-f]{2})+"', word) for word in words)


def test_options_are_known_to_libfuzzer(out: Path) -> None:
    options = configparser.ConfigParser()
    options.read(out / f"{HARNESSES[0]}.options")
    assert options.sections() == ["libfuzzer"]
    assert {name: int(value) for name, value in options["libfuzzer"].items()}
    assert set(options["libfuzzer"]) <= {"len_control", "max_len", "timeout"}


def test_build_needs_the_service(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("SRC", "OUT")}
    done = subprocess.run([str(SERVICE / "build.sh")], env=environment, capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode != 0


def test_the_project_is_described() -> None:
    project = load(SERVICE / "project.yaml")
    assert project["language"] == "python"
    assert project["fuzzing_engines"] == ["libfuzzer"]
    image, *rest = (SERVICE / "Dockerfile").read_text().splitlines()
    assert image == "FROM gcr.io/oss-fuzz-base/base-builder-python"
    assert any(line.split()[0] == "COPY" and line.endswith("$SRC/build.sh") for line in rest)
    assert os.access(SERVICE / "build.sh", os.X_OK)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows(path: Path) -> None:
    workflow = load(path)
    # YAML 1.1 reads the key "on" as a truth value.
    events = workflow[True]
    assert set(events) <= {"pull_request", "schedule", "workflow_dispatch"}
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        assert job["timeout-minutes"] > 0
        assert set(job.get("needs", "").split()) <= set(workflow["jobs"])
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            if "clusterfuzzlite" in step.get("uses", ""):
                check_action(step)


def check_action(step: dict[str, Any]) -> None:
    """What google/clusterfuzzlite demands of a step."""
    assert re.fullmatch(r"google/clusterfuzzlite/actions/(build|run)_fuzzers@v1", step["uses"])
    given = step["with"]
    assert (given["language"], given["sanitizer"]) == ("python", "address")
    if "run_fuzzers" in step["uses"]:
        assert given["mode"] in ("code-change", "batch", "prune")
        assert given["fuzz-seconds"] > 0


def test_pull_requests_replay_the_corpus_and_nights_run_batches() -> None:
    texts = {path.stem: path.read_text() for path in WORKFLOWS}
    assert "daxfuzz corpus check corpus" in texts["pull-request"]
    assert "mode: code-change" in texts["pull-request"]
    assert "mode: batch" in texts["nightly"]
    assert "mode: prune" in texts["nightly"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_commands_of_workflows_exist(path: Path) -> None:
    """Each option that a workflow gives to daxfuzz is one of the command."""
    from daxfuzz.cli import main

    for command, rest in re.findall(r"daxfuzz (\w+)((?: [^\n]*)?)", path.read_text()):
        known = {option for parameter in main.commands[command].params for option in parameter.opts}  # type: ignore[attr-defined]
        assert set(re.findall(r"(?<= )--[\w-]+", rest)) <= known, (command, rest)
