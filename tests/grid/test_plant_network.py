import numpy as np
import pandapower as pp
import pytest
from pandapower import networks
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_grid.network_settings import NetworkSettings
from trimtab_grid.pandapower_files import parse_network
from trimtab_grid.plant import load_plant
from trimtab_grid.plant_network import PlantNetwork, PlantPowers

PLANT = load_plant("plant-a")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "village.json"
    path.write_text(pp.to_json(networks.create_cigre_network_lv()), encoding="utf-8")
    return path


def powers(load_kw, wind_kw=0.0):
    load = np.atleast_1d(np.asarray(load_kw, dtype=float))
    nothing = np.zeros(len(load))
    return PlantPowers(load, np.zeros((len(load), 2)), nothing, nothing + wind_kw, nothing)


def test_a_plant_in_a_network_sees_the_flow_pandapower_sees(file):
    net = networks.create_cigre_network_lv()
    net.load[["p_mw", "q_mvar"]] *= 0.3 / net.load.p_mw.sum()
    pp.create_sgen(net, int(net.bus.index[net.bus.name == "Bus R11"][0]), 0.1)
    pp.runpp(net, tolerance_mva=1e-12, numba=False)
    placed = PlantNetwork(NetworkSettings(file=file, wind="Bus R11"), PLANT)
    state = placed.state(powers(300.0, 100.0))
    assert state.v_min_pu[0] == pytest.approx(net.res_bus.vm_pu.min(), abs=1e-8)
    assert state.v_max_pu[0] == pytest.approx(net.res_bus.vm_pu.max(), abs=1e-8)
    assert state.line_percent[0] == pytest.approx(net.res_line.loading_percent.max(), abs=1e-5)
    assert state.trafo_percent[0] == pytest.approx(net.res_trafo.loading_percent.max(), abs=1e-5)
    losses = 1e3 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    assert state.losses_kw[0] == pytest.approx(losses, abs=1e-4)


def test_limits_are_judged_point_by_point(file):
    placed = PlantNetwork(NetworkSettings(file=file), PLANT)
    state = placed.state(powers([50.0, 2000.0]))
    assert state.voltage_kept.tolist() == [True, False]
    assert state.loading_kept.tolist() == [True, False]


def test_a_point_without_solution_keeps_no_limit(file):
    placed = PlantNetwork(NetworkSettings(file=file, v_min_pu=0.01, loading_max_percent=1e9), PLANT)
    state = placed.state(powers([1e6]))
    assert not state.voltage_kept[0]
    assert not state.loading_kept[0]


def test_gensets_and_buses_that_do_not_exist_are_refused(file):
    with pytest.raises(UnknownNameError, match="G9"):
        PlantNetwork(NetworkSettings(file=file, gensets={"G9": "Bus R1"}), PLANT)
    with pytest.raises(InputFileError, match="no bus named 'Nowhere'"):
        PlantNetwork(NetworkSettings(file=file, wind="Nowhere"), PLANT)


def test_a_network_without_load_is_refused(file):
    net = networks.create_cigre_network_lv()
    net.load["in_service"] = False
    with pytest.raises(InputFileError, match="no load to spread"):
        PlantNetwork(NetworkSettings(file=file), PLANT, parse_network(pp.to_json(net), "n"))


def test_sources_of_the_file_are_left_out_and_named(file):
    net = networks.create_cigre_network_mv("pv_wind")
    placed = PlantNetwork(NetworkSettings(file=file), PLANT, parse_network(pp.to_json(net), "n"))
    assert "PV 3" in placed.notes[0]
