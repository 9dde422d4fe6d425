from pathlib import Path

import pytest
from trimtab_traffic.generated import generate
from trimtab_traffic.network import compile_network
from trimtab_traffic.safexml import elements
from trimtab_traffic.scenario import GeneratedNetwork


def model(kind: str, seed: int = 1) -> GeneratedNetwork:
    return GeneratedNetwork(
        kind=kind, columns=2, rows=2, vehicles_per_h=600, pedestrians_per_h=60, network_seed=seed
    )


@pytest.mark.parametrize("kind", ["grid", "arterial", "town"])
def test_every_layout_has_signals_with_crossings_and_demand_in_order(
    kind: str, tmp_path: Path
) -> None:
    files = generate(model(kind), tmp_path)
    network = compile_network(files.net_file)
    assert sum(s.controllable for s in network.signals) >= 2
    assert any(s.crossing.any() for s in network.signals)
    departs = [
        float(e.text("depart")) for e in elements(files.route_files[0]) if "depart" in e.attributes
    ]
    assert departs == sorted(departs)
    assert 400 < len(departs) < 900


def test_the_same_model_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    texts = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        files = generate(model("town", seed), tmp_path / folder)
        texts.append(files.net_file.read_bytes() + files.route_files[0].read_bytes())
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
