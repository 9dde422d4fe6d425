import json
from dataclasses import replace
from pathlib import Path

import pytest
from trimtab.contracts.errors import BoundError
from trimtab.run.runner import evaluate
from trimtab_traffic.bounds import bound, verify
from trimtab_traffic.controllers import entries
from trimtab_traffic.domain import DOMAIN
from trimtab_traffic.rawrun import prepare, simulate_plan
from trimtab_traffic.scenario import NetworkSource, RuleSettings, SignalsProblem

FLOWS = """<routes>
<flow id="we" from="WC" to="CE" begin="0" end="600" vehsPerHour="{rate}" departSpeed="max"/>
<flow id="sn" from="SC" to="CN" begin="0" end="600" vehsPerHour="{rate}" departSpeed="max"/>
</routes>"""


@pytest.fixture(scope="module")
def crossing(crossing_net, tmp_path_factory):
    """Maker of a scenario with the given flow on each street, veh/h."""
    folder = tmp_path_factory.mktemp("flows")

    def problem(rate: int, horizon_s: int = 600) -> SignalsProblem:
        routes = folder / f"{rate}.rou.xml"
        routes.write_text(FLOWS.format(rate=rate), encoding="utf-8")
        return SignalsProblem(
            network=NetworkSource(net=crossing_net, routes=(routes,)),
            rules=RuleSettings(profile="resco"),
            horizon_s=horizon_s,
        )

    return problem


@pytest.fixture(scope="module")
def saturated(crossing):
    """Scenario and bound of a junction with twice the traffic it can carry."""
    problem = crossing(1500)
    return problem, bound(problem, 1)


def with_junction(given, **changes):
    junction = {**given.certificate["junctions"][0], **changes}
    return replace(given, certificate={**given.certificate, "junctions": [junction]})


def test_floor_of_a_benchmark_network_is_the_published_one():
    problem = SignalsProblem(
        network=NetworkSource(wheel="cologne1"), rules=RuleSettings(profile="resco")
    )
    found = bound(problem, 1)
    assert found.kind == "floor"
    assert found.value == pytest.approx(2.4, rel=0.02)
    assert "conflict-free floor" in found.how


def test_quiet_junction_is_bounded_by_the_floor(crossing):
    problem = crossing(200)
    found = bound(problem, 1)
    assert found.kind == "floor"
    verify(problem, 1, found)


def test_saturated_junction_is_bounded_by_its_optimum_in_the_queue_model(saturated):
    _, found = saturated
    assert found.kind == "model"
    assert found.value > 2 * found.certificate["floor_s"]


def test_bound_does_not_exceed_the_simulated_delay(saturated, tmp_path: Path):
    problem, found = saturated
    case = prepare(problem, 1, tmp_path)
    assert found.value <= simulate_plan(case, {}, 1)


def test_certificate_is_plain_data_that_verifies(saturated):
    problem, found = saturated
    copy = json.loads(json.dumps(found.certificate))
    assert copy == found.certificate
    verify(problem, 1, replace(found, certificate=copy))


def test_bound_of_another_seed_is_refused(saturated):
    problem, found = saturated
    with pytest.raises(BoundError, match="recompute the bound"):
        verify(problem, 2, found)


def test_value_that_the_schedules_do_not_reach_is_refused(saturated):
    problem, found = saturated
    with pytest.raises(BoundError, match="the bound is"):
        verify(problem, 1, replace(found, value=found.value + 1))


def test_schedule_that_does_not_cost_what_it_says_is_refused(saturated):
    problem, found = saturated
    slots = sum(length for _, length in found.certificate["junctions"][0]["schedule"])
    with pytest.raises(BoundError, match="the cost of signal 'C'"):
        verify(problem, 1, with_junction(found, schedule=[[0, slots]]))


def test_groups_that_may_move_together_are_refused(saturated):
    problem, found = saturated
    same = [found.certificate["junctions"][0]["groups"][0]] * 2
    with pytest.raises(BoundError, match="may move together"):
        verify(problem, 1, with_junction(found, groups=same))


@pytest.fixture(scope="module")
def busy(crossing):
    """Scenario and bound of a junction near its capacity."""
    problem = crossing(900, 300)
    return problem, bound(problem, 1)


CLASSICAL = (
    *("fixed", "actuated", "delay_based", "webster", "nema", "sotl", "longest_queue"),
    *("max_pressure", "mp_move", "mp_split", "mph_split", "greedy", "mp_naive", "wave_50"),
    *("scoot", "mpc"),
)


@pytest.mark.parametrize("name", CLASSICAL)
def test_no_controller_beats_the_bound_of_its_seed(busy, name, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    problem, found = busy
    entry = entries(problem)[name]
    with DOMAIN.build(problem, interface=entry.interface) as control:
        record = evaluate(control, entry.factory(control, **entry.defaults), [1], name=name)
    assert found.value <= record[0].metrics["true_delay_s"]
