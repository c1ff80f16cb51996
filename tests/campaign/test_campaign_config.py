"""campaign.toml: what is written is read, and what is wrong is said with its line and key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from daxfuzz.campaign.config import Canary, Config, Way, dumps_config, load_config, loads_config
from daxfuzz.program.errors import InputError


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(protocols=("series-v1:2",), filesystems=("ext4", "xfs"), weights={"ext4": 2.5}, canary=None),
        Config(seconds=5.0, executions=7, slice_seconds=0.5, canary=Canary("lock-page-null-mapping", 9.0, 100)),
    ],
)
def test_what_is_written_is_read(config: Config) -> None:
    assert loads_config(dumps_config(config)) == config


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["c.toml:1", "daxfuzz", "missing"]),
        ("daxfuzz = 2", ["c.toml:1", "daxfuzz", "from 1 to 1"]),
        ('daxfuzz = 1\nprotocols = ["pin-wiat"]', ["c.toml:2", "protocols[0]", "did you mean pin-wait"]),
        ('daxfuzz = 1\nfilesystems = ["ext3"]', ["c.toml:2", "filesystems[0]", '"ext4"']),
        ("daxfuzz = 1\nprotocols = []", ["c.toml:2", "protocols", "at least one"]),
        ('daxfuzz = 1\nprotcols = ["pin-wait"]', ["c.toml:2", "protcols", 'did you mean "protocols"']),
        ("daxfuzz = 1\n[weights]\npct-9 = 1.0", ["c.toml:3", 'weights."pct-9"', "pct-3"]),
        ("daxfuzz = 1\n[weights]\npct-3 = 0", ["c.toml:3", "0.01 to 100"]),
        ("daxfuzz = 1\n[budget]\nslice = true", ["c.toml:3", "budget.slice", "a boolean"]),
        ('daxfuzz = 1\n[canary]\nbug = "no"', ["c.toml:3", "canary.bug", "one of"]),
        ('daxfuzz = 1\nprotocols = ["pin-wait"]\nbugs = ["devdax-no-such"]', ["c.toml:3", "bugs[0]"]),
        ('daxfuzz = 1\npatches = ["no-such-patch"]', ["c.toml:2", "patches", "unknown patch"]),
        ("daxfuzz = [", ["c.toml:1", "not TOML"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        loads_config(text, "c.toml")
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(InputError, match=r"campaign.toml: cannot be read: No such file"):
        load_config(tmp_path / "campaign.toml")


def test_every_kernel_has_a_name_of_its_own() -> None:
    config = replace(Config(), protocols=("pin-wait", "series-v1:3", "series-v1:4"), filesystems=("ext4", "xfs"))
    names = list(config.kernels())
    assert len(names) == 6
    assert names[0] == "pin-wait.ext4"
    assert all("/" not in name and ":" not in name for name in names)


def test_weights_multiply() -> None:
    config = replace(Config(), weights={"pin-wait": 2.0, "ext4": 3.0, "pct-3": 5.0})
    spec = config.kernels()["pin-wait.ext4"].spec
    assert config.weight(spec) == 6.0
    assert config.weight(way=Way("portfolio", "pct-3")) == 5.0
