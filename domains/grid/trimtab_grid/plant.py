"""The plant a user brings: gensets, battery, wind, PV, loads that may be shed, and its limits.

Powers are grid-side kW, battery discharge positive; energies kWh; fuel litres; times minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from trimtab.contracts.errors import InputFileError, ScenarioError, UnknownNameError
from trimtab.contracts.scenario import StrictModel

PLANTS = Path(__file__).parent / "plants"
_BLOCKS_KW = 1e-6
"""Rounding of a sum of blocks."""


class FuelCurve(StrictModel):
    """Fuel rate against power: affine, or piecewise linear through datasheet points."""

    slope_l_kwh: float | None = Field(default=None, gt=0, description="marginal fuel, L/kWh")
    no_load_l_h: float | None = Field(
        default=None, ge=0, description="fuel of turning unloaded, L/h"
    )
    points: tuple[tuple[float, float], ...] = Field(
        default=(), description="datasheet points (kW, L/h), at least two, rising"
    )

    @model_validator(mode="after")
    def _one_form(self) -> FuelCurve:
        affine = self.slope_l_kwh is not None and self.no_load_l_h is not None
        if affine == bool(self.points):
            msg = "give slope_l_kwh and no_load_l_h, or at least two points (kW, L/h)"
            raise ValueError(msg)
        if self.points:
            powers = [p for p, _ in self.points]
            if len(powers) < 2 or powers != sorted(set(powers)) or min(powers) < 0:  # noqa: PLR2004
                msg = "points need at least two different powers >= 0 in rising order"
                raise ValueError(msg)
            fuels = [f for _, f in self.points]
            if fuels != sorted(fuels) or min(fuels) < 0:
                msg = "points need fuel rates >= 0 that do not fall with power"
                raise ValueError(msg)
        return self


class Genset(StrictModel):
    """One generating set (ISO 8528-1 prime power); see grid modes in `model`."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=40)
    prime_kw: float = Field(gt=0, le=1e6, description="prime power, kW")
    min_kw: float = Field(default=0.0, ge=0, description="least load while running, kW")
    overload_kw: float | None = Field(
        default=None, gt=0, description="short overload, kW; none if empty"
    )
    fuel: FuelCurve
    start_fuel_l: float = Field(default=0.0, ge=0, description="fuel of one start, L")
    warm_up_min: float = Field(default=0.0, ge=0, le=240, description="warm-up time, min")
    warm_up_kw: float = Field(default=0.0, ge=0, description="fixed power while warming up, kW")
    cool_down_min: float = Field(default=0.0, ge=0, le=240, description="cool-down time, min")
    cool_down_kw: float = Field(default=0.0, ge=0, description="fixed power while cooling down, kW")
    min_run_min: float = Field(default=0.0, ge=0, le=1440, description="least time of a run, min")
    min_down_min: float = Field(default=0.0, ge=0, le=1440, description="least time off, min")
    ramp_kw_per_min: float | None = Field(default=None, gt=0, description="ramp limit, kW/min")
    repair_min: float = Field(default=1440.0, gt=0, description="time to repair after a trip, min")
    mean_power_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="mean load over the window as a share of prime (0.7 in PRP)",
    )
    mean_power_window_min: float = Field(
        default=1440.0, gt=0, description="window of that mean, min"
    )
    overload_min: float = Field(
        default=60.0, ge=0, description="overload time allowed in the window, min"
    )
    overload_window_min: float = Field(default=720.0, gt=0, description="window of overload, min")
    trips_per_year: float = Field(default=0.0, ge=0, description="random trips per running year")
    start_failure_probability: float = Field(default=0.0, ge=0, lt=1, description="of one start")
    overhaul_h: float = Field(default=20_000.0, gt=0, description="running hours to overhaul")
    inertia_s: float = Field(default=1.0, gt=0, description="inertia constant H on prime power, s")
    droop_hz: float = Field(
        default=2.0, ge=0, description="frequency fall from no load to prime, Hz"
    )

    @model_validator(mode="after")
    def _powers(self) -> Genset:
        if self.min_kw > self.prime_kw:
            msg = f"min_kw {self.min_kw} is above prime_kw {self.prime_kw}"
            raise ValueError(msg)
        if self.overload_kw is not None and self.overload_kw < self.prime_kw:
            msg = f"overload_kw {self.overload_kw} is below prime_kw {self.prime_kw}"
            raise ValueError(msg)
        for name, power in (("warm_up_kw", self.warm_up_kw), ("cool_down_kw", self.cool_down_kw)):
            if power > self.prime_kw:
                msg = f"{name} {power} is above prime_kw {self.prime_kw}"
                raise ValueError(msg)
        return self


