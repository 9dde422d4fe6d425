"""A generated 3 × 3 grid with signals at every junction."""

from pathlib import Path

import pytest
from trimtab_traffic.toolchain import run_binary


@pytest.fixture(scope="session")
def grid_net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    net = tmp_path_factory.mktemp("grid") / "grid.net.xml"
    arguments = ["--grid", "--grid.number", "3", "--grid.length", "150", "--grid.attach-length"]
    arguments += ["100", "--default-junction-type", "traffic_light", "-o", str(net)]
    run_binary("netgenerate", arguments, source=net)
    return net
