"""pandapower is the reference: networks are built there, written as JSON and solved by both."""

import numpy as np
import pandapower as pp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandapower import networks
from trimtab.contracts.errors import TrimtabError
from trimtab_grid.acflow import AcFlow, Droop
from trimtab_grid.pandapower_files import parse_network


def plain_taps(net):
    net.trafo["tap_dependency_table"] = False  # files of older versions lack the column
    return net


CASES = {
    "cigre_mv_15_buses_with_open_switches": lambda: networks.create_cigre_network_mv("pv_wind"),
    "cigre_lv_44_buses": networks.create_cigre_network_lv,
    "case33_radial": networks.case33bw,
    "kerber_15_buses": networks.create_kerber_landnetz_freileitung_1,
    "case14_meshed_with_held_voltages": lambda: plain_taps(networks.case14()),
}


def reference(net, **options):
    pp.runpp(net, tolerance_mva=1e-10, numba=False, init="dc", max_iteration=50, **options)
    angle = np.deg2rad(net.res_bus.va_degree.to_numpy())
    return net.res_bus.vm_pu.to_numpy() * np.exp(1j * angle)


def numbers(net, ours):
    """Our bus of each of theirs; buses keep their order, joined ones their first."""
    names = [str(name or key) for key, name in net.bus.name.items()]
    return [ours.bus_names.index(name) if name in ours.bus_names else None for name in names]


@pytest.mark.parametrize("case", CASES)
def test_voltages_loadings_and_slack_agree_with_pandapower(case):
    net = CASES[case]()
    theirs = reference(net)
    ours = parse_network(pp.to_json(net), case)
    flow = AcFlow(ours).solve(ours.nominal()[None])
    assert flow.converged.all()
    for key, number in enumerate(numbers(net, ours)):
        if number is not None:
            assert abs(flow.voltage[0, number] - theirs[key]) < 1e-8
    slack = complex(net.res_ext_grid.p_mw.sum(), net.res_ext_grid.q_mvar.sum())
    if not len(net.gen):
        assert abs(flow.slack_power[0] * ours.base_mva - slack) < 1e-6 * abs(slack)
    loading = dict(zip([b.name for b in ours.branches], flow.loading_percent()[0], strict=True))
    for table in ("line", "trafo"):
        for key, row in net[table].iterrows():
            name = str(row["name"] or f"{table} {key}")
            if name in loading and list(loading).count(name) == 1:
                expected = net[f"res_{table}"].loading_percent[key]
                assert loading[name] == pytest.approx(expected, abs=1e-5)


def test_taps_iron_losses_shifts_parallel_branches_and_shunts_agree_with_pandapower():
    net = pp.create_empty_network()
    high, low, end = (
        pp.create_bus(net, kv, name=n) for kv, n in ((20, "h"), (0.4, "l"), (0.4, "e"))
    )
    pp.create_ext_grid(net, high, vm_pu=1.02, va_degree=5.0)
    pp.create_transformer_from_parameters(
        net, high, low, 0.63, 20.5, 0.41, vkr_percent=1.2, vk_percent=6.0, pfe_kw=1.65,
        i0_percent=0.26, shift_degree=150, tap_side="hv", tap_neutral=0, tap_min=-2, tap_max=2,
        tap_step_percent=2.5, tap_pos=-2, tap_changer_type="Ratio", parallel=2,
    )  # fmt: skip
    pp.create_line_from_parameters(
        net, low, end, 0.3, 0.2, 0.08, 260, 0.27, g_us_per_km=3.0, df=0.9
    )
    pp.create_load(net, end, 0.12, 0.04, scaling=0.9)
    pp.create_sgen(net, low, 0.05, 0.01)
    pp.create_storage(net, low, 0.02, 0.1, q_mvar=0.003)
    pp.create_shunt(net, end, q_mvar=-0.02, p_mw=0.001, vn_kv=0.42, step=2)
    theirs = reference(net)
    ours = parse_network(pp.to_json(net), "small")
    flow = AcFlow(ours).solve(ours.nominal()[None])
    np.testing.assert_allclose(flow.voltage[0], theirs, atol=1e-9)
    expected = [net.res_line.loading_percent[0], net.res_trafo.loading_percent[0]]
    np.testing.assert_allclose(flow.loading_percent()[0], expected, atol=1e-6)
    losses = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum() + net.res_shunt.p_mw.sum()
    assert flow.losses(ours.nominal()[None])[0] == pytest.approx(losses, abs=1e-9)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31 - 1))
def test_every_solution_satisfies_the_power_balance_of_every_bus(seed):
    rng = np.random.default_rng(seed)
    power = LV.nominal()[None] * rng.uniform(-0.5, 1.2, (40, LV.buses))
    flow = LV_FLOW.solve(power)
    current = flow.voltage @ LV.admittance().T
    balance = flow.voltage * np.conj(current) - power
    balance[:, LV.slack] = 0.0
    assert flow.converged.all()
    assert np.abs(balance).max() < 1e-7


LV = parse_network(pp.to_json(networks.create_cigre_network_lv()), "lv")
LV_FLOW = AcFlow(LV)


def test_a_point_does_not_depend_on_the_batch_it_is_solved_in():
    power = LV.nominal()[None] * np.linspace(0.1, 1.2, 70)[:, None]
    many = LV_FLOW.solve(power)
    for k in (0, 33, 69):
        alone = LV_FLOW.solve(power[k : k + 1])
        np.testing.assert_array_equal(alone.voltage[0], many.voltage[k])


def test_starting_from_the_solution_takes_one_iteration():
    power = LV.nominal()[None]
    solved = LV_FLOW.solve(power)
    again = LV_FLOW.solve(power, start=solved.voltage)
    assert again.iterations.tolist() == [1]


def test_a_load_beyond_what_the_network_carries_is_reported_and_spoils_no_other_point():
    power = LV.nominal()[None] * np.array([[1.0], [500.0]])
    flow = LV_FLOW.solve(power)
    assert flow.converged.tolist() == [True, False]


def test_units_in_droop_share_the_slack_as_pandapower_does():
    net = networks.create_cigre_network_mv()
    bus = int(net.bus.index[net.bus.name == "Bus 8"][0])
    pp.create_gen(net, bus, 3.0, vm_pu=1.0, slack_weight=1.5)
    net.ext_grid["slack_weight"] = 2.5
    theirs = reference(net, distributed_slack=True)
    ours = parse_network(pp.to_json(net), "mv")
    number = ours.bus("Bus 8")
    droop = Droop({ours.slack: 2.5 / 4.0, number: 1.5 / 4.0})
    flow = AcFlow(ours).solve(ours.nominal()[None], droop=droop)
    assert flow.converged.all()
    at = [ours.bus(name) for name in net.bus.name]
    np.testing.assert_allclose(flow.voltage[0, at], theirs, atol=1e-8)
    assert flow.slack_power[0].real == pytest.approx(net.res_ext_grid.p_mw[0], abs=1e-6)


def test_droop_weights_that_do_not_sum_to_one_are_refused():
    with pytest.raises(TrimtabError, match="make them sum to 1"):
        Droop({0: 0.5, 1: 0.4})
