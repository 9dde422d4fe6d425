"""The network block of a scenario: which network, and where the plant stands in it."""

from __future__ import annotations

from pydantic import Field, model_validator
from trimtab.contracts.scenario import DataFile, StrictModel


class NetworkSettings(StrictModel):
    """The network block of a scenario."""

    file: DataFile = Field(description="network as pandapower's to_json writes it")
    gensets: dict[str, str] = Field(
        default={}, description="genset name → bus; at the slack if absent"
    )
    battery: str | None = Field(
        default=None, description="bus of the battery; the slack's if empty"
    )
    wind: str | None = Field(
        default=None, description="bus of the wind turbines; the slack's if empty"
    )
    pv: str | None = Field(default=None, description="bus of the PV field; the slack's if empty")
    v_min_pu: float = Field(
        default=0.95, gt=0, le=1, description="lowest allowed voltage, per unit"
    )
    v_max_pu: float = Field(
        default=1.05, ge=1, lt=2, description="highest allowed voltage, per unit"
    )
    loading_max_percent: float = Field(
        default=100.0, gt=0, description="largest allowed branch load, %"
    )

    @model_validator(mode="after")
    def _band(self) -> NetworkSettings:
        if self.v_min_pu >= self.v_max_pu:
            msg = f"v_min_pu {self.v_min_pu} must be below v_max_pu {self.v_max_pu}"
            raise ValueError(msg)
        return self
