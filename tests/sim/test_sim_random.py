"""Random programs over all primitives: both hosts agree, a reset world is a fresh one, no invariant is broken."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from sim_kit import Checked, RandomProgram, RandomWalk, RoundRobin, lines, on_both, run

from daxfuzz.sim import Stepper, TrioHost, UndeclaredAccess, check_accesses


def test_hosts_agree_on_random_programs():
    violations: Counter[str] = Counter()
    verbs: set[str] = set()
    stuck = ended = exhausted = 0
    for seed in range(1200):
        rng = random.Random(seed)
        program = RandomProgram(seed)
        script = [rng.randrange(len(program.world.tasks)) for _ in range(rng.choice([0, 0, 5, 40]))]
        limit = rng.choice([1, 7, 200, 200])
        suffix = rng.choice([None, RoundRobin(), RandomWalk(3, script)])
        done = on_both(program.world, lambda: RandomWalk(seed, script), limit=limit, suffix=suffix)  # noqa: B023
        verbs |= {step.point.verb for step in done.steps()}
        violations[done.violation.kind if done.violation else ""] += 1
        stuck += bool(done.stuck)
        exhausted += done.exhausted
        ended += not (done.violation or done.stuck or done.exhausted)
    # The workload reaches what it is there for.
    assert violations["self-deadlock"] > 20
    assert violations["refcount-underflow"] > 10
    assert min(stuck, ended, exhausted) > 100
    assert verbs >= {
        *("read", "write", "set", "add", "update", "lock", "unlock", "wait", "schedule", "prepare_to_wait"),
        *("finish_wait", "active", "wake", "wait_for_completion", "tryget_live", "get", "put", "kill", "read_lock"),
        *("read_unlock", "synchronize", "grace_period", "local_irq_save", "local_irq_restore", "send_ipi", "wait_ipi"),
    }


def test_invariants_hold_at_every_step_of_random_programs():
    checks = 0
    for seed in range(500):
        program = RandomProgram(seed)
        for walk in range(4):
            scheduler = Checked(RandomWalk(walk))
            Stepper(program.world).run(scheduler, limit=300)
            checks += scheduler.checks
    assert checks > 20_000


def test_invariants_hold_under_trio():
    for seed in range(100):
        scheduler = Checked(RandomWalk(seed))
        TrioHost(RandomProgram(seed).world).run(scheduler, limit=300)
        assert scheduler.checks


def test_a_reset_world_behaves_like_a_fresh_one():
    for seed in range(300):
        used = RandomProgram(seed)
        sealed = used.world.shared_state()
        for walk in range(4):
            again = Stepper(used.world).run(RandomWalk(walk), limit=100)
            state = used.world.shared_state()
            fresh = RandomProgram(seed)
            first = Stepper(fresh.world).run(RandomWalk(walk), limit=100)
            assert lines(again) == lines(first)
            assert again.digest() == first.digest()
            assert state == fresh.world.shared_state()
        used.world.reset()
        fresh.world.reset()
        assert used.world.shared_state() == fresh.world.shared_state() == sealed
        used.world.close()
        fresh.world.close()


def test_restore_of_any_rest_state_gives_it_back():
    """Where nobody holds or waits for anything, state() and restore() are inverse."""
    tried = 0
    for seed in range(200):
        source, target = RandomProgram(seed), RandomProgram(seed)
        done = Stepper(source.world).run(RandomWalk(seed))
        target.world.reset()
        try:
            for obj, state in zip(target.world.objects, source.world.shared_state(), strict=True):
                obj.restore(state)
        except AssertionError:
            assert done.stuck or done.violation
            continue
        finally:
            target.world.close()
        tried += 1
        assert target.world.shared_state() == source.world.shared_state()
    assert tried > 50


@pytest.mark.parametrize("host", [Stepper, TrioHost])
def test_random_programs_pass_in_the_checking_mode(host):
    for seed in range(300 if host is Stepper else 60):
        program = RandomProgram(seed)
        plain = Stepper(program.world).run(RandomWalk(seed), limit=300)
        check_accesses(program.world)
        checked = host(program.world).run(RandomWalk(seed), limit=300)
        assert checked.digest() == plain.digest()


def test_the_checking_mode_is_on_in_that_test():
    program = RandomProgram(0)
    check_accesses(program.world)
    program.world.reset()
    program.world.close()
    with pytest.raises(UndeclaredAccess):
        _ = program.cells[0].value


def test_digest_tells_schedules_apart():
    program = RandomProgram(5)
    digests = {
        run(program.world, RandomWalk(seed)).digest(): lines(run(program.world, RandomWalk(seed))) for seed in range(40)
    }
    assert len(digests) == len({tuple(trace) for trace in digests.values()}) > 10
