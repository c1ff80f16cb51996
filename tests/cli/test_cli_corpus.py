"""What ``daxfuzz corpus`` does with cases and inputs."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from cli_kit import CLEAN, F01, run, run_json

from daxfuzz.engines.corpus.convert import bytes_of, case_of
from daxfuzz.engines.corpus.merge import Shown, copy, shown, smallest, together
from daxfuzz.program.bytes_form import canonical, decode
from daxfuzz.program.case import KernelSpec
from daxfuzz.program.dax_file import load_case
from daxfuzz.program.errors import InputError
from daxfuzz.strategies import case
from daxfuzz.triage.bench import KernelChoice

SEEDS = Path(__file__).parents[2] / "corpus" / "seeds"

LARGE = F01.replace('["r0 =', '["load(file0, 0)", "r0 =')


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    directory = tmp_path / "cases"
    directory.mkdir()
    (directory / "f01.dax").write_text(F01)
    (directory / "large.dax").write_text(LARGE)
    return directory


def test_add_minimizes_names_and_leaves_out_what_is_there(cases: Path, tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    told = run_json("corpus", "add", target, cases / "large.dax", cases / "f01.dax")["cases"]
    (added,) = target.iterdir()
    assert told[0]["added"] == str(added)
    assert added.name == "freed-while-referenced-ext4-remove-space-fix-idle-on-refcount.dax"
    assert told[1] == {
        "case": str(cases / "f01.dax"), "same_as": str(added),
        "signature": "freed-while-referenced/ext4_remove_space/fix-idle-on-refcount",
    }  # fmt: skip
    small = load_case(added)
    assert sum(map(len, small.program.tasks.values())) == 2
    assert small.schedule.steps
    # What is repaired otherwise, or is for another kernel, is something else.
    (cases / "other.dax").write_text(F01.replace('"pin-wait"', '"series-v1:2"'))
    assert "added as" in run("corpus", "add", target, cases / "other.dax").stdout
    assert len(list(target.iterdir())) == 2


def test_add_what_does_not_fail(tmp_path: Path) -> None:
    file = tmp_path / "clean.dax"
    file.write_text(CLEAN.replace('"none"', '"deadlock"'))
    result = run("corpus", "add", tmp_path / "corpus", file)
    assert result.exit_code == 1
    assert result.stdout == f"{file}: does not show deadlock\n"
    assert not (tmp_path / "corpus").exists()


def test_check_goes_on_after_a_case_that_is_wrong(cases: Path) -> None:
    (cases / "broken.dax").write_text("daxfuzz = 2")
    (cases / "wrong.dax").write_text(F01.replace("fix-idle-on-refcount", "fix-evict-waits"))
    (cases / "large.dax").unlink()
    result = run("corpus", "check", "--workers", "1", cases)
    assert result.exit_code == 2
    assert f"{cases / 'wrong.dax'}: still shows freed-while-referenced with fix-evict-waits" in result.stdout
    assert f"{cases / 'broken.dax'}:1: daxfuzz" in result.stdout


def test_stats() -> None:
    document = run_json("corpus", "stats", SEEDS)
    assert document["cases"] == len(list(SEEDS.glob("*.dax")))
    assert document["findings"] == {"none": document["cases"]}
    assert document["operations"]["truncate"] >= 2
    assert "mremap" in document["uncalled"]
    assert not set(document["uncalled"]) & set(document["operations"])
    assert f"{document['cases']} cases" in run("corpus", "stats", SEEDS).stdout


def test_convert_both_ways(cases: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "bytes", tmp_path / "back"
    assert run("corpus", "convert", cases, "-o", there).exit_code == 0
    assert sorted(path.name for path in there.iterdir()) == ["f01", "large"]
    made = run_json("corpus", "convert", "--protocol", "pin-wait", there, "-o", back)["written"]
    assert made == [str(back / "f01.dax"), str(back / "large.dax")]
    case = load_case(back / "f01.dax")
    assert case.finding == "freed-while-referenced"
    assert case.program == canonical(load_case(cases / "f01.dax").program)
    assert run("repro", back / "f01.dax").exit_code == 1
    assert bytes_of(case, KernelChoice(case.kernel)) == (there / "f01").read_bytes()


def test_convert_to_python() -> None:
    path = SEEDS / "refcount-0-v6.15-fixed-removal-of-frozen.dax"
    text = run("corpus", "convert", "--to", "python", path).stdout
    assert run_json("corpus", "convert", "--to", "python", path) == {"python": [text.rstrip("\n")]}
    trial = eval(text, {"case": case})
    assert trial.kernel.spec == load_case(path).kernel
    assert trial.schedule.switches
    assert trial.run() is None


def test_convert_errors(tmp_path: Path, cases: Path) -> None:
    assert "say where to write with -o" in run("corpus", "convert", cases).output
    assert run("corpus", "convert", tmp_path / "nothing", "-o", tmp_path).exit_code == 2


def test_any_bytes_are_a_case() -> None:
    rng = Random(5)
    kernel = KernelChoice(KernelSpec("pin-wait"))
    for _ in range(12):
        data = rng.randbytes(rng.randrange(120))
        case = case_of(data, kernel)
        again = bytes_of(case, kernel)
        assert decode(again)[0] == decode(data)[0]
        assert case_of(again, kernel) == case


def test_the_seeds_are_there_in_both_forms() -> None:
    for path in SEEDS.glob("*.dax"):
        case = load_case(path)
        assert (SEEDS / "bytes" / path.stem).read_bytes() == bytes_of(case, KernelChoice(case.kernel)), path


def test_merge_keeps_every_feature(tmp_path: Path) -> None:
    rng = Random(1)
    big = tmp_path / "big"
    big.mkdir()
    for number in range(16):
        (big / f"{number}").write_bytes(rng.randbytes(rng.randrange(150)))
    small = tmp_path / "small"
    document = run_json("corpus", "merge", "--workers", "1", small, big)
    kernel = KernelChoice(KernelSpec("pin-wait-fixed"))
    every = together(shown(sorted(big.iterdir()), kernel, ()))
    kept = sorted(small.iterdir())
    assert document == {"inputs": 16, "kept": len(kept), "features": len(every), "lost": 0}
    assert 0 < len(kept) < 16
    found = shown(kept, kernel, ())
    assert together(found) == every
    # None can be left out of those that come after it in the order of sizes.
    assert smallest(found) == sorted(found, key=lambda each: (each.size, str(each.path)))


def test_merge_takes_the_smallest() -> None:
    large = Shown(Path("a"), 9, frozenset({1, 2, 3}))
    parts = [Shown(Path("b"), 2, frozenset({1, 2})), Shown(Path("c"), 3, frozenset({2, 3}))]
    assert smallest([large, *parts]) == parts
    assert smallest([large, parts[0]]) == [parts[0], large]


def test_merge_of_two_files_of_one_name(tmp_path: Path) -> None:
    for name, data in (("one", b"1"), ("other", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "input").write_bytes(data)
    paths = [tmp_path / name / "input" for name in ("one", "one", "other")]
    with pytest.raises(InputError, match=r"other/input: .*into has another file of that name"):
        copy(paths, tmp_path / "into")
    assert [path.read_bytes() for path in (tmp_path / "into").iterdir()] == [b"1"]
