import numpy as np
import pandapower as pp
import pytest
from pandapower import networks
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.network_settings import NetworkSettings
from trimtab_grid.plant_network import PlantNetwork, PlantPowers
from trimtab_grid.scenario import GridScenario


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "village.json"
    path.write_text(pp.to_json(networks.create_cigre_network_lv()), encoding="utf-8")
    settings = NetworkSettings(file=path, wind="Bus R11", v_min_pu=0.97)
    return GridScenario(plant="plant-b", step_min=60, horizon_h=24, network=settings)


def finished(scenario, seeds):
    with DOMAIN.build(scenario, len(seeds), "default") as problem:
        trace = play(problem, seeds)
        logs = [problem.episode_log(row) for row in range(len(seeds))]
    return trace.moments[-1].step.metrics, logs


def test_metrics_are_the_extremes_and_sums_of_every_step_of_the_log(scenario):
    metrics, logs = finished(scenario, (1, 2))
    placed = PlantNetwork(scenario.network, scenario.resolved_plant())
    for row, log in enumerate(logs):
        state = placed.state(
            PlantPowers(
                log["load_kw"] - log["shed_kw"] - log["deficit_kw"],
                log["power_kw"],
                log["battery_kw"],
                log["wind_used_kw"],
                log["pv_used_kw"],
            )
        )
        assert metrics["v_min_pu"][row] == state.v_min_pu.min()
        assert metrics["v_max_pu"][row] == state.v_max_pu.max()
        worst = max(state.line_percent.max(), state.trafo_percent.max())
        assert metrics["loading_max_pct"][row] == worst
        assert metrics["losses_kwh"][row] == pytest.approx(state.losses_kw.sum(), rel=1e-12)
        out = ~(state.voltage_kept & state.loading_kept)
        assert metrics["network_out_min"][row] == 60.0 * out.sum()
    assert metrics["network_out_min"].max() > 0.0


def test_a_copy_meets_the_same_flow_alone_and_beside_others(scenario):
    many, _ = finished(scenario, (1, 2, 3))
    alone, _ = finished(scenario, (2,))
    for name in ("v_min_pu", "v_max_pu", "loading_max_pct", "losses_kwh"):
        assert many[name][1] == alone[name][0]


def test_without_a_network_its_metrics_say_nothing_happened(scenario):
    metrics, _ = finished(scenario.model_copy(update={"network": None}), (1,))
    names = ("v_min_pu", "v_max_pu", "loading_max_pct", "losses_kwh", "network_out_min")
    assert np.concatenate([metrics[name] for name in names]).tolist() == [1, 1, 0, 0, 0]
