import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from trimtab.contracts.controller import Entry
from trimtab.contracts.errors import BoundError, RunFailedError
from trimtab.contracts.problem import Bound, Budget
from trimtab.contracts.records import DesignRecord, FrontPoint
from trimtab.contracts.scenario import scenario_model
from trimtab.evidence.result import Result
from trimtab.evidence.searches import Searches, compare_searches
from trimtab.testing.toys.beam import DOMAIN, BeamModel


def unused(problem: object) -> Any:
    raise AssertionError(problem)


def record(name: str, seed: int, mass: float, call: int = 5, **more: Any) -> DesignRecord:
    fields: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "design": {"width_m": mass / 100, "height_m": 0.1, "material": "aluminium"},
        "metrics": {"mass_kg": mass, "deflection_m": 0.015 / mass},
        "excess": {"deflection": -0.001},
        "improvements": ((1, 2 * mass), (call, mass)),
        "front": (
            FrontPoint({"width_m": mass / 100}, {"mass_kg": mass, "deflection_m": 0.015 / mass}),
        ),
        "budget": Budget(evaluations=20, cpu_s=0.5),
    }
    return DesignRecord(**{**fields, **more})


BAR = record("square_bar", 0, 12.0, given=True, improvements=((1, 12.0),), front=())


@pytest.fixture
def searches() -> Callable[..., Searches]:
    """Searches of beams: masses in kg by optimizer and seed, beside the square bar of 12 kg."""

    def make(masses: dict[str, list[float]], optimum: float | None = 3.0, **more: Any) -> Searches:
        count = max(len(row) for row in masses.values())
        found = [record(n, s, m) for n, row in masses.items() for s, m in enumerate(row, 1)]
        model = scenario_model("design", BeamModel)
        entries = {name: Entry("optimizer", unused, "test") for name in masses}
        true = ({"mass_kg": 3.0, "deflection_m": 0.005}, {"mass_kg": 8.0, "deflection_m": 0.001})
        fields: dict[str, Any] = {
            "domain": DOMAIN,
            "scenario": model(
                name="beam", domain="toy.beam", problem=BeamModel(), seeds=range(1, count + 1)
            ),
            "entries": {"square_bar": Entry("reference", unused, "today"), **entries},
            "records": [BAR, *found],
            "bound": None
            if optimum is None
            else Bound(optimum, "proven", "by hand", {"k": 1}, front=true),
            "evaluations": 20,
        }
        return Searches(**{**fields, **more})

    return make


Make = Callable[..., Searches]


def test_every_search_is_judged_against_todays_design_and_the_bound(searches: Make) -> None:
    result = compare_searches(searches({"a": [3.0, 4.0, 5.0], "b": [6.0, 6.0, 7.5]}))
    assert result.kind == "design"
    assert [(row.name, row.role) for row in result.rows] == [
        ("a", "optimizer"),
        ("b", "optimizer"),
        ("square_bar", "reference"),
    ]
    assert result.row("a").gap_closed.per_seed == pytest.approx((1.0, 8 / 9, 7 / 9))
    assert result.row("square_bar").gap_closed.mean == 0.0
    assert result.row("a").budget.evaluations == 60
    assert result.row("a").regret == pytest.approx(1.0)
    assert result.row("square_bar").search is None
    versus = result.row("a").versus_reference
    assert versus is not None
    assert versus.verdict == "better"
    assert result.row("a").versus_best_classical is None
    assert Result.from_json(result.to_json()) == result


def test_hits_calls_and_the_open_gap_are_counted_per_search(searches: Make) -> None:
    summary = compare_searches(searches({"a": [3.0, 3.0, 3.02, 6.0]})).row("a").search
    assert summary is not None
    assert (summary.searches, summary.hits, summary.within_1_percent) == (4, 2, 3)
    assert summary.calls_to_optimum is None
    assert summary.final_regret.per_seed == pytest.approx((0, 0, 0.02 / 3, 1.0))
    assert summary.final_regret.ci95 is not None
    # regret 1 of calls 1-4 is that of 6 kg (1/3 of today's), later none
    assert summary.open_gap.per_seed[0] == pytest.approx(4 / 20 / 3)
    assert summary.curve.calls[-1] == 20
    assert summary.curve.median[-1] == pytest.approx(0.02 / 3 / 2)
    met = compare_searches(searches({"a": [3.0, 3.0, 6.0]})).row("a").search
    assert met is not None
    assert met.calls_to_optimum == 5


