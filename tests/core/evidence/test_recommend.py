"""The recommendation: who may win, who never does, and the sentence that says why."""

import pytest
from trimtab.evidence.compare import compare

FIXED = [49.0, 50.0, 48.0, 51.0, 49.5]
WAVE = [18.4, 18.9, 18.0, 19.5, 18.7]
LEARNED = [16.0, 16.6, 15.9, 17.0, 16.4]
ROLES = {"learned": {"role": "learned"}, "oracle": {"role": "clairvoyant", "needs": ("future",)}}


def _recommend(make_matrix, delays, options=None):
    return compare(make_matrix(delays, ROLES | (options or {}), bound=7.5)).recommendation


def test_a_learned_row_wins_when_it_is_shown_to_beat_reference_and_best_classical(make_matrix):
    got = _recommend(make_matrix, {"fixed": FIXED, "wave_50": WAVE, "learned": LEARNED})
    assert got.name == "learned"
    assert "against the reference fixed" in got.why
    assert "against the best classical row wave_50" in got.why
    assert got.why.count("(better)") == 2


def test_a_learned_row_that_beats_only_the_reference_stays_behind(make_matrix):
    close = [w + d for w, d in zip(WAVE, [-0.4, 0.5, -0.3, 0.4, -0.3], strict=True)]
    got = _recommend(make_matrix, {"fixed": FIXED, "wave_50": WAVE, "learned": close})
    assert got.name == "wave_50"
    assert "learned (learned) is not recommended" in got.why
    assert "interval includes 0" in got.why
    assert "against wave_50; were the lead real, about " in got.why
    assert "seeds would show it, 5 ran" in got.why


def test_more_seeds_are_not_promised_to_a_row_that_is_behind(make_matrix):
    behind = [w + d for w, d in zip(WAVE, [0.4, -0.5, 0.3, -0.4, 0.3], strict=True)]
    got = _recommend(make_matrix, {"fixed": FIXED, "wave_50": WAVE, "learned": behind})
    assert "learned (learned) is not recommended" in got.why
    assert "were the lead real" not in got.why


@pytest.mark.parametrize(
    ("spoiled", "text"),
    [
        ({"flags": ("gridlock",)}, "flagged gridlock"),
        ({"violations": 1}, "broke its rules 5 times"),
        ({"needs": ("future",)}, "sees the future"),
    ],
)
def test_a_learned_row_with_gridlock_violation_or_foresight_stays_behind(
    make_matrix, spoiled, text
):
    got = _recommend(
        make_matrix,
        {"fixed": FIXED, "wave_50": WAVE, "learned": LEARNED},
        {"learned": {"role": "learned"} | spoiled},
    )
    assert got.name == "wave_50"
    assert text in got.why


def test_nothing_without_a_shield_replaces_a_reference_behind_one(make_matrix):
    delays = {"fixed": FIXED, "wave_50": WAVE, "wave_50_unshielded": LEARNED}
    got = _recommend(make_matrix, delays, {"wave_50_unshielded": {"shielded": False}})
    assert got.name == "wave_50"
    bare = {name: {"shielded": False} for name in ("fixed", "wave_50_unshielded")}
    assert _recommend(make_matrix, delays, bare).name == "wave_50_unshielded"


def test_a_learned_row_is_held_against_the_best_classical_row_behind_the_shield(make_matrix):
    better = [value - 5.0 for value in LEARNED]
    delays = {"fixed": FIXED, "wave_50": WAVE, "bare": better, "learned": LEARNED}
    got = _recommend(make_matrix, delays, {"bare": {"shielded": False}})
    assert got.name == "learned"
    assert "against the best classical row wave_50" in got.why


def test_a_clairvoyant_row_is_never_recommended(make_matrix):
    got = _recommend(make_matrix, {"fixed": FIXED, "wave_50": WAVE, "oracle": [8.0] * 5})
    assert got.name == "wave_50"


def test_a_classical_row_that_needs_the_future_is_never_recommended(make_matrix):
    got = _recommend(make_matrix, {"fixed": FIXED, "mpc": WAVE}, {"mpc": {"needs": ("future",)}})
    assert got.name == "fixed"


def test_the_reference_stays_when_no_classical_row_is_shown_to_beat_it(make_matrix):
    close = [f + d for f, d in zip(FIXED, [-2.0, 1.0, -2.0, 1.5, 0.2], strict=True)]
    got = _recommend(make_matrix, {"fixed": FIXED, "webster": close})
    assert got.name == "fixed"
    assert got.why == "No classical controller is shown to beat the reference fixed."


def test_two_seeds_show_nothing(make_matrix):
    got = _recommend(make_matrix, {"fixed": FIXED[:2], "learned": LEARNED[:2]})
    assert got.name == "fixed"
    assert "fewer than three seeds" in got.why


def test_a_reference_that_breaks_rules_gives_way_to_the_best_clean_classical_row(make_matrix):
    close = [f + d for f, d in zip(FIXED, [-2.0, 1.0, -2.0, 1.5, 0.2], strict=True)]
    got = _recommend(make_matrix, {"fixed": FIXED, "webster": close}, {"fixed": {"violations": 3}})
    assert got.name == "webster"
    assert "The reference fixed breaks its rules 15 times" in got.why


def test_a_jammed_reference_without_a_replacement_is_named_with_its_flag(make_matrix):
    got = _recommend(make_matrix, {"fixed": FIXED}, {"fixed": {"flags": ("gridlock",)}})
    assert got.name == "fixed"
    assert "flagged gridlock" in got.why


def test_without_a_reference_the_best_classical_row_is_named_as_such(make_matrix):
    got = _recommend(make_matrix, {"wave_50": WAVE, "sotl": FIXED})
    assert got.name == "wave_50"
    assert "No reference controller ran" in got.why


def test_learned_rows_alone_get_no_recommendation(make_matrix):
    got = _recommend(make_matrix, {"learned": LEARNED})
    assert got.name is None
    assert "add the domain's reference controllers" in got.why


def test_the_engineers_own_controller_must_win_like_a_learned_one(make_matrix):
    rows = {"fixed": FIXED, "wave_50": WAVE, "mine": LEARNED}
    assert _recommend(make_matrix, rows, {"mine": {"role": "user"}}).name == "mine"
    worse = rows | {"mine": [w + 0.5 for w in WAVE]}
    got = _recommend(make_matrix, worse, {"mine": {"role": "user"}})
    assert got.name == "wave_50"
    assert "mine (user) is not recommended" in got.why


def test_a_reference_that_is_also_the_best_classical_row_is_named_once(make_matrix):
    got = _recommend(make_matrix, {"fixed": FIXED, "learned": LEARNED})
    assert got.name == "learned"
    assert got.why.count("against") == 1


def test_a_learned_row_needs_a_reference_to_be_shown_against(make_matrix):
    got = _recommend(make_matrix, {"wave_50": WAVE, "learned": LEARNED})
    assert got.name == "wave_50"
    assert "there is no reference to show it against" in got.why
