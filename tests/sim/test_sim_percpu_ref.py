"""percpu_ref: live, dying, drained, underflow."""

from __future__ import annotations

import pytest
from sim_kit import Order, on_both, run

from daxfuzz.sim import Completion, PercpuRef, World


def setting(*actors, count=1):
    world = World()
    releases = []
    ref = PercpuRef(world, "ref", lambda: releases.append(ref.count), count)
    for i, actor in enumerate(actors):
        world.spawn("abc"[i], lambda actor=actor: actor(ref))
    return world.seal(), ref, releases


async def take(ref):
    if await ref.tryget_live():
        await ref.put()


async def kill(ref):
    await ref.kill()


def test_a_live_reference_can_be_taken_and_drains_at_the_last_put():
    world, ref, releases = setting(take, kill)
    run(world, Order("a b a"))
    assert releases == [0]
    assert (ref.count, ref.dying) == (0, True)


def test_a_dying_reference_cannot_be_taken():
    world, ref, releases = setting(take, kill, count=3)
    done = run(world, Order("b a"))
    assert [step.value for step in done.steps()] == [None, False]
    assert (ref.count, ref.dying, releases) == (2, True, [])


def test_zero_without_kill_is_not_drained():
    async def put(ref):
        await ref.put()

    world, ref, releases = setting(put)
    run(world, Order())
    assert (ref.count, ref.dying, releases) == (0, False, [])


def test_counts_of_several_references():
    async def many(ref):
        assert await ref.tryget_live(4)
        await ref.get(2)
        await ref.put(6)
        await ref.kill()

    world, _, releases = setting(many)
    run(world, Order())
    assert releases == [0]


@pytest.mark.parametrize("last", ["put", "kill"])
def test_underflow(last):
    async def body(ref):
        await ref.put()
        await getattr(ref, last)()

    world, _, releases = setting(body)
    done = on_both(world, Order)
    assert done.violation is not None
    assert done.violation.kind == "refcount-underflow"
    assert releases == []


def test_state_and_reset():
    world, ref, _ = setting(take, kill, count=2)
    run(world, Order("b"), limit=1)
    assert ref.state() == (1, True)
    world.reset()
    assert ref.state() == (2, False)
    world.close()


def test_release_completes_in_the_step_of_the_draining_put():
    world = World()
    done = Completion(world, "done")
    ref = PercpuRef(world, "ref", done.complete)

    async def unbind():
        await ref.kill()
        await done.wait()

    world.spawn("a", lambda: take(ref))
    world.spawn("u", unbind)
    world.seal()
    with pytest.raises(AssertionError, match="u cannot run"):
        run(world, Order("a u u u"))
    assert on_both(world, lambda: Order("a u u a u u")).stuck == ()