def test_the_front_of_a_run_is_measured_against_the_true_one(searches: Make) -> None:
    result = compare_searches(searches({"a": [3.0, 4.0, 5.0], "b": [6.0, 6.0, 6.0]}))
    front = result.front
    assert front is not None
    assert [(m.row, m.values["mass_kg"]) for m in front.found] == [
        ("a", 3.0),
        ("a", 4.0),
        ("a", 5.0),
        ("b", 6.0),
    ]
    assert [values["mass_kg"] for values in front.by_row["b"]] == [6.0]
    assert front.today == {"mass_kg": 12.0, "deflection_m": 0.00125}
    # worst: 12 kg + 10 % of (12 - 3), 5 mm + 10 % of (5 - 1)
    assert front.worst == pytest.approx({"mass_kg": 12.9, "deflection_m": 0.0054})
    a = result.row("a").search
    assert a is not None
    assert a.hypervolume_ratio is not None
    true = (12.9 - 3.0) * 0.0004 + (12.9 - 8.0) * 0.004
    assert a.hypervolume_ratio.per_seed[0] == pytest.approx((12.9 - 3.0) * 0.0004 / true)
    alone = compare_searches(searches({"a": [3.0]}, optimum=None)).row("a").search
    assert alone is not None
    assert alone.hypervolume_ratio is None


def test_of_equally_good_designs_that_of_the_best_optimizer_on_average_is_taken(
    searches: Make,
) -> None:
    result = compare_searches(searches({"lucky": [3.0, 9.0, 9.0], "steady": [3.0, 3.0, 3.0]}))
    assert result.recommendation.name == "steady"


def test_the_recommendation_is_the_best_design_found(searches: Make) -> None:
    result = compare_searches(searches({"a": [3.0, 4.0, 5.0], "b": [3.5, 3.5, 3.5]}))
    said = result.recommendation
    assert said.name == "a"
    assert said.design == {"width_m": 0.03, "height_m": 0.1, "material": "aluminium"}
    assert said.why == (
        "The design of a (seed 1, call 5) has a mass of 3 kg, against 12 kg of square_bar, which "
        "is in use today. It reaches the proven bound: nothing better exists. Of 3 searches of a "
        "with 20 calls each, 1 came within 1 % of it. On average over seeds b does best, with "
        "3.50 kg."
    )


def test_the_optimizer_that_is_best_on_average_is_named_too(searches: Make) -> None:
    result = compare_searches(searches({"a": [3.0, 8.0, 8.0], "b": [3.5, 3.5, 3.5]}))
    assert result.recommendation.name == "a"
    assert result.recommendation.why.endswith("On average over seeds b does best, with 3.50 kg.")


def test_todays_design_stays_where_nothing_better_is_found(searches: Make) -> None:
    said = compare_searches(searches({"a": [12.0, 13.0, 14.0]})).recommendation
    assert said.name == "square_bar"
    assert said.why == ("No search found a better design than square_bar, with a mass of 12 kg.")


def test_without_a_bound_regret_is_against_the_best_found(searches: Make) -> None:
    result = compare_searches(searches({"a": [4.0, 5.0, 6.0]}, optimum=None))
    assert result.row("a").gap_closed.mean is None
    search = result.row("a").search
    assert search is not None
    assert search.final_regret.per_seed == pytest.approx((0.0, 0.25, 0.5))
    assert "for want of a bound" in result.notes[-1]
    assert "There is no bound" in result.recommendation.why


def test_an_infeasible_search_counts_as_unfinished_and_is_named(searches: Make) -> None:
    made = searches({"a": [3.0, 4.0, 5.0]})
    broken = record("a", 2, 1.0, excess={"deflection": 0.2}, improvements=(), front=())
    records = [broken if (r.name, r.seed) == ("a", 2) else r for r in made.records]
    result = compare_searches(dataclasses.replace(made, records=records))
    row = result.row("a")
    assert row.metrics["mass_kg"].per_seed == (3.0, None, 5.0)
    assert row.flags == ("incomplete",)
    assert "a, seed 2: no feasible design in 20 calls (closest breaks deflection)." in result.notes


def test_a_run_without_any_feasible_design_is_refused(searches: Make) -> None:
    made = searches({"a": [3.0]})
    records = [dataclasses.replace(r, excess={"deflection": 0.2}) for r in made.records]
    with pytest.raises(RunFailedError, match="no design of this run keeps deflection"):
        compare_searches(dataclasses.replace(made, records=records))


def test_an_infeasible_reference_is_no_reference(searches: Make) -> None:
    made = searches({"a": [3.0, 4.0, 5.0]})
    records = [dataclasses.replace(BAR, excess={"deflection": 0.1}), *made.records[1:]]
    result = compare_searches(dataclasses.replace(made, records=records))
    assert result.reference is None
    assert result.recommendation.name == "a"
    assert "The given design square_bar breaks deflection, so it is not compared." in result.notes


def test_a_design_beyond_a_proven_bound_is_an_error(searches: Make) -> None:
    with pytest.raises(BoundError, match="past the proven bound of 3.5"):
        compare_searches(searches({"a": [3.0]}, optimum=3.5))
