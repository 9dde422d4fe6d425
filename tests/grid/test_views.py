import numpy as np
import pytest
from trimtab.contracts.records import EpisodeRecord
from trimtab.evidence.figures import render_svg
from trimtab.testing.subject import play
from trimtab_grid.details import episode_details
from trimtab_grid.domain import DOMAIN
from trimtab_grid.scenario import GridScenario
from trimtab_grid.views import figures

SCENARIO = GridScenario(plant="plant-b", step_min=60, horizon_h=48)


@pytest.fixture(scope="module")
def played():
    with DOMAIN.build(SCENARIO, 1, "default") as problem:
        play(problem, (5,))
        log = problem.episode_log(0)
        return log, problem.details(0), episode_details(log, problem.plant, problem.arrays)


def record(details, name="rule", seed=5):
    return EpisodeRecord(name, seed, {"cost_l": 100.0}, details=details)


def test_details_keep_the_balance_of_power_and_the_fuel_of_the_episode(played):
    log, stored, details = played
    given = sum(np.array(list(details[f"unit.G{k}"].values())) for k in (1, 2, 3))
    for name in ("battery_kw", "wind_used_kw", "pv_used_kw"):
        given = given + np.array(list(details[name].values()))
    taken = np.array(list(details["load_kw"].values())) - np.array(
        list(details["shed_kw"].values())
    )
    np.testing.assert_allclose(given, taken, atol=0.5)  # four digits are kept
    assert sum(details["fuel_l"].values()) == pytest.approx(log["fuel_l"].sum(), rel=1e-9)
    assert stored["unit_h"].keys() == {"G1", "G2", "G3"}
    assert set(details) <= set(stored)


def test_every_figure_is_drawn_and_says_in_words_what_it_shows(played):
    made = figures(SCENARIO, [record(played[2]), record(played[2], "other")])
    titles = [figure.title for figure in made]
    assert [title.partition(":")[0] for title in titles] == [
        "Cost per controller",
        "Power balance",
        "Power balance",
        "Fuel per unit",
        "State of charge",
        "Interventions of the shield so far",
        "One-line diagram of plant-b",
    ]
    for figure in made:
        assert render_svg(figure).startswith("<svg")
        assert any(character.isdigit() for character in figure.alt)


def test_a_long_episode_is_also_drawn_as_a_whole_and_figures_say_what_they_show(played):
    log, _, details = played
    longer = {name: np.concatenate([v, v]) for name, v in log.items() if np.ndim(v)}
    with DOMAIN.build(SCENARIO, 1, "default") as problem:
        long = episode_details({**log, **longer}, problem.plant, problem.arrays)
    assert np.mean(list(long["whole_load_kw"].values())) == pytest.approx(
        log["load_kw"].mean(), rel=1e-3
    )
    titles = [figure.title for figure in figures(SCENARIO, [record(long)])]
    assert "Power balance: rule, seed 5, first 72 h" in titles
    assert "Power over the whole episode: rule, seed 5" in titles
    assert "One-line diagram of plant-b, first 72 h" in titles
    assert not any("72 h" in f.title for f in figures(SCENARIO, [record(details)]))


def test_the_figure_of_charge_tells_what_an_lfp_cell_would_lose(played):
    charge = figures(SCENARIO, [record(played[2])])[3]
    lost = played[2]["lfp_loss_percent"]
    assert f"lose {lost['calendar']:.2g} % of its capacity by time" in charge.alt
    assert lost["cycling"] > 0.0


def test_the_stack_of_sources_reaches_the_load_plus_what_is_charged(played):
    balance = figures(SCENARIO, [record(played[2])])[1]
    load = balance.series[-1]
    above = [one for one in balance.series[:-1] if one.name not in {"battery in", "dumped"}]
    below = [one for one in balance.series[:-1] if one.name in {"battery in", "dumped"}]
    floor = np.array(below[-1].low) if below else np.zeros(len(load.y))
    np.testing.assert_allclose(np.array(above[-1].y) + floor, load.y, atol=1.0)


def test_both_balances_show_the_same_parts_so_that_their_colours_agree(played):
    details = dict(played[2])
    idle = dict.fromkeys(details["unit.G3"], 0.0)
    with_g3 = details | {"unit.G3": dict.fromkeys(idle, 5.0)}
    made = figures(SCENARIO, [record(with_g3), record(details | {"unit.G3": idle}, "other")])
    names = [[one.name for one in figure.series] for figure in made[1:3]]
    assert names[0] == names[1]
    assert "G3" in names[0]


def test_records_without_details_still_give_the_costs():
    made = figures(SCENARIO, [EpisodeRecord("rule", 1, {"cost_l": 5.0})])
    assert [figure.kind for figure in made] == ["bars"]
    assert figures(SCENARIO, []) == ()