class Quadratic(StrictModel):
    """Cell-stack circuit: open-circuit voltage V = slope·soc + base behind a resistance."""

    capacity_ah: float = Field(gt=0, description="charge of the stack, Ah")
    current_max_a: float = Field(gt=0, description="largest current either way, A")
    voltage_slope_v: float = Field(gt=0, description="A of V = A·soc + B, V")
    voltage_base_v: float = Field(gt=0, description="B of V = A·soc + B, V")
    resistance_ohm: float = Field(ge=0, description="R, ohm")


class Battery(StrictModel):
    """A battery with its inverter. `quadratic` refines energy; the linear envelope stays."""

    power_kw: float = Field(gt=0, le=1e6, description="inverter rating either way, kW")
    discharge_kw: float | None = Field(
        default=None, gt=0, description="P_dis of the safe envelope, kW"
    )
    charge_kw: float | None = Field(default=None, gt=0, description="P_ch of the safe envelope, kW")
    energy_kwh: float = Field(gt=0, description="energy of the linear envelope, kWh")
    charge_efficiency: float = Field(default=0.95, gt=0, le=1)
    discharge_efficiency: float = Field(default=0.95, gt=0, le=1)
    standby_kw: float = Field(default=0.0, ge=0, description="continuous standby loss, kW")
    soc_initial: float = Field(default=0.5, ge=0, le=1)
    soc_min: float = Field(default=0.1, ge=0, le=1, description="normal window, lower end")
    soc_max: float = Field(default=0.9, ge=0, le=1, description="normal window, upper end")
    reserve_soc_min: float | None = Field(
        default=None, ge=0, le=1, description="reserve window, low"
    )
    reserve_soc_max: float | None = Field(
        default=None, ge=0, le=1, description="reserve window, high"
    )
    model: Literal["linear", "quadratic", "compat"] = Field(
        default="linear",
        description="linear; exact quadratic; or the published plant's one per step",
    )
    quadratic: Quadratic | None = None
    grid_forming: bool = Field(default=True, description="the inverter may hold frequency alone")
    droop_hz: float = Field(
        default=1.0,
        ge=0,
        description="frequency fall from no load to rated, where it forms the grid, Hz",
    )
    temperature_c: float = Field(
        default=25.0, ge=-40, le=80, description="cell temperature, for ageing"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Battery:
        low = self.soc_min if self.reserve_soc_min is None else self.reserve_soc_min
        high = self.soc_max if self.reserve_soc_max is None else self.reserve_soc_max
        if not low <= self.soc_min < self.soc_max <= high:
            msg = "need reserve_soc_min <= soc_min < soc_max <= reserve_soc_max"
            raise ValueError(msg)
        if not low <= self.soc_initial <= high:
            msg = f"soc_initial {self.soc_initial} lies outside the reserve window [{low}, {high}]"
            raise ValueError(msg)
        if self.model != "linear" and self.quadratic is None:
            msg = f"model {self.model} needs the quadratic block"
            raise ValueError(msg)
        return self


class Wind(StrictModel):
    """Turbines as one curve of hub-height wind speed; curtailable."""

    rated_kw: float = Field(gt=0, le=1e6, description="rated power of all turbines, kW")
    cut_in_m_s: float = Field(default=3.0, ge=0, description="cut-in speed, m/s")
    rated_m_s: float = Field(default=12.0, gt=0, description="speed of rated power, m/s")
    cut_out_m_s: float = Field(default=25.0, gt=0, description="cut-out speed, m/s")
    curve: tuple[tuple[float, float], ...] = Field(
        default=(), description="points (m/s, kW) instead"
    )
    hub_height_m: float = Field(default=50.0, gt=0, description="hub height, m")
    shear_exponent: float = Field(default=0.143, ge=0, le=1, description="power law of height")

    @model_validator(mode="after")
    def _in_order(self) -> Wind:
        if self.curve:
            speeds = [speed for speed, _ in self.curve]
            rising = len(speeds) > 1 and speeds == sorted(set(speeds)) and speeds[0] >= 0
            if not rising or not all(0 <= power <= self.rated_kw for _, power in self.curve):
                msg = "curve needs two points (m/s, kW) or more, rising speeds, power <= rated_kw"
                raise ValueError(msg)
        elif not self.cut_in_m_s < self.rated_m_s < self.cut_out_m_s:
            msg = "need cut_in_m_s < rated_m_s < cut_out_m_s"
            raise ValueError(msg)
        return self


class Photovoltaic(StrictModel):
    """A PV field with its inverter; curtailable."""

    rated_kw: float = Field(gt=0, le=1e6, description="DC power at standard conditions, kW")
    inverter_kw: float | None = Field(
        default=None, gt=0, description="AC limit, kW; rated_kw if empty"
    )
    tilt_deg: float = Field(default=35.0, ge=0, le=90)
    azimuth_deg: float = Field(default=180.0, ge=0, le=360, description="180 is south")
    temperature_coefficient_per_k: float = Field(default=-0.004, le=0, ge=-0.02)


class Reserve(StrictModel):
    """Spinning reserve in kW: max(load, wind and PV shares, largest online unit)."""

    load_share: float = Field(default=0.0, ge=0, le=1)
    wind_share: float = Field(default=0.0, ge=0, le=1)
    pv_share: float = Field(default=0.0, ge=0, le=1)
    largest_unit: bool = Field(default=False, description="also cover the trip of the largest unit")


class UflsStage(StrictModel):
    """One stage of under-frequency relays."""

    threshold_hz: float = Field(gt=0, description="frequency below which it acts, Hz")
    load_share: float = Field(gt=0, le=1, description="share of the load that it sheds")
    delay_s: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="time from threshold to breaker, at most the shortest step, s",
    )


