"""A hundred and more scenario files, each wrong in one known way or in several at once.

Mutants are generated from a valid file by operators; each operator knows the token that it
spoilt, so that the place and the suggestion of every finding can be checked.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from trimtab.contracts.errors import Fault, ScenarioError
from trimtab.run.scenario_file import load_scenario

VALID = """\
schema: trimtab/scenario/1
name: tank
domain: toy.tank
description: two tanks of a small town
problem:
  horizon_h: 12
  tariff_peak: 2.5
controllers: [level_band, proportional, tariff]
seeds: [1, 2, 3]
sweep:
  mode: random
  over:
    problem.horizon_h: [6, 12]
  n: 2
  seed: 4
"""
KEYS = (
    "schema", "name", "domain", "description", "problem", "horizon_h", "tariff_peak",
    "controllers", "seeds", "sweep", "mode", "over", "seed",
)  # fmt: skip
NAMES = ("level_band", "proportional", "tariff")
WRONG_VALUES = {
    "horizon_h": ("12", ("twelve", "1.5", "0", "9000", "[12]", "{}", "null", ".inf", "true x")),
    "tariff_peak": ("2.5", ("cheap", "0.5", "11", "[2.5]", "null", ".nan", "-.inf")),
    "name": ("tank", ("Tank", "a b", "-tank", "[tank]", "null", "ta/nk", "tank_1", "3")),
    "seeds": ("[1, 2, 3]", ("3", "[]", "[1, 1]", "[-1]", "[3000000000]", "null", "one")),
    "mode": ("random", ("3", "[grid]", "null")),
    "n": ("2", ("0", "10001", "two", "1.5", "null")),
    "seed": ("4", ("-1", "x", "null")),
    "controllers": ("[level_band, proportional, tariff]", ("3", "{a: b}")),
    "description": ("two tanks of a small town", ("[a]", "{a: 1}", "x" * 401)),
}


@dataclass(frozen=True)
class Mutant:
    """A wrong file; `line`, `column` of the spoilt token, `meant` what a typo stood for."""

    what: str
    text: str
    line: int
    column: int
    meant: str = ""


def place(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def misspelt(word: str, rng: random.Random) -> str:
    """One slip of the finger: a letter dropped, doubled, swapped or replaced."""
    i = rng.randrange(1, len(word) - 1)
    slips = (
        word[:i] + word[i + 1 :],
        word[:i] + word[i] + word[i:],
        word[: i - 1] + word[i] + word[i - 1] + word[i + 1 :],
        word[:i] + "x" + word[i + 1 :],
    )
    return rng.choice([slip for slip in slips if slip != word])


def typos_of_keys(rng: random.Random) -> Iterator[Mutant]:
    for key in KEYS:
        for _ in range(3):
            at = VALID.index(f"\n{key}:") + 1 if f"\n{key}:" in VALID else VALID.index(f"{key}:")
            wrong = misspelt(key, rng)
            text = VALID[:at] + wrong + VALID[at + len(key) :]
            if wrong not in KEYS:
                yield Mutant(f"key {wrong}", text, *place(text, at), key)


def typos_of_names(rng: random.Random) -> Iterator[Mutant]:
    for name in (*NAMES, "toy.tank", "random"):
        for _ in range(3):
            at = VALID.index(f" {name}") + 1 if f" {name}" in VALID else VALID.index(f"[{name}") + 1
            wrong = misspelt(name, rng)
            text = VALID[:at] + wrong + VALID[at + len(name) :]
            yield Mutant(f"name {wrong}", text, *place(text, at), name)


def wrong_values() -> Iterator[Mutant]:
    for key, (valid, values) in WRONG_VALUES.items():
        at = VALID.index(f"{key}: {valid}") + len(key) + 2
        for value in values:
            text = VALID[:at] + value + VALID[at + len(valid) :]
            yield Mutant(f"{key}: {value[:20]}", text, *place(text, at))


def broken_yaml() -> Iterator[Mutant]:
    spoilt = {
        "tab": ("  horizon_h", "\thorizon_h", 0),
        "anchor": ("horizon_h: 12", "horizon_h: &a 12", 11),
        "alias": ("seeds: [1, 2, 3]", "seeds: *a", 7),
        "tag": ("name: tank", "name: !!str tank", 6),
        "merge key": ("  horizon_h: 12", "  <<: {horizon_h: 12}", 2),
        "twice": ("seeds: [1, 2, 3]", "name: tank", 0),
    }
    for what, (old, new, offset) in spoilt.items():
        at = VALID.index(old)
        text = VALID.replace(old, new)
        yield Mutant(what, text, *place(text, at + offset))


def mutants() -> list[Mutant]:
    rng = random.Random(7)  # noqa: S311 - chooses slips
    every = [*typos_of_keys(rng), *typos_of_names(rng), *wrong_values(), *broken_yaml()]
    return list({mutant.text: mutant for mutant in every}.values())


def faults(folder: Path, text: str) -> tuple[Fault, ...]:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as error:
        load_scenario(path)
    return error.value.faults


def test_the_file_that_is_mutated_is_valid(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(VALID, encoding="utf-8")
    assert load_scenario(path).scenario.name == "tank"


def test_more_than_a_hundred_mutants_are_each_placed_at_the_spoilt_token(tmp_path: Path) -> None:
    every = mutants()
    assert len(every) >= 100
    misplaced = [
        (mutant.what, (mutant.line, mutant.column), [str(f) for f in found])
        for mutant in every
        for found in [faults(tmp_path, mutant.text)]
        if (mutant.line, mutant.column) not in {(f.line, f.column) for f in found}
    ]
    assert misplaced == []


def test_nine_typos_in_ten_get_the_word_that_was_meant(tmp_path: Path) -> None:
    typos = [mutant for mutant in mutants() if mutant.meant]
    said = [
        any(f"Did you mean '{typo.meant}'?" in f.message for f in faults(tmp_path, typo.text))
        for typo in typos
    ]
    assert len(typos) >= 40
    assert sum(said) >= 0.9 * len(typos), [
        t.what for t, ok in zip(typos, said, strict=True) if not ok
    ]


def test_all_faults_of_a_file_come_in_one_go(tmp_path: Path) -> None:
    rng = random.Random(3)  # noqa: S311 - chooses mutants
    keys = ("horizon_h", "tariff_peak", "name", "seeds", "n")
    for _ in range(25):
        text, spoilt = VALID, []
        for key in rng.sample(keys, k=rng.randint(2, 4)):
            valid, values = WRONG_VALUES[key]
            value = rng.choice([v for v in values if v != "true x"])
            text = text.replace(f"{key}: {valid}", f"{key}: {value}")
            spoilt.append((key, value))
        at = {k: re.search(rf"(?m)^ *{k}: ", text) for k, _ in spoilt}
        expected = {place(text, match.end()) for match in at.values() if match}
        assert len(expected) == len(spoilt)
        assert expected <= {(f.line, f.column) for f in faults(tmp_path, text)}, spoilt
