import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trimtab.evidence.contest import contestants, differences, on_front, ranked
from trimtab.evidence.result import Result
from trimtab_app import results


@pytest.fixture
def both(with_runs: list[str]) -> dict[str, Result]:
    return {run: results.result_of(run) for run in with_runs}


def test_rows_of_several_runs_carry_their_run(both: dict[str, Result]) -> None:
    labels = [one.label for one in contestants(both)]
    assert len(set(labels)) == 6
    assert all(" · tank-day-" in label for label in labels)


def test_rows_are_ranked_by_the_metric(both: dict[str, Result]) -> None:
    means = [c.row.metrics["pumping_cost"].mean for c in ranked(contestants(both), "pumping_cost")]
    assert means == sorted(means)  # type: ignore[type-var]


def test_differences_against_the_reference_are_those_of_the_report(
    both: dict[str, Result],
) -> None:
    run, result = next(iter(both.items()))
    rows = contestants({run: result})
    base = next(one for one in rows if one.row.name == result.reference)
    found = {d.contestant.row.name: d.paired for d in differences(rows, base, result.headline)}
    for row in result.rows:
        if row.versus_reference is not None:
            assert found[row.name] == row.versus_reference


def test_the_worst_seed_is_where_most_is_lost(both: dict[str, Result]) -> None:
    rows = contestants(both)
    for one in differences(rows, rows[0], "pumping_cost"):
        own, base = one.contestant.by_seed("pumping_cost"), rows[0].by_seed("pumping_cost")
        assert one.worst == max(own[seed] - base[seed] for seed in own)
        assert one.worst == own[one.worst_seed] - base[one.worst_seed]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_nothing_beats_the_front_and_the_front_beats_the_rest(
    points: list[tuple[float, float]],
) -> None:
    front = [point for point, on in zip(points, on_front(points), strict=True) if on]
    assert front
    for point in points:
        beaten = any(f[0] <= point[0] and f[1] <= point[1] and f != point for f in front)
        assert beaten != (point in front)
