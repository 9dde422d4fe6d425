"""What a user sets for a traffic-signal problem: network, demand, rules, sensors, disturbances.

Numpy-free and cheap to import: forms, validation and `--help` read only this.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from trimtab.contracts.errors import suggestion
from trimtab.contracts.scenario import DataFile, StrictModel, one_of

from trimtab_traffic.profiles import RuleProfile, Rules, field_profile, resco_profile
from trimtab_traffic.sources import NetSource, find_net

REWARDS = ("delay", "queue", "max_wait")
"""Reward channels that a learned controller always gets."""
OBJECTIVES = (*REWARDS, "stops", "co2", "bus_delay", "pedestrian_wait")
"""All there are; those beyond `REWARDS` are read only where `weights` names them."""


class GeneratedNetwork(StrictModel):
    """A network of our own, with signals, sidewalks and crossings; free of any licence."""

    kind: Literal["grid", "arterial", "town"] = Field(
        default="grid",
        description="arterial: cross streets have one lane and less demand; town: irregular",
    )
    columns: int = Field(default=3, ge=1, le=20, description="junctions from west to east")
    rows: int = Field(default=3, ge=1, le=20, description="junctions from south to north")
    block_m: float = Field(default=200.0, ge=50, le=2000, description="distance of junctions, m")
    lanes: int = Field(default=2, ge=1, le=4, description="lanes per direction")
    speed_kmh: float = Field(default=50.0, ge=20, le=100, description="speed limit, km/h")
    vehicles_per_h: float = Field(default=1800.0, gt=0, le=100_000, description="vehicles per hour")
    pedestrians_per_h: float = Field(default=0.0, ge=0, le=100_000, description="persons per hour")
    buses_per_h: float = Field(default=0.0, ge=0, le=10_000, description="buses per hour")
    demand_h: float = Field(default=1.0, gt=0, le=24, description="hours of demand")
    network_seed: int = Field(default=1, ge=0, description="seed of layout and demand")


class NetworkSource(StrictModel):
    """Where the network and its demand come from: exactly one of five ways."""

    wheel: str | None = Field(default=None, description="name of an installed wheel's network")
    generated: GeneratedNetwork | None = Field(default=None, description="a generated network")
    sumocfg: DataFile | None = Field(default=None, description="a SUMO configuration")
    net: DataFile | None = Field(default=None, description="a SUMO network; give routes with it")
    osm: DataFile | None = Field(default=None, description="an OpenStreetMap extract")
    routes: tuple[DataFile, ...] = Field(default=(), description="demand of `net` or `osm`")
    additional: tuple[DataFile, ...] = Field(default=(), description="SUMO additional files")

    @field_validator("wheel")
    @classmethod
    def _known_wheel(cls, name: str | None) -> str | None:
        if name is not None:
            find_net(name)
        return name

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        ways = ("wheel", "generated", "sumocfg", "net", "osm")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            msg = f"give exactly one of {', '.join(ways)}; got {', '.join(given) or 'none'}"
            raise ValueError(msg)
        if self.net is not None and not self.routes:
            msg = "net without demand: name its route files under routes"
            raise ValueError(msg)
        if (self.routes or self.additional) and given[0] not in {"net", "osm"}:
            msg = f"routes and additional belong to net or osm, not to {given[0]}"
            raise ValueError(msg)
        return self

    @property
    def source(self) -> NetSource | None:
        """The wheel network, if it is one."""
        return None if self.wheel is None else find_net(self.wheel)


class Window(StrictModel):
    """A stretch of time that must not be empty."""

    start_s: float = Field(ge=0, description="begin, s")
    end_s: float = Field(gt=0, description="end, s")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start_s < self.end_s:
            msg = f"start_s {self.start_s:g} must lie before end_s {self.end_s:g}"
            raise ValueError(msg)
        return self


class Surge(Window):
    """Demand multiplied by `factor` in a window; times count from the begin of the horizon."""

    factor: float = Field(default=1.3, gt=0, le=10, description="multiplier on top of demand_scale")


class Demand(StrictModel):
    """How the demand of the files is changed."""

    scale: float = Field(default=1.0, gt=0, le=10, description="multiplier of all vehicles")
    surges: tuple[Surge, ...] = Field(default=(), description="windows of more or less demand")
    od_noise: float = Field(
        default=0.0, ge=0, le=1, description="most that a relation gets more or less, share"
    )
    od_seed: int = Field(default=1, ge=0, description="seed of the noise on relations")


def _in_words(detail: ErrorDetails) -> str:
    """A finding on one rule; the rule is no key of the file's model, so it is named here."""
    text = detail["msg"].removeprefix("Value error, ")
    return f"{detail['loc'][-1]}: {text}" if detail["loc"] else text