class Ufls(StrictModel):
    """Under-frequency load shedding, the last resort; sheds declared load only (`shed_kw`)."""

    stages: tuple[UflsStage, ...] = Field(
        default=(), max_length=8, description="first to last; none: off"
    )
    hold_min: float = Field(default=10.0, gt=0, le=1440, description="time until load returns, min")

    @model_validator(mode="after")
    def _falling(self) -> Ufls:
        thresholds = [stage.threshold_hz for stage in self.stages]
        if thresholds != sorted(set(thresholds), reverse=True):
            msg = f"ufls: thresholds must fall from stage to stage, got {thresholds}"
            raise ValueError(msg)
        return self


class LoadBlock(StrictModel):
    """A part of the load that may be shed: a feeder, a pump house, a cold store."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=40)
    kw: float = Field(gt=0, le=1e6, description="load that leaves with it, kW")


class Disturbances(StrictModel):
    """What the shield's promise is made against (the set D)."""

    load_min_kw: float = Field(default=0.0, ge=0)
    load_max_kw: float = Field(gt=0)
    load_rise_kw_per_min: float | None = Field(default=None, gt=0, description="empty: any rise")
    load_fall_kw_per_min: float | None = Field(default=None, gt=0, description="empty: any fall")
    soc_error: float = Field(
        default=0.0, ge=0, lt=0.5, description="error of a state-of-charge reading"
    )
    unit_trips: bool = Field(default=True, description="any one unit may trip or fail to start")
    step_known: bool = Field(
        default=False,
        description="load, wind and PV of the coming step are known when units are set",
    )

    @model_validator(mode="after")
    def _range(self) -> Disturbances:
        if self.load_min_kw > self.load_max_kw:
            msg = f"load_min_kw {self.load_min_kw} is above load_max_kw {self.load_max_kw}"
            raise ValueError(msg)
        return self


