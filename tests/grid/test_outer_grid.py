import numpy as np
import pytest
from trimtab.testing.subject import play
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario

TARIFF = {"import_kw": 250, "export_kw": 100, "import_price": 0.28, "import_price_peak": 0.42}


def _month(**outer):
    return GridScenario(
        plant="plant-b",
        step_min=60,
        horizon_h=240,
        data={"climate": {"drop_per_min": None}},
        outer_grid={**TARIFF, **outer},
    )


def _log(scenario, seed=3):
    with DOMAIN.build(scenario, 1, "order") as problem:
        metrics = play(problem, (seed,)).moments[-1].step.metrics
        broken = DOMAIN.monitor(scenario).check(problem.episode_log(0))
        assert not {n: v.count for n, v in broken.items() if v.count and n != "mean_power"}
        return problem.episode_log(0), {k: float(v[0]) for k, v in metrics.items()}


def test_exchange_keeps_its_limits_and_power_balances():
    scenario = _month()
    log, _ = _log(scenario)
    assert log["exchange_kw"].min() >= -100.0 - 1e-9
    assert 0.0 < log["exchange_kw"].max() <= 250.0 + 1e-9
    assert DOMAIN.balances(scenario, log)["power"] < 1e-12


def test_nothing_is_exchanged_while_the_grid_is_down_and_no_load_is_lost():
    log, metrics = _log(_month(outages_per_year=400, outage_h=8))
    idle = log["exchange_kw"] == 0.0
    assert idle.sum() > 24
    assert metrics["unserved_kwh"] == 0.0


def test_the_exchange_is_paid_in_litres_at_the_tariff_of_the_hour():
    log, metrics = _log(_month(import_price_peak=None, export_price=0.06))
    bought = np.maximum(log["exchange_kw"], 0.0).sum() * 0.28 / 1.5
    sold = np.maximum(-log["exchange_kw"], 0.0).sum() * 0.06 / 1.5
    assert metrics["exchange_l"] == pytest.approx(bought - sold)


def test_a_dearer_grid_is_used_less():
    cheap, dear = (
        _log(_month(import_price=price, import_price_peak=None))[0] for price in (0.1, 2.0)
    )
    assert dear["exchange_kw"].clip(0).sum() < cheap["exchange_kw"].clip(0).sum()


def test_limit_and_price_are_observed_and_survive_a_snapshot():
    with DOMAIN.build(_month(outages_per_year=400), 1, "order") as problem:
        first = problem.reset(np.array([1]))
        kept = problem.snapshot(np.array([0]))
        columns = problem.resource("model").columns
        play(problem, (2,), 5)
        problem.restore(kept, np.array([0]))
        assert columns[-2:] == ("import_limit", "import_price")
        assert first.obs[0, 0, -2] in (0.0, 1.0)
        assert np.array_equal(problem.snapshot(np.array([0]))["outer_grid"], kept["outer_grid"])


@pytest.mark.parametrize("name", ["dp_perfect", "dp_perfect_unshielded"])
def test_perfect_foresight_meets_the_bound_where_no_shield_keeps_units_ready(name):
    scenario = _month(outages_per_year=400).model_copy(update={"horizon_h": 72.0})
    entry, seeds = DOMAIN.controllers(scenario)[name], np.array([3])
    with DOMAIN.build(scenario, 1, entry.interface) as problem:
        controller, obs = entry.factory(problem), problem.reset(seeds)
        controller.reset(seeds)
        for _ in range(scenario.horizon):
            step = problem.step(controller.act(obs))
            obs = step.obs
        assert problem.resource("future").shape == (1, 72, 7)
    over = float(step.metrics["cost_l"][0]) / DOMAIN.bound(scenario, 3).value - 1.0
    assert over > -1e-9
    assert (over < 1e-3) == (not entry.shielded)
