"""What the model says of its functions."""

from __future__ import annotations

import pytest

from daxfuzz.kernel.kernel import SUBSYSTEMS
from daxfuzz.protocols.catalogue import deviations, model_functions, source


def documented(text: str) -> object:
    def function() -> None: ...

    function.__doc__ = text
    return function


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DAX entries (fs/dax.c, v6.0).", ("fs/dax.c", "v6.0")),
        ("Faults (fs/dax.c, dax_iomap_pte_fault and below, v6.0).", ("fs/dax.c", "v6.0")),
        ("Maps (mm/memremap.c, include/linux/mm.h, v6.1-rc7).", ("mm/memremap.c", "v6.1-rc7")),
        ("(Nothing) of this (include/linux/fs.h).", ("include/linux/fs.h", "")),
        ("Since v6.15 the scan (which is short) waits.", ("", "")),
        ("", ("", "")),
    ],
)
def test_source(text: str, found: tuple[str, str]) -> None:
    assert source(documented(text)) == found


def test_the_nearest_docstring_that_names_a_file_counts() -> None:
    near, far = documented("Drop it (include/linux/mm.h, v5.18)."), documented("All (mm/gup.c, v6.0).")
    assert source(documented("Nothing."), near, far) == ("include/linux/mm.h", "v5.18")


def test_deviations() -> None:
    text = """Free it.

    Known deviation: it frees
    at once. Callers wait.

    Known deviations: no journal; no quota
    """
    assert deviations(documented(text), documented("Known deviation: it frees at once.")) == (
        "it frees at once.",
        "no journal; no quota",
    )
    assert deviations(documented("A known deviation of sorts.")) == ()


def test_every_function_of_the_base_names_its_source() -> None:
    functions = list(model_functions())
    assert {each.subsystem for each in functions} == set(SUBSYSTEMS)
    for each in functions:
        assert each.file, each.name
        assert each.version.startswith("v"), each.name
        assert each.summary, each.name
    keys = [(each.subsystem, each.name) for each in functions]
    assert len(keys) == len(set(keys))


def test_functions_that_patches_add_name_the_patch() -> None:
    added = {each.name: each for each in model_functions() if each.patch is not None}
    waiters = added["wakeup_fsdax_pin_waiters"]
    assert waiters.patch is not None
    assert (waiters.patch.slug(), waiters.file, waiters.version) == ("use-page-maybe-dma-pinned", "mm/gup.c", "v6.0")


def test_what_a_module_deviates_in_holds_for_its_own_functions_only() -> None:
    of = {each.name: each.deviations for each in model_functions() if each.subsystem == "ext4"}
    assert any("unwritten extent" in deviation for deviation in of["ext4_mb_new_blocks"])
    assert of["do_truncate"] == ()
