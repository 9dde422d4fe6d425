"""What a scenario of several microgrids says: islands, ties between them, and common settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from trimtab.contracts.scenario import DataFile, StrictModel

from trimtab_grid.first_units import FirstUnit
from trimtab_grid.forecasts import ForecastSettings
from trimtab_grid.plant import Plant
from trimtab_grid.scenario import DataSource, Fault, GridScenario
from trimtab_grid.series import MIN_STEP_MIN


class Island(StrictModel):
    """One microgrid of the cluster, with its own plant, data, agent and shield."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40, description="of the island")
    plant: str | Plant = Field(description="shipped plant by name, or written out")
    plant_file: DataFile | None = Field(
        default=None, description="plant file (YAML or JSON) instead"
    )
    data: DataSource = Field(default=DataSource(), description="its load, wind and PV")
    certificate: DataFile | None = Field(
        default=None, description="proof of its plant, if it is the user's own"
    )
    first_units: tuple[FirstUnit, ...] = Field(
        default=(), description="units that are not off, long since, at the begin"
    )
    faults: tuple[Fault, ...] = Field(default=(), description="faults to inject into its plant")
    at_km: tuple[float, float] = Field(
        default=(0.0, 0.0), description="place on the map, km east, north"
    )


class Tie(StrictModel):
    """A tie line with converters at both ends: power flows as it is set, or not at all."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=40, description="of the tie")
    between: tuple[str, str] = Field(description="names of the two islands")
    capacity_kw: float = Field(gt=0, le=1e6, description="most power at the sending end, kW")
    loss_share: float = Field(
        default=0.04, ge=0, lt=0.5, description="share of sent power that is lost"
    )
    outages_per_year: float = Field(default=0.0, ge=0, description="mean number of random outages")
    outage_h: float = Field(default=3.0, gt=0, description="mean length of an outage, h")


class TieFault(StrictModel):
    """A tie trips, for every seed at the same time."""

    kind: Literal["tie_trip"] = Field("tie_trip", description="the tie carries nothing")
    tie: str = Field(description="name of the tie")
    at_min: float = Field(ge=0, description="begin, minutes after the episode's, min")
    for_min: float = Field(60.0, gt=0, description="how long it lasts, min")


class IslandsScenario(StrictModel):
    """The problem part of a scenario of several microgrids."""

    islands: tuple[Island, ...] = Field(
        (Island(name="east", plant="plant-b"), Island(name="west", plant="plant-b")),
        min_length=2,
        max_length=16,
        description="the microgrids",
    )
    ties: tuple[Tie, ...] = Field(
        (Tie(name="sound", between=("east", "west"), capacity_kw=100.0),),
        description="tie lines between them",
    )
    step_min: float = Field(60.0, ge=MIN_STEP_MIN * (1 - 1e-9), le=60, description="step, min")
    horizon_h: float = Field(24.0, gt=0, le=8784, description="length of an episode, h")
    forecast: ForecastSettings = Field(ForecastSettings(), description="forecasts in observations")
    shield: bool = Field(True, description="each island's shield stands before its plant")
    tie_faults: tuple[TieFault, ...] = Field((), description="trips of ties to inject")
    fuel_price: float = Field(1.5, gt=0, description="price of a litre, any currency")

    @model_validator(mode="after")
    def _joined(self) -> IslandsScenario:
        names = [island.name for island in self.islands]
        _differ("island", names)
        _differ("tie", [tie.name for tie in self.ties])
        for tie in self.ties:
            lost = [end for end in tie.between if end not in names]
            if lost or tie.between[0] == tie.between[1]:
                msg = f"tie {tie.name}: between {tie.between}; name two of {sorted(names)}"
                raise ValueError(msg)
        known = {tie.name for tie in self.ties}
        for fault in self.tie_faults:
            if fault.tie not in known:
                msg = f"tie_trip: tie {fault.tie!r}; name one of {sorted(known)}"
                raise ValueError(msg)
            if fault.at_min >= 60.0 * self.horizon_h:
                end = f"the end, {60.0 * self.horizon_h:g} min"
                msg = f"tie_trip: at_min {fault.at_min:g} is not before {end}: begin earlier"
                raise ValueError(msg)
        for k in range(len(names)):
            self.island_scenario(k)
        return self

    def island_scenario(self, index: int) -> GridScenario:
        """One island alone, as a scenario of one microgrid."""
        island = self.islands[index]
        return GridScenario(
            plant=island.plant,
            plant_file=island.plant_file,
            data=island.data,
            certificate=island.certificate,
            first_units=island.first_units,
            faults=island.faults,
            step_min=self.step_min,
            horizon_h=self.horizon_h,
            forecast=self.forecast,
            shield=self.shield,
            fuel_price=self.fuel_price,
        )

    @property
    def horizon(self) -> int:
        """Steps of an episode."""
        return round(self.horizon_h * 60.0 / self.step_min)


def _differ(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"{what} names must differ; {', '.join(twice)} stands twice"
        raise ValueError(msg)
