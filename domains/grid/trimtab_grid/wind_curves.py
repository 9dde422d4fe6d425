"""Power curves of wind turbines: the user's own as CSV, or one of windpowerlib's by its name.

Nothing of windpowerlib is shipped (MIT code; curves of the Open Energy Database): the user installs
it and names a turbine. A curve is scaled to the rated power of the plant's turbines.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from trimtab.contracts.errors import InputFileError, MissingDependencyError, UnknownNameError
from trimtab.run.yaml_document import parse

from trimtab_grid.plant import Plant, Wind
from trimtab_grid.tables import is_number_text, parse_table
from trimtab_grid.user_files import read_bytes, read_text

HEADER = ["wind_speed_m_s", "power_kw"]
LIBRARY = "windpowerlib"
_ANY_HUB_M = 500.0
"""The library asks for a hub above the rotor's radius; curves do not depend on it."""
Curve = tuple[tuple[float, float], ...]
"""Points (m/s at hub height, kW)."""


def is_curve(first_line: str) -> bool:
    """Whether a CSV with this header is a power curve."""
    return [cell.strip().lower() for cell in first_line.split(",")] == HEADER


def read_curve(path: Path) -> Curve:
    """Points of a CSV, or of the turbine that a YAML file names.

    Raises:
        InputFileError: a cell is no number; names its row.
        MissingDependencyError: windpowerlib is not installed.
        UnknownNameError: windpowerlib has no curve of that turbine.
    """
    if path.suffix.lower() in {".yaml", ".yml"}:
        return library_curve(str(parse(read_text(path), path.name).data[LIBRARY]))
    table = parse_table(read_bytes(path), path.name)
    for number, row in zip(table.numbers, table.rows, strict=True):
        for cell in row:
            if not is_number_text(cell):
                msg = f"{path.name}:{number}: {cell!r} is no finite number; mend it"
                raise InputFileError(msg)
    return tuple((float(str(speed)), float(str(power))) for speed, power in table.rows)


def library_curve(turbine: str) -> Curve:
    """Curve of a turbine type of windpowerlib, such as ``E-53/800``; see `read_curve`."""
    if importlib.util.find_spec(LIBRARY) is None:
        raise MissingDependencyError(
            package=LIBRARY, extra="grid", purpose="its power curves (pip install windpowerlib)"
        )
    from windpowerlib import (  # pyright: ignore[reportMissingImports]
        WindTurbine,
        get_turbine_types,
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the library's own use of pandas
        types = get_turbine_types(print_out=False)
    names = sorted(types[types["has_power_curve"]]["turbine_type"])
    if turbine not in names:
        raise UnknownNameError(turbine, "turbine of windpowerlib", names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        curve: Any = WindTurbine(turbine_type=turbine, hub_height=_ANY_HUB_M).power_curve
    pairs = zip(curve["wind_speed"], curve["value"], strict=True)
    return tuple((float(speed), float(watts) / 1e3) for speed, watts in pairs)


def with_curve(plant: Plant, curve: Curve, name: str) -> Plant:
    """The plant with its turbines' curve replaced, scaled to their rated power.

    Raises:
        InputFileError: the plant has no wind, or the curve is none.
    """
    if plant.wind is None:
        msg = f"{name}: a power curve, but the plant has no wind (wind: {{rated_kw: …}}); add it"
        raise InputFileError(msg)
    highest = max((power for _, power in curve), default=0.0)
    if highest <= 0.0:
        msg = f"{name}: no power of the curve is above zero; give points (m/s, kW)"
        raise InputFileError(msg)
    scale = plant.wind.rated_kw / highest
    points = tuple((speed, min(power * scale, plant.wind.rated_kw)) for speed, power in curve)
    try:
        wind = Wind.model_validate({**plant.wind.model_dump(), "curve": points})
    except ValidationError as error:
        msg = f"{name}: {error.errors()[0]['msg']}; mend the curve"
        raise InputFileError(msg) from None
    return plant.model_copy(update={"wind": wind})
