"""Direct policy search on one small town."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trimtab.contracts.controller import Controller
from trimtab.contracts.spec import FloatArray
from trimtab_traffic.controllers.stage_score import StageScore
from trimtab_traffic.evolution import Found, Search, by_delay, evolve, relative
from trimtab_traffic.problem import SignalControl
from trimtab_traffic.scenario import SignalsProblem

TOWN = SignalsProblem.model_validate(
    {
        "network": {"generated": {"columns": 1, "rows": 1, "vehicles_per_h": 1500, "lanes": 1}},
        "rules": {"profile": "resco"},
        "horizon_s": 200,
    }
)
SEARCH = Search(generations=3, population=4, networks=1)


def player(town: SignalControl, offset: FloatArray) -> Controller:
    return StageScore(town, n_50=1.0, n_100=float(offset[0]), wait=float(offset[1]))


class CutShortError(Exception):
    pass


def searched(
    checkpoint: Path | None = None,
    stop_after: int | None = None,
    town: SignalsProblem = TOWN,
    told: list[str] | None = None,
) -> Found:
    lines = [] if told is None else told

    def progress(line: str) -> None:
        lines.append(line)
        if len(lines) == stop_after:
            raise CutShortError

    return evolve([town], by_delay(player), 2, 7, SEARCH, checkpoint, progress)


def test_a_search_cut_short_continues_to_the_same_bits(tmp_path: Path) -> None:
    checkpoint = tmp_path / "search.safetensors"
    with pytest.raises(CutShortError):
        searched(checkpoint, stop_after=2)
    assert checkpoint.is_file()
    assert np.array_equal(searched(checkpoint).offset, searched().offset)
    assert not list(tmp_path.iterdir())


def test_a_search_on_another_town_begins_anew(tmp_path: Path) -> None:
    checkpoint, told = tmp_path / "search.safetensors", list[str]()
    for town in (TOWN, TOWN.model_copy(update={"horizon_s": 150})):
        with pytest.raises(CutShortError):
            searched(checkpoint, len(told) + 1 + (town is not TOWN), town, told)
    assert told[1] == "search.safetensors is of another training: this one begins anew"
    assert told[2].startswith("generation 0: ")


def test_a_jam_counts_as_three_times_the_start_at_most() -> None:
    assert relative([100.0, 10.0], [10.0, 10.0]) == 2.0
