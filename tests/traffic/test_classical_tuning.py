"""Tuning of classical controllers: what is found must help on held-out towns to ship."""

from __future__ import annotations

import json

import pytest
from trimtab_traffic.classical_tuning import Effort, shipped_files, tune_classical
from trimtab_traffic.controllers import entries, untuned_entries
from trimtab_traffic.controllers.tuned_parameters import FOLDER, with_shipped_parameters
from trimtab_traffic.training_networks import town


def _small() -> list:
    return [town("grid", 1, 1, 900, 15, horizon_s=300)]


def test_a_search_gives_legal_parameters_and_a_verdict_of_its_own_test():
    tuned = tune_classical("longest_queue", "resco", 0, Effort(_small(), _small(), 1))
    space = untuned_entries(_small()[0])["longest_queue"].parameters
    space.code([tuned.parameters])
    assert tuned.verdict.low <= tuned.verdict.change <= tuned.verdict.high
    assert tuned.verdict.accepted == (tuned.verdict.high < 0.0)
    assert tuned.episodes == 9 + 8


def test_the_same_seed_finds_the_same_parameters():
    effort = Effort(_small(), _small(), 1)
    first, second = (tune_classical("sotl", "resco", 3, effort).parameters for _ in range(2))
    assert first == second


def test_shipped_parameters_are_laid_over_the_defaults_only_where_a_file_ships():
    model = _small()[0]
    plain = untuned_entries(model)
    shipped = {name: entry for name, entry in entries(model).items() if entry.files}
    assert entries(model)["actuated"].defaults == plain["actuated"].defaults
    assert all(entry.files[0].stem == name for name, entry in shipped.items() if name in plain)


@pytest.mark.parametrize(("name", "profile", "file"), list(shipped_files()))
def test_what_was_found_ships_with_its_test_and_only_what_passed_it_is_played(name, profile, file):
    about = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    told = about["manifest"]
    assert about["parameters"] == (told["found"] if told["accepted"] else {})
    assert told["held_out_change"]["high"] < 0.0 or not told["accepted"]
    assert told["command"] == "make retrain"
    assert min(told["budget"].values()) > 0
    plain = untuned_entries(_small()[0])[name]
    entry = with_shipped_parameters(name, plain, profile)
    assert entry.defaults == dict(plain.defaults) | about["parameters"]
