from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab.contracts.errors import BoundError
from trimtab_traffic.conflict_queue import IDLE, ConflictQueue, TokenBucket, replay
from trimtab_traffic.junction_dp import exhaustive_service, solve, with_fitting_caps


def queue_of(arrivals, *, lost=1, min_run=1, headway=1.5, lanes=None, cap=20):
    rows = np.array(arrivals, dtype=np.int64)
    n = len(rows)
    lost_s = tuple(tuple(0 if i == j else lost for j in range(n)) for i in range(n))
    buckets = tuple(TokenBucket.of(k, headway) for k in lanes or (1,) * n)
    return ConflictQueue(rows, buckets, lost_s, min_run, (cap,) * n)


def brute_force(model):
    """Least cost over every sequence of decisions, by plain recursion."""
    groups = range(len(model.buckets))

    @cache
    def best(slot, group, age, tokens, wait, queues):
        if slot == model.slots:
            return 0
        costs = [after_slot(slot, group, age, tokens, wait, queues)]
        if wait == 0 and age >= model.min_run_s:
            costs += [
                after_slot(slot, h, 0, model.buckets[h].depth, model.lost_s[group][h], queues)
                for h in groups
                if h != group
            ]
        return min(costs)

    def after_slot(slot, group, age, tokens, wait, queues):
        queues = [q + int(model.arrivals[g, slot]) for g, q in enumerate(queues)]
        if wait > 0:
            wait -= 1
        else:
            bucket = model.buckets[group]
            served = min(queues[group], tokens // bucket.per_vehicle, bucket.lanes)
            queues[group] -= served
            tokens = min(bucket.depth, tokens - served * bucket.per_vehicle + bucket.refill)
            age = min(age + 1, model.min_run_s)
        queues = tuple(min(q, c) for q, c in zip(queues, model.caps, strict=True))
        return sum(queues) + best(slot + 1, group, age, tokens, wait, queues)

    start = (0,) * len(model.buckets)
    return min(best(0, g, model.min_run_s, model.buckets[g].depth, 0, start) for g in groups)


models = st.integers(1, 3).flatmap(
    lambda n: st.builds(
        queue_of,
        st.lists(st.lists(st.integers(0, 2), min_size=9, max_size=9), min_size=n, max_size=n),
        lost=st.integers(0, 3),
        min_run=st.integers(1, 4),
        headway=st.sampled_from([1.0, 1.35, 1.5, 2.0]),
        lanes=st.tuples(*[st.integers(1, 2)] * n),
        cap=st.sampled_from([3, 20]),
    )
)


@settings(max_examples=60, deadline=None)
@given(models)
def test_optimum_equals_brute_force(model):
    assert solve(model).cost_veh_s == brute_force(model)


@settings(max_examples=60, deadline=None)
@given(models)
def test_schedule_replays_to_the_cost_of_the_optimum(model):
    optimum = solve(model)
    assert replay(model, optimum.schedule) == optimum.cost_veh_s


@settings(max_examples=40, deadline=None)
@given(models)
def test_exhaustive_service_is_never_better_than_the_optimum(model):
    assert exhaustive_service(model)[0] >= solve(model).cost_veh_s


@settings(max_examples=40, deadline=None)
@given(models, st.integers(0, 3))
def test_lower_caps_never_raise_the_optimum(model, cut):
    caps = tuple(max(0, cap - cut) for cap in model.caps)
    lower = ConflictQueue(model.arrivals, model.buckets, model.lost_s, model.min_run_s, caps)
    assert solve(lower).cost_veh_s <= solve(model).cost_veh_s


@pytest.mark.parametrize("lanes", [1, 2, 3, 4])
@pytest.mark.parametrize("headway_s", [1.0, 1.2, 1.35, 1.5, 1.9, 2.0])
def test_bucket_admits_every_stream_with_the_headway_and_little_more(lanes, headway_s):
    bucket = TokenBucket.of(lanes, headway_s)
    crossings = np.floor(np.arange(200) * headway_s + 1e-9).astype(int)
    waiting, served, tokens = 0, 0, bucket.depth
    for slot in range(450):
        waiting += lanes * int((crossings == slot).sum())
        assert waiting <= bucket.most(tokens)
        served += waiting
        tokens, waiting = bucket.refilled(tokens, waiting), 0
    assert served == 200 * lanes
    assert bucket.refill / bucket.per_vehicle <= 1.35 * lanes / headway_s


def test_vehicles_that_never_meet_wait_not_at_all():
    model = queue_of([[1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0]], lost=2)
    assert solve(model).cost_veh_s == 0


def test_schedule_that_changes_too_fast_is_refused():
    model = queue_of([[1, 0, 0], [0, 1, 0]], lost=1)
    with pytest.raises(BoundError, match="needs 1 and 1 s"):
        replay(model, (0, 1, 1))


def test_schedule_that_cuts_a_run_short_is_refused():
    model = queue_of([[1] * 6, [1] * 6], lost=1, min_run=3)
    with pytest.raises(BoundError, match="after moving 2 s"):
        replay(model, (0, IDLE, 1, 1, IDLE, 0))


def test_schedule_of_another_length_is_refused():
    with pytest.raises(BoundError, match="has 2 slots, the junction 3"):
        replay(queue_of([[1, 0, 0]]), (0, 0))


def test_caps_stay_above_the_queues_that_exhaustive_service_needs():
    rng = np.random.default_rng(3)
    model = with_fitting_caps(queue_of(rng.poisson(0.15, (3, 600)), min_run=5, cap=0))
    _, longest = exhaustive_service(model)
    assert all(cap >= q for cap, q in zip(model.caps, longest, strict=True))
    assert solve(model).cost_veh_s > 0
