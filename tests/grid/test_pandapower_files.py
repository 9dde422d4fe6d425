import json

import pandapower as pp
import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_grid.pandapower_files import parse_network, read_network


def network():
    net = pp.create_empty_network()
    one, two = pp.create_bus(net, 20.0, name="A"), pp.create_bus(net, 20.0, name="B")
    pp.create_ext_grid(net, one)
    pp.create_line_from_parameters(net, one, two, 1.0, 0.2, 0.1, 10.0, 0.2)
    pp.create_load(net, two, 1.0, 0.2)
    return net


def test_a_network_keeps_its_names_and_loads():
    ours = parse_network(pp.to_json(network()), "n")
    assert ours.bus_names == ("A", "B")
    assert [(i.kind, i.bus, i.power_mva) for i in ours.injections] == [("load", 1, -1.0 - 0.2j)]


def test_what_is_out_of_service_is_left_out():
    net = network()
    pp.create_load(net, 1, 5.0, in_service=False)
    pp.create_bus(net, 20.0, name="spare", in_service=False)
    ours = parse_network(pp.to_json(net), "n")
    assert len(ours.injections) == 1
    assert ours.buses == 2


def _second_slack(net):
    pp.create_ext_grid(net, 1)


def _island(net):
    pp.create_bus(net, 20.0, name="lonely")


def _three_windings(net):
    net.bus.loc[2] = net.bus.loc[0]
    pp.create_transformer3w_from_parameters(
        net, 0, 1, 2, 20, 20, 20, 1, 1, 1, 5, 5, 5, 1, 1, 1, 0, 0
    )


def _constant_impedance(net):
    net.load["const_z_p_percent"] = 50.0


def _no_length(net):
    net.line["length_km"] = 0.0


def _missing_number(net):
    net.load["p_mw"] = float("nan")


def _bus_missing(net):
    net.load["bus"] = 17


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_second_slack, "2 slacks"),
        (_island, "bus lonely has no way to the slack"),
        (_three_windings, "trafo3w"),
        (_constant_impedance, "load 0: const_z_p_percent is not modelled"),
        (_no_length, "line 0: length_km is 0"),
        (_missing_number, "load 0: p_mw is None; write a number"),
        (_bus_missing, "load 0: bus 17 is no bus"),
    ],
)
def test_a_network_that_cannot_be_solved_faithfully_is_refused_by_name(spoil, told):
    net = network()
    spoil(net)
    with pytest.raises(InputFileError, match=told):
        parse_network(pp.to_json(net), "n.json")


def test_a_file_that_names_code_runs_none(tmp_path):
    document = json.loads(pp.to_json(network()))
    document["_object"]["evil"] = {
        "_module": "subprocess", "_class": "Popen", "_object": f"touch {tmp_path}/ran",
    }  # fmt: skip
    path = tmp_path / "net.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_network(path).buses == 2
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "n.json:1:2: is no JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('{"_class": "dict"}', "no network of pandapower"),
        ('{"_class": "pandapowerNet", "_object": {"bus": 3}}', "table 'bus' is not in the form"),
        ('{"_class": "pandapowerNet", "_object": {"sn_mva": "x"}}', "sn_mva is 'x'"),
        ('{"_class": "pandapowerNet", "_object": {"sn_mva": 1' + "0" * 400 + "}}", "sn_mva is 1"),
        ('{"_class": "pandapowerNet", "_object": {}}', "has 0 buses"),
    ],
)
def test_what_is_no_network_is_told_so(text, told):
    with pytest.raises(InputFileError, match=told):
        parse_network(text, "n.json")
