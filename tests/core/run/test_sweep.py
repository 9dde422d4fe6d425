import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import ScenarioError
from trimtab.contracts.scenario import Sweep
from trimtab.run.plan import RunOptions
from trimtab.run.sweep import MAX_POINTS, plan_sweep, points_of

VALUES = st.lists(st.integers(), min_size=1, max_size=4, unique=True)
OVER = st.dictionaries(st.sampled_from(["problem.a", "problem.b", "seeds"]), VALUES, min_size=1)


def size(over: dict[str, list[int]]) -> int:
    return math.prod(len(values) for values in over.values())


@given(OVER)
def test_a_grid_has_every_combination_once(over: dict[str, list[int]]) -> None:
    points = points_of(Sweep(mode="grid", over=over))
    assert len({tuple(p.items()) for p in points}) == len(points) == size(over)


@given(OVER, st.integers(1, 30), st.integers(0, 5))
def test_random_points_are_distinct_points_of_the_grid_and_repeatable(
    over: dict[str, list[int]], n: int, seed: int
) -> None:
    sweep = Sweep(mode="random", over=over, n=n, seed=seed)
    points = points_of(sweep)
    grid = {tuple(p.items()) for p in points_of(Sweep(mode="grid", over=over))}
    assert len({tuple(p.items()) for p in points}) == len(points) == min(n, size(over))
    assert {tuple(p.items()) for p in points} <= grid
    assert points == points_of(sweep)


def test_random_points_of_a_huge_grid_are_drawn_without_making_it() -> None:
    over = {f"problem.k{i}": list(range(100)) for i in range(10)}
    points = points_of(Sweep(mode="random", over=over, n=50, seed=1))
    assert len({tuple(p.items()) for p in points}) == 50


def test_drawn_points_never_change_between_versions() -> None:
    few = {"problem.a": list(range(5)), "problem.b": list(range(4))}
    many = {f"problem.k{i}": list(range(100)) for i in range(5)}
    drawn = [points_of(Sweep(mode="random", over=over, n=3, seed=1)) for over in (few, many)]
    assert [tuple(p.values()) for p in drawn[0]] == [(0, 1), (2, 2), (4, 2)]
    assert [tuple(p.values()) for p in drawn[1][:2]] == [(51, 18, 21, 62, 47), (95, 4, 63, 69, 63)]


def test_as_many_points_as_the_limit_are_taken() -> None:
    assert len(points_of(Sweep(over={"seeds": list(range(MAX_POINTS))}))) == MAX_POINTS
    with pytest.raises(ValueError, match=f"has {MAX_POINTS + 1} points, the limit is {MAX_POINTS}"):
        points_of(Sweep(over={"seeds": list(range(MAX_POINTS + 1))}))


def test_a_list_takes_values_together() -> None:
    over = {"problem.a": [1, 2], "problem.b": [3, 4]}
    assert points_of(Sweep(mode="list", over=over)) == [
        {"problem.a": 1, "problem.b": 3},
        {"problem.a": 2, "problem.b": 4},
    ]


@pytest.mark.parametrize(
    ("mode", "over", "message"),
    [
        ("list", {"problem.a": [1], "problem.b": [1, 2]}, "as many values for each key"),
        ("grid", {}, "at least one key"),
        ("grid", {"problem.a": []}, "at least one value"),
        ("grid", {f"problem.k{i}": list(range(10)) for i in range(5)}, "use mode random"),
    ],
)
def test_what_is_no_sweep_is_refused(mode: str, over: dict[str, list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        points_of(Sweep(mode=mode, over=over))  # type: ignore[arg-type]


@pytest.mark.parametrize(("options", "seeds"), [(None, (1, 2)), (RunOptions(seeds=(7,)), (7,))])
def test_seeds_of_a_sweep_are_the_files_unless_options_say_others(
    tmp_path: Path, options: RunOptions | None, seeds: tuple[int, ...]
) -> None:
    path = tmp_path / "s.yaml"
    over = "sweep: {over: {problem.horizon_h: [6, 12]}}"
    path.write_text(f"name: s\ndomain: toy.tank\nproblem: {{}}\nseeds: [1, 2]\n{over}\n")
    sweep = plan_sweep(path, options)
    assert [plan.seeds for plan in sweep.plans] == [seeds, seeds]
    assert len({plan.run_id for plan in sweep.plans}) == 2


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (
            "sweep: {over: {name: [a, b]}}",
            "s.yaml:4:16: sweep.over.name: cannot be swept: keys begin with problem, controllers, "
            "seeds, budget",
        ),
        (
            "sweep: {mode: list, over: {seeds: [[1], [2]], problem.tariff_peak: [2.0]}}",
            "s.yaml:4:27: sweep.over: mode list takes as many values for each key, got seeds 2, "
            "problem.tariff_peak 1",
        ),
        (
            "sweep: {over: {}}",
            "s.yaml:4:15: sweep.over: needs at least one key, and at least one value for each",
        ),
        (
            "seeds: [1]",
            "s.yaml:1:1: has no sweep: add `sweep: {over: {dotted.key: [values]}}`, or use "
            "`trimtab run`",
        ),
    ],
)
def test_a_sweep_that_cannot_be_walked_is_answered_at_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sweep: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(f"name: s\ndomain: toy.tank\nproblem: {{}}\n{sweep}\n")
    with pytest.raises(ScenarioError) as refused:
        plan_sweep("s.yaml")
    assert str(refused.value) == said