class Plant(StrictModel):
    """A whole plant, in start order of its gensets."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)
    gensets: tuple[Genset, ...] = Field(min_length=1, max_length=8)
    battery: Battery | None = None
    wind: Wind | None = None
    pv: Photovoltaic | None = None
    dump_kw: float = Field(default=0.0, ge=0, description="dump load, kW")
    shed_kw: float = Field(default=0.0, ge=0, description="load that may be shed, kW")
    shed_blocks: tuple[LoadBlock, ...] = Field(
        default=(),
        max_length=32,
        description="what that load is made of, in the order in which it is shed",
    )
    shed_delay_min: float = Field(default=1.0, ge=0, description="time until shed load is off, min")
    commitment: Literal["order", "free"] = Field(
        default="order",
        description="order: one start or stop a step in fixed order; free: any unit",
    )
    sharing: Literal["per_unit", "economic"] = Field(
        default="per_unit",
        description="how running units share load: equal share of prime, or cheapest",
    )
    reserve: Reserve = Reserve()
    ufls: Ufls = Ufls()
    disturbances: Disturbances
    frequency_hz: float = Field(default=60.0, gt=0)

    @model_validator(mode="after")
    def _blocks(self) -> Plant:
        names = [block.name for block in self.shed_blocks]
        if len(set(names)) != len(names):
            msg = f"names of shed_blocks must differ, got {', '.join(names)}"
            raise ValueError(msg)
        total = sum(block.kw for block in self.shed_blocks)
        if names and abs(total - self.shed_kw) > _BLOCKS_KW:
            msg = f"shed_kw {self.shed_kw:g} is not the sum of shed_blocks: write {total:g}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names(self) -> Plant:
        names = [g.name for g in self.gensets]
        if len(set(names)) != len(names):
            msg = f"genset names must differ, got {', '.join(names)}"
            raise ValueError(msg)
        if self.ufls.stages and self.ufls.stages[0].threshold_hz >= self.frequency_hz:
            first = self.ufls.stages[0].threshold_hz
            msg = f"ufls: first threshold {first:g} Hz is not below frequency_hz"
            raise ValueError(msg)
        if self.ufls.stages and self.shed_kw == 0.0:
            msg = "ufls: stages shed declared load only, and shed_kw is 0: declare some"
            raise ValueError(msg)
        return self


def shipped_plants() -> tuple[str, ...]:
    """Names of the plants in the package."""
    return tuple(sorted(path.stem for path in PLANTS.glob("*.yaml")))


def is_shipped(plant: Plant) -> bool:
    """Whether a plant is one of the package, to the last number, and not only called like it."""
    return plant.name in shipped_plants() and plant == load_plant(plant.name)


def load_plant(name: str | Path) -> Plant:
    """A shipped plant by name, or the user's plant file (YAML or JSON) by path.

    Raises:
        UnknownNameError: no shipped plant has that name.
        InputFileError: the file cannot be read.
        ScenarioError: the file is not a plant; every fault is named with its place.
    """
    from trimtab.run.diagnostics import faults_of
    from trimtab.run.yaml_document import decode, parse, raw_text

    if isinstance(name, str) and name not in shipped_plants():
        raise UnknownNameError(name, "shipped plant", shipped_plants())
    path = PLANTS / f"{name}.yaml" if isinstance(name, str) else name
    try:
        raw = raw_text(path)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}; name an existing plant file"
        raise InputFileError(msg) from error
    document = parse(decode(raw, path.name), path.name)
    try:
        plant = Plant.model_validate(document.data)
    except ValidationError as error:
        raise ScenarioError([*document.faults, *faults_of(error, document, Plant)]) from None
    if document.faults:
        raise ScenarioError(document.faults)
    return plant
