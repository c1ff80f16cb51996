from __future__ import annotations

from conform_kit import WAITING, sequence_of

from daxfuzz.conform import model
from daxfuzz.conform.outcome import Outcome, differences
from daxfuzz.conform.profiles import PROFILES


def outcome(text: str, version: str = "6.1", filesystem: str = "ext4") -> Outcome:
    return model.run(sequence_of(text), PROFILES[version].composed().subsystems, filesystem)


def test_each_step_says_who_is_done_and_who_waits_and_the_counts_of_pages() -> None:
    assert outcome(WAITING) == (
        {"refs file0": "1 1"},
        {"pinner": "ok", "refs file0": "1 2"},
        {"truncator": "blocked S", "refs file0": "1 2"},
        {"pinner": "0", "truncator": "ok", "refs file0": "- -"},
    )


def test_mappings_count_where_the_profile_says_so() -> None:
    assert [facts["refs file0"] for facts in outcome(WAITING, "7.3")[:2]] == ["1 1", "1 2"]
    unmapped = WAITING.replace('"vmsplice(file0, 1)"', '"munmap(file0)"')
    assert outcome(unmapped, "7.3")[1]["refs file0"] == "0 0"
    assert outcome(unmapped, "6.1")[1]["refs file0"] == "1 1"


def test_who_is_killed_ends_and_who_waits_for_a_lock_cannot_be() -> None:
    killed = WAITING.replace(
        '["truncate(file0, 0)"]', '["truncate(file0, 0)"]\nkiller = ["signal(truncator, SIGKILL)"]'
    )
    assert outcome(killed.replace('truncator pinner"', 'truncator killer"'))[-1]["truncator"] == "ended"
    two = killed.replace("killer =", 'second = ["write(file0, 0)"]\nkiller =').replace("(truncator,", "(second,")
    last = outcome(two.replace('truncator pinner"', 'truncator second killer"'))[-1]
    assert last["second"] == "blocked D"


def test_a_warning_is_named_by_its_function_once() -> None:
    text = WAITING.replace('"pipe_read()"', '"munmap(file0)", "pipe_read()"').replace(
        "pinner truncator", "pinner*2 truncator"
    )
    warned = [facts.get("warnings") for facts in outcome(text)]
    assert warned == [None, None, None, "dax_disassociate_entry", None]


def test_differences_name_the_step_and_both_sides_and_spare_what_is_not_known() -> None:
    ours: Outcome = ({"refs file0": "1 -"}, {"a": "ok"})
    theirs: Outcome = ({"refs file0": "1 7"}, {"a": "EINTR", "b": "blocked S"})
    assert differences(ours, theirs) == [
        "step 1: a: model ok, kernel EINTR",
        "step 1: b: model nothing, kernel blocked S",
    ]
    assert differences(ours, ({"refs file0": "2 7"}, {"a": "ok"})) == ["step 0: refs file0: model 1 -, kernel 2 7"]
    assert differences(ours, theirs[:1])
