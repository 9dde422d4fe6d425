"""A design domain: a rectangular cantilever beam of two materials, lightest that is stiff enough.

Euler–Bernoulli: tip deflection ``F·l³ / (3·E·I)``, ``I = w·h³/12``, mass ``ρ·w·h·l``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from trimtab.contracts.domain import Domain
from trimtab.contracts.errors import BoundError
from trimtab.contracts.problem import (
    Bound,
    Constraint,
    DesignProblem,
    DesignSpec,
    Evaluation,
    Status,
)
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.space import Categorical, Float, Space
from trimtab.contracts.spec import FloatArray, Metric

LENGTH_M = 1.0
DEFLECTION_MAX_M = 0.005
SIDE_MIN_M, SIDE_MAX_M = 0.01, 0.1
STOCK_STEP_M = 0.005
FRONT_POINTS = 200
# Young's modulus (Pa) and density (kg/m³), handbook values.
MATERIALS = {"steel": (210e9, 7850.0), "aluminium": (70e9, 2700.0)}
MASS = Metric("mass_kg", "kg", "min", "mass of the beam")
DEFLECTION = Metric("deflection_m", "m", "min", "deflection of the tip under the load")


class BeamModel(StrictModel):
    """What the user sets."""

    load_n: float = Field(1000.0, gt=0, description="tip load, N")


class BeamProblem(DesignProblem):
    """Closed-form beam; deterministic."""

    def __init__(self, model: BeamModel) -> None:
        self._load_n = model.load_n
        self.spec = DesignSpec(
            name="toy.beam-1",
            space=Space(
                (
                    Float("width_m", SIDE_MIN_M, SIDE_MAX_M, "m", log=True),
                    Float("height_m", SIDE_MIN_M, SIDE_MAX_M, "m", log=True),
                    Categorical("material", tuple(MATERIALS)),
                )
            ),
            objectives=(MASS, DEFLECTION),
            constraints=(Constraint("deflection", "m", DEFLECTION_MAX_M),),
        )

    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """See `DesignProblem.evaluate`."""
        table = np.array(list(MATERIALS.values()))[designs[:, 2].astype(np.int64)]
        width, height = designs[:, 0], designs[:, 1]
        inertia = width * height**3 / 12
        deflection = self._load_n * LENGTH_M**3 / (3 * table[:, 0] * inertia)
        mass = table[:, 1] * width * height * LENGTH_M
        n = len(designs)
        status: tuple[Status, ...] = tuple("ok" for _ in designs)
        return Evaluation(
            objectives=np.stack([mass, deflection], axis=1),
            constraints=(deflection - DEFLECTION_MAX_M)[:, None],
            cost_s=np.zeros(n),
            status=status,
            cached=np.zeros(n, bool),
            metrics={"mass_kg": mass, "deflection_m": deflection},
        )


def lightest(load_n: float, material: str, deflection_m: float = DEFLECTION_MAX_M) -> float | None:
    """Width × height (m²) of the lightest beam of a material that bends no further, or None.

    Stiffness asks for w·h³ ≥ k, so w·h = (w·h³)/h² is least at the greatest height.
    """
    young, _ = MATERIALS[material]
    k = 4 * load_n * LENGTH_M**3 / (young * deflection_m)
    width = max(k / SIDE_MAX_M**3, SIDE_MIN_M)
    if width > SIDE_MAX_M * (1 + 1e-12):
        return None
    height = SIDE_MAX_M if width > SIDE_MIN_M else max((k / width) ** (1 / 3), SIDE_MIN_M)
    return width * height


class BeamDomain(Domain):
    """The toy design domain."""

    name = "toy.beam"
    title = "A cantilever beam"
    problem_model = BeamModel
    headline = MASS
    metrics = (MASS, DEFLECTION)

    def build(
        self,
        problem: BeamModel,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> BeamProblem:
        """See `Domain.build`."""
        return BeamProblem(problem)

    def reference_designs(self, problem: BeamModel) -> Mapping[str, Mapping[str, Any]]:
        """The square steel bar of the next stock size that is stiff enough."""
        side = (4 * problem.load_n * LENGTH_M**3 / (MATERIALS["steel"][0] * DEFLECTION_MAX_M)) ** (
            1 / 4
        )
        stock = min(math.ceil(side / STOCK_STEP_M) * STOCK_STEP_M, SIDE_MAX_M)
        return {"square_bar": {"width_m": stock, "height_m": stock, "material": "steel"}}

    def cross_checks(self, problem: BeamModel, seed: int) -> Mapping[str, tuple[float, float]]:
        """The tip's deflection, closed form against the integral of M·x/(E·I) along the beam."""
        width_m, height_m = 0.04, 0.05
        design = {"width_m": width_m, "height_m": height_m, "material": "steel"}
        found = BeamProblem(problem).evaluate_design(design, "full", seed)
        rigidity = MATERIALS["steel"][0] * width_m * height_m**3 / 12
        edges = np.linspace(0.0, LENGTH_M, 2001)
        middles = (edges[1:] + edges[:-1]) / 2  # distance from the tip; the moment is F·x
        tip = float((problem.load_n * middles**2 / rigidity * np.diff(edges)).sum())
        return {"deflection_m": (float(found.objectives[0, 1]), tip)}

    def bound(self, problem: BeamModel, seed: int) -> Bound | None:
        """The optimum in closed form, and the front over falling deflections."""
        mass = _lightest_kg(problem.load_n, DEFLECTION_MAX_M)
        if mass is None:
            return None
        points: list[Mapping[str, float]] = []
        for deflection in np.geomspace(DEFLECTION_MAX_M, DEFLECTION_MAX_M / 100, FRONT_POINTS):
            least = _lightest_kg(problem.load_n, float(deflection))
            if least is not None:
                points.append({"mass_kg": least, "deflection_m": float(deflection)})
        how = "tallest beam, as narrow as stiffness allows, of the better material"
        return Bound(mass, "proven", how, {"load_n": problem.load_n}, front=tuple(points))

    def verify(self, problem: BeamModel, seed: int, bound: Bound) -> None:
        """Score a fine grid of beams: none that is stiff enough may be lighter."""
        sides = np.geomspace(SIDE_MIN_M, SIDE_MAX_M, 200)
        grid = np.stack(np.meshgrid(sides, sides, [0, 1]), axis=-1).reshape(-1, 3)
        scored = BeamProblem(problem).evaluate(grid, "full", seed)
        feasible = scored.objectives[scored.constraints[:, 0] <= 0, 0]
        if feasible.size and feasible.min() < bound.value * (1 - 1e-9):
            msg = f"toy.beam: bound {bound.value} kg but a beam of {feasible.min()} kg is stiff"
            raise BoundError(msg)

    def export(
        self, problem: BeamModel, controller: str, parameters: Mapping[str, Any], out: Path
    ) -> tuple[Path, ...]:
        """The cutting list of one beam."""
        out.mkdir(parents=True, exist_ok=True)
        path = out / "beam.json"
        sizes = {f"{k.removesuffix('_m')}_mm": round(1000 * parameters[k], 3) for k in _SIDES}
        text = json.dumps({"material": parameters["material"], "length_mm": 1000.0, **sizes})
        path.write_text(text + "\n", encoding="utf-8")
        return (path,)


_SIDES = ("width_m", "height_m")


def _lightest_kg(load_n: float, deflection_m: float) -> float | None:
    """Mass of the lightest beam of any material that bends no further, or None."""
    areas = {name: lightest(load_n, name, deflection_m) for name in MATERIALS}
    masses = [MATERIALS[n][1] * area * LENGTH_M for n, area in areas.items() if area is not None]
    return min(masses, default=None)


DOMAIN = BeamDomain()
