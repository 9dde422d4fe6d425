"""A design domain: a rectangular cantilever beam of two materials, lightest that is stiff enough.

Euler–Bernoulli: tip deflection ``F·l³ / (3·E·I)``, ``I = w·h³/12``, mass ``ρ·w·h·l``.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from trimtab.contracts.domain import Domain
from trimtab.contracts.problem import Constraint, DesignProblem, DesignSpec, Evaluation, Status
from trimtab.contracts.scenario import StrictModel
from trimtab.contracts.space import Categorical, Float, Space
from trimtab.contracts.spec import FloatArray, Metric

LENGTH_M = 1.0
DEFLECTION_MAX_M = 0.005
# Young's modulus (Pa) and density (kg/m³), handbook values.
MATERIALS = {"steel": (210e9, 7850.0), "aluminium": (70e9, 2700.0)}


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
                    Float("width_m", 0.01, 0.1, "m", log=True),
                    Float("height_m", 0.01, 0.1, "m", log=True),
                    Categorical("material", tuple(MATERIALS)),
                )
            ),
            objectives=(Metric("mass_kg", "kg", "min"),),
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
            objectives=mass[:, None],
            constraints=(deflection - DEFLECTION_MAX_M)[:, None],
            cost_s=np.zeros(n),
            status=status,
            cached=np.zeros(n, bool),
            metrics={"mass_kg": mass, "deflection_m": deflection},
        )


class BeamDomain(Domain):
    """The toy design domain."""

    name = "toy.beam"
    title = "A cantilever beam"
    problem_model = BeamModel
    headline = Metric("mass_kg", "kg", "min", "mass of the lightest feasible beam")
    metrics = (headline,)

    def build(
        self,
        problem: BeamModel,
        copies: int = 1,
        interface: str = "default",
        autoreset: bool = False,
    ) -> BeamProblem:
        """See `Domain.build`."""
        return BeamProblem(problem)


DOMAIN = BeamDomain()
