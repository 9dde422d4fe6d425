"""The monitor finds every kind of violation, agrees with the network, and clears the shield."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimtab_traffic.monitor
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.shield import Violations
from trimtab_traffic.monitor import SignalMonitor, read_conflicts, read_signal_log
from trimtab_traffic.network import TrafficNetwork, compile_network
from trimtab_traffic.rules import field_profile, requirement_numbers, resco_profile
from trimtab_traffic.shield import SignalShield, compile_shield
from trimtab_traffic.sources import OTHER_NETS, RESCO_NETS, NetSource, find_net
from trimtab_traffic.toolchain import run_binary

Compiler = Callable[[str], TrafficNetwork]
Writer = Callable[..., Path]
Log = list[tuple[float, str, str]]

NUMBERS = {
    "yellow_s": [3.0, 3.0],
    "all_red_s": [[0.0, 2.0], [1.0, 0.0]],
    "pedestrian_clearance_s": [0.0, 0.0],
    "min_green_s": 5.0,
    "walk_s": 7.0,
    "max_red_s": 40.0,
    "served": [True, True],
}

SOUND = "GGGGGGGGGG yyy rr rrrrrrrrrr rrr r GGGGGG", "rrrrrrrrrr rrr rr GGGGGGGGGG yyy r rrrrrr"


def log_of(rows: tuple[str, str]) -> Log:
    """Log of the two-street signal from one character per second and link."""
    first, second = (row.replace(" ", "") for row in rows)
    return [(float(t), "C", a + b) for t, (a, b) in enumerate(zip(first, second, strict=True))]


@pytest.fixture
def watch(two_streets: Writer) -> Callable[..., dict[str, Violations]]:
    """Check a log written as one row per link; keyword arguments change the numbers."""

    def check(*rows: str, **changes: object) -> dict[str, Violations]:
        monitor = SignalMonitor(two_streets(), {"C": NUMBERS | changes})
        log = log_of((rows[0], rows[1]))
        return monitor.check({"signal_log": log, "end_s": float(len(log))})

    return check


def broken(found: dict[str, Violations]) -> dict[str, int]:
    """Constraints that were broken."""
    return {name: v.count for name, v in found.items() if v.count}


def test_a_sound_log_has_no_violation_and_counts_what_it_saw(
    watch: Callable[..., dict[str, Violations]],
) -> None:
    found = watch(*SOUND)
    assert broken(found) == {}
    assert found["conflict"].exposure == 7
    assert found["yellow"].exposure == 2
    assert found["all_red"].exposure == 2
    assert found["min_green"].exposure == 1
    assert found["max_red"].exposure == 3


@pytest.mark.parametrize(
    ("first", "second", "constraint"),
    [
        ("GGGGGGGGGGG", "rrrrrGGGGGG", "conflict"),
        ("GGGGGG yy rr rrrrrr", "rrrrrr rr rr GGGGGG", "yellow"),
        ("GGGGGG rrrrr rrrrrr", "rrrrrr rrrrr GGGGGG", "yellow"),
        ("GGGGGG yyy r rrrrrr", "rrrrrr rrr r GGGGGG", "all_red"),
        ("GGGGGG yyy rrrrrr", "rrrrrr rrG GGGGGG", "all_red"),
        ("rr GGGG yyy rrrrr", "rr rrrr rrr rrGGG", "min_green"),
        ("G" * 41, "r" * 41, "max_red"),
    ],
)
def test_each_kind_of_violation_is_counted_alone(
    first: str, second: str, constraint: str, watch: Callable[..., dict[str, Violations]]
) -> None:
    assert broken(watch(first, second)) == {constraint: 1}


def test_sparse_and_dense_logs_are_judged_alike(two_streets: Writer) -> None:
    monitor = SignalMonitor(two_streets(), {"C": NUMBERS})
    dense = log_of(SOUND)
    sparse = [dense[0]] + [b for a, b in zip(dense, dense[1:], strict=False) if a[2] != b[2]]
    assert len(sparse) < len(dense)
    seen = [monitor.check({"signal_log": log, "end_s": 35.0}) for log in (dense, sparse)]
    assert seen[0] == seen[1]


def test_a_permissive_green_is_no_conflict_only_where_it_must_yield(two_streets: Writer) -> None:
    log = [(0.0, "C", "gG"), (5.0, "C", "Gg"), (10.0, "C", "gg")]
    for response, conflicts in (("10", 1), ("00", 3)):
        monitor = SignalMonitor(two_streets(response=response), {"C": NUMBERS})
        assert monitor.check({"signal_log": log})["conflict"] == Violations(conflicts, 3)


def test_links_that_no_stage_serves_and_unlimited_reds_are_not_judged(
    watch: Callable[..., dict[str, Violations]],
) -> None:
    rows = "G" * 60, "r" * 60
    assert broken(watch(*rows, served=[True, False])) == {}
    assert broken(watch(*rows, max_red_s=None)) == {}


@pytest.mark.parametrize(
    "source",
    [s for s in (*RESCO_NETS, *OTHER_NETS) if not s.name.startswith(("2way-v", "lucas4x4-c1"))],
    ids=lambda s: s.name,
)
def test_conflicts_agree_with_the_compiled_network(source: NetSource, wheel_net: Compiler) -> None:
    read = read_conflicts(source.net_file)
    for signal in wheel_net(source.name).controllable:
        mine = read[signal.id]
        assert mine.foes == {(int(a), int(b)) for a, b in np.argwhere(signal.foes)}
        assert mine.yields == {(int(a), int(b)) for a, b in np.argwhere(signal.yields)}
        assert mine.crossings == set(np.flatnonzero(signal.crossing).tolist())


def drive(shield: SignalShield, decisions: int, seed: int) -> tuple[Log, float]:
    """Random and sticky proposals through the shield, logged as SUMO would."""
    rng = np.random.default_rng(seed)
    state = shield.initial()
    names = [a.signal.id for a in shield.automata]
    log = [(0.0, n, s) for n, s in zip(names, shield.state_strings(state), strict=True)]
    proposed = state.stage
    for k in range(decisions):
        if rng.random() < 0.5:
            proposed = rng.integers(0, shield.n_stages, len(names))
        executed, _, _ = shield.project(state, proposed)
        for second, row, text in shield.schedule(state, executed):
            log.append((float(k * shield.decision_s + second), names[row], text))
        state = shield.advance(state, executed)
    return log, float(decisions * shield.decision_s)


@pytest.mark.parametrize("name", ["cologne8", "arterial4x4", "ingolstadt21w", "fokr_bs"])
@pytest.mark.parametrize("decision_s", [1, 5])
def test_shielded_random_control_breaks_no_field_rule(
    name: str, decision_s: int, wheel_net: Compiler
) -> None:
    network, profile = wheel_net(name), field_profile()
    log, end_s = drive(compile_shield(network, profile, decision_s), 400, seed=1)
    monitor = SignalMonitor(network.path, requirement_numbers(network, profile))
    found = monitor.check({"signal_log": log, "end_s": end_s})
    assert broken(found) == {}
    for constraint in ("conflict", "yellow", "all_red", "min_green", "max_red"):
        assert found[constraint].exposure > 20
    if name == "fokr_bs":
        assert found["pedestrian_clearance"].exposure > 20
        assert found["walk"].exposure > 20


def test_control_shielded_by_other_rules_is_caught(wheel_net: Compiler) -> None:
    network = wheel_net("cologne8")
    log, end_s = drive(compile_shield(network, resco_profile()), 100, seed=2)
    monitor = SignalMonitor(network.path, requirement_numbers(network, field_profile()))
    counts = broken(monitor.check({"signal_log": log, "end_s": end_s}))
    assert {"yellow", "all_red"} <= set(counts)


@pytest.mark.parametrize("kind", ["SaveTLSStates", "SaveTLSSwitchStates"])
def test_a_shipped_plan_is_read_from_sumos_own_log(
    kind: str, tmp_path: Path, wheel_net: Compiler
) -> None:
    source, out = find_net("ingolstadt1"), tmp_path / "log.xml"
    network = wheel_net("ingolstadt1")
    tls = network.signals[0].id
    extra = tmp_path / "log.add.xml"
    extra.write_text(
        f'<additional><timedEvent type="{kind}" source="{tls}" dest="{out}"/></additional>'
    )
    arguments = ["-n", str(source.net_file), "-a", str(extra), "-b", "57600", "-e", "58200"]
    run_binary("sumo", [*arguments, "--no-step-log", "--no-warnings"], source=source.net_file)
    monitor = SignalMonitor(source.net_file, requirement_numbers(network, field_profile()))
    found = monitor.check({"signal_log": out, "end_s": 58200.0})
    # the begin and six changes in each of 6.7 cycles; no all-red; 3 s of yellow, 3.28 s are due
    assert found["conflict"].exposure == 41
    assert 10 < found["all_red"].count < found["all_red"].exposure
    assert found["yellow"].count == found["yellow"].exposure > 10
    assert found["conflict"].count == 0


def test_an_incomplete_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.xml"
    path.write_text('<tlsStates><tlsState time="0.00" id="C"')
    with pytest.raises(InputFileError, match="not a complete signal state log"):
        read_signal_log(path)


def test_the_monitor_shares_no_code_with_the_shield() -> None:
    tree = ast.parse(Path(trimtab_traffic.monitor.__file__).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert not any(name.startswith("trimtab_traffic") for name in imported)


def test_a_packed_network_with_unicode_ids_is_watched(two_streets: Writer, tmp_path: Path) -> None:
    import gzip

    packed = tmp_path / "packed.net.xml.gz"
    packed.write_bytes(gzip.compress(two_streets(tls="Königstraße").read_bytes()))
    network = compile_network(packed)
    monitor = SignalMonitor(packed, requirement_numbers(network, field_profile()))
    log = [(0.0, "Königstraße", "GG"), (1.0, "unknown", "G")]
    assert monitor.check({"signal_log": log})["conflict"] == Violations(1, 1)
