"""What a user sets for a traffic-signal problem: network, demand, rules, sensors, disturbances.

Numpy-free and cheap to import: forms, validation and `--help` read only this.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from trimtab.contracts.scenario import DataFile, StrictModel

from trimtab_traffic.profiles import RuleProfile, field_profile, resco_profile
from trimtab_traffic.sources import NetSource, find_net

OBJECTIVES = ("delay", "queue", "max_wait", "stops", "co2", "bus_delay", "pedestrian_wait")


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


class Surge(StrictModel):
    """Demand multiplied by `factor` in a window; times count from the begin of the horizon."""

    start_s: float = Field(ge=0, description="begin of the surge, s")
    end_s: float = Field(gt=0, description="end of the surge, s")
    factor: float = Field(default=1.3, gt=0, le=10, description="multiplier on top of demand_scale")


class Demand(StrictModel):
    """How the demand of the files is changed."""

    scale: float = Field(default=1.0, gt=0, le=10, description="multiplier of all vehicles")
    surges: tuple[Surge, ...] = Field(default=(), description="windows of more or less demand")


class RuleSettings(StrictModel):
    """Signal timing rules: a named profile and what differs from it."""

    profile: Literal["field", "resco"] = Field(
        default="field",
        description="field: what a road authority asks; resco: benchmark",
    )
    decision_interval_s: int | None = Field(
        default=None, ge=1, le=60, description="decision interval, s"
    )
    limits: dict[str, Any] = Field(default={}, description="rules changed for all signals")
    signals: dict[str, dict[str, Any]] = Field(
        default={}, description="rules changed per signal id"
    )

    @model_validator(mode="after")
    def _valid_profile(self) -> Self:
        self.compiled(None)
        return self

    def compiled(self, source: NetSource | None) -> RuleProfile:
        """The profile with its changes; a wheel network brings its own interval and yellow."""
        changes = {**self.limits, "overrides": self.signals}
        if self.profile == "field":
            if self.decision_interval_s is not None:
                changes["decision_interval_s"] = self.decision_interval_s
            return field_profile(**changes)
        interval_s = self.decision_interval_s
        if interval_s is None:
            interval_s = 10 if source is None else source.decision_interval_s
        yellow_s = changes.pop("yellow_s", 3 if source is None else source.yellow_s)
        return resco_profile(interval_s, yellow_s, **changes)


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


class LaneClosure(StrictModel):
    """A lane or a whole edge closed for a time; counted from the begin of the horizon."""

    lane: str = Field(min_length=1, description="lane id, or edge id for all its lanes")
    start_s: float = Field(ge=0, description="begin, s")
    end_s: float = Field(gt=0, description="end, s")


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

    network: NetworkSource
    begin_s: float | None = Field(default=None, ge=0, description="begin, s; none: the source's")
    horizon_s: int = Field(default=3600, ge=60, le=86_400, description="evaluated time, s")
    warm_up_s: int = Field(default=0, ge=0, le=7200, description="simulated before, s")
    demand: Demand = Demand()
    rules: RuleSettings = RuleSettings()
    sensors: Sensors = Sensors()
    closures: tuple[LaneClosure, ...] = ()
    priority: Priority = Priority()
    weather: Weather = Weather()
    weights: dict[str, float] = Field(
        default={"delay": 1.0},
        description=f"weights of: {', '.join(OBJECTIVES)}",
    )
    emissions: bool = Field(default=False, description="compute CO2, NOx and fuel")
    teleport_s: float = Field(default=-1.0, description="standing time to teleport, s")
    backend: Literal["auto", "libsumo", "traci"] = Field(default="auto", description="link to SUMO")

    @field_validator("weights")
    @classmethod
    def _known_objectives(cls, weights: dict[str, float]) -> dict[str, float]:
        unknown = sorted(set(weights) - set(OBJECTIVES))
        if unknown or not weights or min(weights.values()) < 0 or not any(weights.values()):
            msg = f"weights: one or more of {', '.join(OBJECTIVES)}, none negative, one positive"
            raise ValueError(msg)
        return weights

    @model_validator(mode="after")
    def _windows_within_the_horizon(self) -> Self:
        windows: tuple[Surge | LaneClosure, ...] = (*self.demand.surges, *self.closures)
        for window in windows:
            if not window.start_s < window.end_s:
                msg = f"{type(window).__name__}: start_s must lie before end_s"
                raise ValueError(msg)
            if window.start_s >= self.horizon_s:
                msg = f"{type(window).__name__}: starts after the horizon of {self.horizon_s} s"
                raise ValueError(msg)
        return self

    @property
    def profile(self) -> RuleProfile:
        """The compiled rule profile."""
        return self.rules.compiled(self.network.source)
