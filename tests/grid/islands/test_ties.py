import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trimtab_grid.islands.kernel import EXPORT, IMPORT, Flows, Lines, settle
from trimtab_grid.islands.ties import TiePlan, ties_of

ENDS = np.array([[0, 1], [1, 2], [2, 0]])
SLOTS = np.array([[0, 0], [1, 0], [1, 1]])
CAPACITY = np.array([80.0, 50.0, 30.0])
ARRIVING = np.array([0.96, 0.9, 1.0])


def settled(wish, rooms, there=(True, True, True)):
    agreed, flow, net = np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((3, 1))
    flows = Flows(
        np.array([there]),
        np.asarray(wish, float).reshape(1, 3, 2),
        np.asarray(rooms, float).reshape(3, 1, 2),
        agreed,
        flow,
        net,
    )
    settle(Lines(ENDS, SLOTS, CAPACITY, ARRIVING), flows)
    return agreed[0], flow[0], net[:, 0]


def twin(wish, rooms, there):
    """The same settlement, written to be read."""
    wish, rooms = np.asarray(wish, float).reshape(3, 2), np.asarray(rooms, float).reshape(3, 2)
    agreed = []
    for k, (a, b) in enumerate(ENDS):
        one, other = wish[a, SLOTS[k, 0]], wish[b, SLOTS[k, 1]]
        sent = min(one, -other / ARRIVING[k], CAPACITY[k]) if one > 0 > other else 0.0
        back = min(other, -one / ARRIVING[k], CAPACITY[k]) if other > 0 > one else 0.0
        agreed.append(sent - back)
    out, into = [0.0] * 3, [0.0] * 3
    for k, (a, b) in enumerate(ENDS):
        if there[k]:
            sender, taker = (a, b) if agreed[k] > 0 else (b, a)
            out[sender] += abs(agreed[k])
            into[taker] += abs(agreed[k]) * ARRIVING[k]
    flow, net = [0.0] * 3, [0.0] * 3
    for k, (a, b) in enumerate(ENDS):
        if there[k] and agreed[k]:
            sender, taker = (a, b) if agreed[k] > 0 else (b, a)
            given = (
                1.0 if out[sender] <= rooms[sender, EXPORT] else rooms[sender, EXPORT] / out[sender]
            )
            taken = (
                1.0 if into[taker] <= rooms[taker, IMPORT] else rooms[taker, IMPORT] / into[taker]
            )
            flow[k] = agreed[k] * min(given, taken)
            net[sender] -= abs(flow[k])
            net[taker] += abs(flow[k]) * ARRIVING[k]
    return np.array(agreed), np.array(flow), np.array(net)


wishes = st.lists(st.floats(-120, 120), min_size=6, max_size=6)
spaces = st.lists(st.floats(0, 100), min_size=6, max_size=6)
service = st.tuples(st.booleans(), st.booleans(), st.booleans())


@given(wishes, spaces, service)
@settings(max_examples=300, deadline=None)
def test_settlement_is_bit_for_bit_that_of_its_readable_twin(wish, rooms, there):
    for mine, other in zip(settled(wish, rooms, there), twin(wish, rooms, there), strict=True):
        assert np.array_equal(mine, other)


@given(wishes, spaces, service)
@settings(max_examples=300, deadline=None)
def test_flows_stay_within_agreement_capacity_service_and_both_rooms(wish, rooms, there):
    agreed, flow, _ = settled(wish, rooms, there)
    assert (np.abs(flow) <= np.abs(agreed) + 1e-12).all()
    assert (flow * agreed >= 0.0).all()
    assert (np.abs(agreed) <= CAPACITY).all()
    assert (flow[~np.array(there)] == 0.0).all()
    limits = np.asarray(rooms).reshape(3, 2)
    for i in range(3):
        ways = [(flow[k], k) for k in range(3) if ENDS[k, 0] == i]
        ways += [(-flow[k], k) for k in range(3) if ENDS[k, 1] == i]
        assert sum(max(f, 0.0) for f, _ in ways) <= limits[i, EXPORT] + 1e-9
        assert sum(max(-f, 0.0) * ARRIVING[k] for f, k in ways) <= limits[i, IMPORT] + 1e-9


@given(wishes, spaces, service)
@settings(max_examples=200, deadline=None)
def test_what_islands_receive_less_what_they_send_is_minus_the_losses(wish, rooms, there):
    _, flow, net = settled(wish, rooms, there)
    lost = (np.abs(flow) * (1.0 - ARRIVING)).sum()
    assert net.sum() == pytest.approx(-lost, abs=1e-9)


def test_nothing_flows_unless_both_ends_wish_it():
    plenty = [[100, 100]] * 3
    assert not settled([[50, 0], [50, 0], [0, 0]], plenty)[1].any()
    assert not settled([[50, 0], [0, 0], [0, 0]], plenty)[1].any()
    _, flow, net = settled([[50, 0], [-24, 0], [0, 0]], plenty)
    assert flow[0] == pytest.approx(25.0)
    assert net == pytest.approx([-25.0, 24.0, 0.0])


def test_injected_trips_take_a_tie_out_for_every_seed_at_the_same_time(cluster):
    scenario = cluster(tie_faults=[{"tie": "east-tie", "at_min": 30, "for_min": 45}])
    plan = TiePlan(scenario, 3)
    plan.draw(np.arange(3), np.arange(3), np.zeros(3, int))
    assert plan.there[:, :, 0].all()
    assert (~plan.there[:, :, 1]).sum(axis=1).tolist() == [3, 3, 3]
    assert not plan.there[:, 3:6, 1].any()


def test_random_outages_depend_on_the_seed_alone(cluster):
    ties = [
        {"name": "t", "between": ["harbour", "bay"], "capacity_kw": 9, "outages_per_year": 2000}
    ]
    scenario = cluster(ties=ties, horizon_h=48)
    one, other = TiePlan(scenario, 1), TiePlan(scenario, 2)
    one.draw(np.array([0]), np.array([5]), np.array([0]))
    other.draw(np.arange(2), np.array([4, 5]), np.zeros(2, int))
    assert np.array_equal(one.there[0], other.there[1])
    assert not np.array_equal(other.there[0], other.there[1])


def test_every_end_of_a_tie_has_a_slot_of_its_own(cluster):
    ties = ties_of(cluster())
    assert ties.slots.tolist() == [[0, 0], [1, 0]]
    assert ties.of_island(1) == ((0, 1), (1, 0))
    assert ties.import_limit_kw(1) == pytest.approx(0.96 * 180.0)