class RuleSettings(StrictModel):
    """Signal timing rules: a named profile and what differs from it."""

    profile: Literal["field", "resco"] = Field(
        default="field",
        description="field: what a road authority asks; resco: benchmark",
    )
    decision_interval_s: int | None = Field(
        default=None, ge=1, le=60, description="decision interval, s"
    )
    limits: dict[str, Any] = Field(
        default={}, description="rules changed for all signals, such as min_green_s or max_red_s"
    )
    signals: dict[str, dict[str, Any]] = Field(
        default={}, description="rules changed per signal id"
    )

    @field_validator("limits", "signals")
    @classmethod
    def _known_rules(cls, changes: dict[str, Any]) -> dict[str, Any]:
        nested = [change for change in changes.values() if isinstance(change, dict)]
        known = sorted(Rules.model_fields)
        for name in (name for change in nested or [changes] for name in change):
            if name not in known:
                msg = f"unknown rule {name!r}; known: {', '.join(known)}.{suggestion(name, known)}"
                raise ValueError(msg)
        return changes

    @model_validator(mode="after")
    def _valid_profile(self) -> Self:
        try:
            self.compiled(None)
        except ValidationError as error:
            raise ValueError("; ".join(map(_in_words, error.errors()))) from None
        return self

    def compiled(self, source: NetSource | None) -> RuleProfile:
        """The profile with its changes; a wheel network brings its own interval and yellow."""
        changes = {**self.limits, "overrides": self.signals}
        if self.decision_interval_s is not None:
            changes["decision_interval_s"] = self.decision_interval_s
        if self.profile == "field":
            return field_profile(**changes)
        if source is not None:
            own = {"decision_interval_s": source.decision_interval_s, "yellow_s": source.yellow_s}
            changes = own | changes
        return resco_profile(**changes)


class SensorFault(StrictModel):
    """Detectors that lie; times count from the begin of the horizon."""

    kind: Literal["stuck_on", "stuck_off", "dropout", "latency"]
    share: float = Field(default=0.2, gt=0, le=1, description="share of lanes, drawn by seed")
    start_s: float = Field(default=0.0, ge=0, description="begin, s")
    end_s: float | None = Field(default=None, gt=0, description="end, s; none: to the end")
    probability: float = Field(default=0.2, gt=0, le=1, description="of a lost reading (dropout)")
    latency_s: float = Field(default=30.0, gt=0, le=600, description="age of readings (latency), s")


class Sensors(StrictModel):
    """What controllers may know of the traffic."""

    kind: Literal["perfect", "e1", "e2", "probes"] = Field(
        default="perfect",
        description="perfect lane area, loops, short lane area, probes",
    )
    range_m: float = Field(default=50.0, gt=0, le=500, description="length an E2 covers, m")
    penetration: float = Field(default=0.1, gt=0, le=1, description="share of probe vehicles")
    faults: tuple[SensorFault, ...] = ()


class LaneClosure(Window):
    """A lane or a whole edge closed for a time; counted from the begin of the horizon."""

    lane: str = Field(min_length=1, description="lane id, or edge id for all its lanes")


class Priority(StrictModel):
    """Vehicles that signals should serve first."""

    emergency_every_s: float | None = Field(
        default=None,
        ge=10,
        description="s between emergency vehicles; none: no such vehicles",
    )
    bus: bool = Field(default=False, description="buses ask signals for green")


class Weather(StrictModel):
    """Factors on every vehicle type."""

    speed_factor: float = Field(default=1.0, gt=0.1, le=1.5, description="on the desired speed")
    decel_factor: float = Field(default=1.0, gt=0.1, le=1.5, description="on comfortable braking")
    accel_factor: float = Field(default=1.0, gt=0.1, le=1.5, description="on acceleration")


class SignalsProblem(StrictModel):
    """The problem part of a `traffic.signals` scenario."""

    network: NetworkSource = Field(description="roads, signals and demand")
    begin_s: float | None = Field(default=None, ge=0, description="begin, s; none: the source's")
    horizon_s: int = Field(default=3600, ge=60, le=86_400, description="evaluated time, s")
    warm_up_s: int = Field(default=0, ge=0, le=7200, description="simulated before, s")
    demand: Demand = Field(default=Demand(), description="changes to the demand")
    rules: RuleSettings = Field(default=RuleSettings(), description="safety rules of signals")
    sensors: Sensors = Field(default=Sensors(), description="what controllers may see")
    closures: tuple[LaneClosure, ...] = Field(default=(), description="lanes closed for a while")
    priority: Priority = Field(default=Priority(), description="buses and emergency vehicles")
    weather: Weather = Field(default=Weather(), description="road surface and sight")
    weights: dict[Annotated[str, one_of(OBJECTIVES)], float] = Field(
        default={"delay": 1.0},
        description=f"weights of the rewards of learners: {', '.join(OBJECTIVES)}",
    )
    emissions: bool = Field(default=False, description="compute CO2, NOx and fuel")
    teleport_s: float = Field(
        default=-1.0, ge=-1, le=86_400, description="standing time to teleport, s; -1: never"
    )
    backend: Literal["auto", "libsumo", "traci"] = Field(default="auto", description="link to SUMO")

    @field_validator("weights")
    @classmethod
    def _known_objectives(cls, weights: dict[str, float]) -> dict[str, float]:
        if not weights or min(weights.values()) < 0 or not any(weights.values()):
            msg = f"weights: one or more of {', '.join(OBJECTIVES)}, none negative, one positive"
            raise ValueError(msg)
        return weights

    @model_validator(mode="after")
    def _windows_within_the_horizon(self) -> Self:
        for name, windows in (("demand.surges", self.demand.surges), ("closures", self.closures)):
            for number, window in enumerate(windows):
                if window.start_s >= self.horizon_s:
                    msg = f"{name}[{number}] starts after the horizon of {self.horizon_s} s"
                    raise ValueError(msg)
        return self

    @property
    def profile(self) -> RuleProfile:
        """The compiled rule profile."""
        return self.rules.compiled(self.network.source)
