"""Networks and profiles of SimBench (package `simbench`, optional; data under the ODbL).

Nothing of it is shipped: the user installs the package and names one of its codes.
"""

from __future__ import annotations

import importlib.util
import re
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
from trimtab.contracts.errors import InputFileError, MissingDependencyError, UnknownNameError
from trimtab.contracts.spec import FloatArray

from trimtab_grid.series import Series, load_series

_CODE = re.compile(r"[\w.+-]+--[0-2]-(no_)?sw")
STEP_MIN = 15.0
START = datetime(2016, 1, 1, tzinfo=timezone(timedelta(hours=1)))
"""Profiles are the 35,136 quarter-hours of 2016 in Central European winter time throughout."""
LICENCE = "SimBench data: Open Database License (ODbL) v1.0, simbench.de"


@dataclass(frozen=True, slots=True)
class SimbenchCase:
    """One code of SimBench.

    Attributes:
        series: load, wind and PV summed over the network.
        network_json: the network as pandapower writes it.
        notes: licence, what was left out.
    """

    series: Series
    network_json: str
    notes: tuple[str, ...]


def read_simbench(code: str) -> SimbenchCase:
    """Series and network of a SimBench code such as ``1-LV-rural1--0-sw``.

    Raises:
        MissingDependencyError: simbench is not installed.
        UnknownNameError: there is no such code.
        InputFileError: the network has no load profiles.
    """
    if importlib.util.find_spec("simbench") is None:
        raise MissingDependencyError(
            package="simbench", extra="grid", purpose="SimBench networks (pip install simbench)"
        )
    if _CODE.fullmatch(code) is None:
        msg = f"SimBench: {code[:60]!r} is no code; write one such as 1-LV-rural1--0-sw"
        raise InputFileError(msg)
    import pandapower
    import simbench

    codes = simbench.collect_all_simbench_codes()
    if code not in codes:
        raise UnknownNameError(code, "SimBench code", codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = simbench.get_simbench_net(code)
        values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    load = _kw(values, ("load", "p_mw"))
    if load is None:
        msg = f"SimBench {code}: has no load profiles; choose a code with loads"
        raise InputFileError(msg)
    is_wind = net.sgen["type"].astype(str).str.contains("wind", case=False).to_numpy(dtype=bool)
    is_pv = net.sgen["type"].astype(str).str.contains("pv", case=False).to_numpy(dtype=bool)
    series = load_series(
        START,
        STEP_MIN,
        load,
        _kw(values, ("sgen", "p_mw"), is_wind),
        _kw(values, ("sgen", "p_mw"), is_pv),
        source=f"SimBench {code}",
    )
    notes = [LICENCE]
    if not (is_wind | is_pv).all():
        notes.append(f"SimBench {code}: sources that are neither wind nor PV are left out")
    net.profiles = {}
    return SimbenchCase(series, pandapower.to_json(net), tuple(notes))


def _kw(values: Any, key: tuple[str, str], chosen: Any = None) -> FloatArray | None:
    """Sum of a profile table over its elements, kW; None where there are none."""
    table = values.get(key)
    if table is None or not table.shape[1]:
        return None
    power = table.to_numpy(dtype=np.float64)
    power = power if chosen is None else power[:, chosen]
    if not power.shape[1]:
        return None
    return np.asarray(np.maximum(power.sum(axis=1), 0.0) * 1e3)
