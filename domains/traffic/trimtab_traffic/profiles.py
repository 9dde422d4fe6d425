"""Rule profiles: the timing limits a signal must keep, as numbers the user can read and change.

``resco`` reproduces the published benchmark's decision loop; ``field`` is what a road authority
would ask for. Every result names its profile.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Seconds = float
Successors = Literal["free", "fixed", "ring_barrier"]


class Rules(BaseModel):
    """Timing limits of one signal; s, m, m/s.

    Attributes:
        yellow_rule: ``fixed`` uses ``yellow_s``; ``ite`` the ITE kinematic formula; ``rilsa`` the
            RiLSA table 3/4/5 s at 50/60/70 km/h.
        all_red_rule: ``none``, or ``geometric`` from conflict point distances.
        min_green_s: shortest green of a stage.
        max_green_s: longest green of a stage while another may follow; None: no limit.
        max_red_s: longest time a link that some stage serves is not green; None: no limit.
        walk_s: shortest green of a crossing.
        walking_speed_mps: a crossing is cleared in length / speed; None: no clearance is kept.
        pedestrian_recall: crossings are served within ``max_red_s`` without a call; otherwise only
            after one.
        successors: which stage may follow which: any, the next one in shipped order, or the
            ring-barrier order of a NEMA controller.
        spillback_guard: avoid green into exit lanes with less than ``spillback_space_m`` free.
        stale_after_s: follow the shipped plan when sensors have been silent for longer.
        bus_window_s, bus_lockout_s: how long one bus request may steer the signal, and how long the
            next one waits after that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    decision_interval_s: int = Field(5, ge=1, le=60)
    yellow_rule: Literal["fixed", "ite", "rilsa"] = "ite"
    yellow_s: int = Field(3, ge=1, le=10)
    reaction_time_s: float = Field(1.0, gt=0, le=3)
    deceleration_mps2: float = Field(3.05, gt=0, le=8)
    grade: float = Field(0.0, ge=-0.2, le=0.2)
    all_red_rule: Literal["none", "geometric"] = "geometric"
    all_red_floor_s: float = Field(1.0, ge=0, le=10)
    vehicle_length_m: float = Field(6.0, gt=0, le=30)
    min_green_s: int = Field(7, ge=1, le=120)
    max_green_s: int | None = Field(60, ge=1, le=600)
    max_red_s: int | None = Field(120, ge=10, le=900)
    walk_s: int = Field(7, ge=0, le=60)
    walking_speed_mps: float | None = Field(1.2, gt=0.3, le=2)
    pedestrian_recall: bool = True
    successors: Successors = "free"
    spillback_guard: bool = True
    spillback_space_m: float = Field(7.5, gt=0, le=50)
    stale_after_s: int = Field(30, ge=1, le=3600)
    bus_window_s: int = Field(20, ge=0, le=120)
    bus_lockout_s: int = Field(60, ge=0, le=600)

    @model_validator(mode="after")
    def _green_limits_agree(self) -> Self:
        if self.max_green_s is not None and self.min_green_s > self.max_green_s:
            msg = (
                f"min_green_s {self.min_green_s} is above max_green_s {self.max_green_s}: "
                "lower the first or raise the second"
            )
            raise ValueError(msg)
        return self


class RuleProfile(Rules):
    """Named limits for a whole network, with changes per signal id.

    Attributes:
        overrides: signal id -> fields of `Rules` that differ there.
    """

    name: Literal["resco", "field"]
    overrides: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _overrides_are_valid(self) -> Self:
        for signal_id, changes in self.overrides.items():
            if "decision_interval_s" in changes:
                msg = (
                    f"signal {signal_id!r}: decision_interval_s is one for all signals: "
                    "set it under rules"
                )
                raise ValueError(msg)
            self.for_signal(signal_id)
        return self

    def for_signal(self, signal_id: str) -> Rules:
        """Limits of one signal."""
        shared = self.model_dump(exclude={"name", "overrides"})
        return Rules.model_validate(shared | self.overrides.get(signal_id, {}))


def resco_profile(decision_interval_s: int = 10, yellow_s: int = 3, **changes: Any) -> RuleProfile:
    """Timing of the RESCO decision loop: fixed yellow, no all-red, min green = interval - yellow.

    Args:
        decision_interval_s: time between decisions, s; yellow included.
        yellow_s: yellow of every change, s.
        **changes: further fields of `RuleProfile`.

    Raises:
        ValueError: the yellow leaves no green, or a change is invalid.
    """
    asked = Rules(decision_interval_s=decision_interval_s, yellow_s=yellow_s)
    interval_s, yellow_s = asked.decision_interval_s, asked.yellow_s
    if yellow_s >= interval_s:
        msg = f"yellow {yellow_s} s leaves no green in a decision interval of {interval_s} s"
        raise ValueError(msg)
    fields: dict[str, Any] = {
        "name": "resco",
        "decision_interval_s": interval_s,
        "yellow_rule": "fixed",
        "yellow_s": yellow_s,
        "all_red_rule": "none",
        "min_green_s": interval_s - yellow_s,
        "max_green_s": None,
        "max_red_s": None,
        "walk_s": 0,
        "walking_speed_mps": None,
        "spillback_guard": False,
    }
    return RuleProfile.model_validate(fields | changes)


def field_profile(**changes: Any) -> RuleProfile:
    """Limits of a road authority: ITE yellow, geometric all-red, green and red limits, pedestrians.

    Raises:
        ValueError: a change is invalid.
    """
    return RuleProfile.model_validate({"name": "field"} | changes)
