"""The two kinds of problem, the bound that judges them, and the budget that is spent on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from trimtab.contracts.errors import (
    NeedNotGrantedError,
    SnapshotUnsupportedError,
    UnknownNameError,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from trimtab.contracts.space import Space
    from trimtab.contracts.spec import (
        Action,
        Float32Array,
        FloatArray,
        IntArray,
        Metric,
        Obs,
        Spec,
        Step,
    )

BoundKind = Literal["proven", "model", "floor", "best_known"]
Need = Literal["model", "forecast", "snapshot", "state", "future"]
Status = Literal["ok", "failed", "timeout"]


class ControlProblem(ABC):
    """Sequential decisions: N copies × A agents advance together.

    Rules every implementation keeps:

    - Given the same seed, context and actions, copy i is bit-identical for any N (own kernels);
      each copy equals a lone run (external simulators).
    - Exogenous randomness never depends on actions, so controllers share it.
    - With `autoreset` off, ended rows stay `alive=False` and nothing restarts; with it on, an
      ended row restarts in the same step and `final_obs` keeps the old episode's last
      observation. Truncation bootstraps from `final_obs`, termination does not.
    - `step(None)` advances under native control (a program installed in the simulator).

    Attributes:
        spec: static description; sizes are maxima over the copies.
        copies: N.
        autoreset: restart ended rows inside `step` (training), or not (evaluation).
    """

    spec: Spec
    copies: int
    autoreset: bool

    @abstractmethod
    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Start an episode in `rows` (all if None), one seed and one context row each.

        Args:
            seed: [M] int64.
            context: [M, P] float32, or None for the spec's defaults.
            rows: [M] int64, or None for all N copies.

        Returns:
            The observation of all N copies.
        """

    @abstractmethod
    def step(self, action: Action | None) -> Step:
        """Apply one joint action (None: native control) and advance every live copy.

        Raises:
            ActionError: wrong shape or dtype, illegal, or not finite.
        """

    def snapshot(self, rows: IntArray) -> Mapping[str, NDArray[Any]]:
        """Exact state of `rows`, random counters included.

        Raises:
            SnapshotUnsupportedError: the simulator cannot be copied.
        """
        msg = f"{self.spec.name} cannot be snapshot: check spec.supports_snapshot first"
        raise SnapshotUnsupportedError(msg)

    def restore(self, snapshot: Mapping[str, NDArray[Any]], rows: IntArray) -> None:
        """Put a snapshot back into `rows`.

        Raises:
            SnapshotUnsupportedError: the simulator cannot be copied.
        """
        msg = f"{self.spec.name} cannot be restored: check spec.supports_snapshot first"
        raise SnapshotUnsupportedError(msg)

    def resource(self, need: Need) -> Any:
        """What a controller that declared `need` may use; domains document the type.

        Raises:
            NeedNotGrantedError: this problem has nothing to give for that need.
        """
        msg = f"{self.spec.name} offers no {need!r}: remove it from the controller's needs"
        raise NeedNotGrantedError(msg)

    def episode_log(self, row: int) -> Mapping[str, Any]:
        """The simulator's own log of the row's last episode, for monitors."""
        return {}

    def details(self, row: int) -> Mapping[str, Mapping[str, float]]:
        """Per-element figures of the row's last episode for views (edge delay, unit power)."""
        return {}

    def close(self) -> None:
        """Release simulators and files; calling it twice is harmless."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Constraint:
    """A design constraint: the simulated quantity must not exceed `limit`."""

    name: str
    unit: str
    limit: float


@dataclass(frozen=True, slots=True)
class DesignSpec:
    """Static description of a design problem; fidelities go from cheap to full.

    Attributes:
        objectives: the first is the domain's headline, which single-objective searches minimise
            or maximise; multi-objective ones take them all.
        front: names of the objectives that span the Pareto front; all of them if empty.
    """

    name: str
    space: Space
    objectives: tuple[Metric, ...]
    constraints: tuple[Constraint, ...] = ()
    fidelities: tuple[str, ...] = ("full",)
    front: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [objective.name for objective in self.objectives]
        for name in self.front:
            if name not in names:
                raise UnknownNameError(name, f"objective of {self.name}", names)

    @property
    def front_columns(self) -> tuple[int, ...]:
        """Columns of the objectives that span the Pareto front."""
        names = [objective.name for objective in self.objectives]
        return tuple(names.index(name) for name in self.front or names)

    @property
    def front_metrics(self) -> tuple[Metric, ...]:
        """The objectives that span the Pareto front."""
        return tuple(self.objectives[column] for column in self.front_columns)


@dataclass(slots=True)
class Evaluation:
    """Results of n designs; a failed row is NaN, never stale.

    Attributes:
        objectives: F [n, K] float64, in the objectives' units and senses.
        constraints: G [n, C] float64, ≤ 0 is feasible.
        cost_s: [n] CPU seconds.
        status: one of ok, failed, timeout per design.
        metrics: name → [n].
        cached: [n] bool, True where no simulation was needed.
    """

    objectives: FloatArray
    constraints: FloatArray
    cost_s: FloatArray
    status: tuple[Status, ...]
    cached: NDArray[np.bool_]
    metrics: Mapping[str, FloatArray] = field(default_factory=dict)


class DesignProblem(ABC):
    """A space and a simulator that scores points of it."""

    spec: DesignSpec

    @abstractmethod
    def evaluate(self, designs: FloatArray, fidelity: str, seed: int) -> Evaluation:
        """Score coded designs [n, width]; one seed for all, so that noise is common."""

    def canonical(self, designs: FloatArray) -> FloatArray:
        """Map designs that are physically the same to one coded row."""
        return self.spec.space.canonical(designs)

    @property
    def identity(self) -> str:
        """What results depend on besides design, fidelity and seed: the key of caches.

        Overridden by problems with content: engine version and hash of every input file.
        """
        return self.spec.name

    def evaluate_design(self, design: Mapping[str, Any], fidelity: str, seed: int) -> Evaluation:
        """Score one design given in readable values.

        Override it to accept designs that lie outside the space that is searched (a reference
        that is in use today).

        Raises:
            ContractError: a parameter is missing or out of range.
            UnknownNameError: there is no such parameter.
        """
        return self.evaluate(self.spec.space.code([design]), fidelity, seed)

    def close(self) -> None:
        """Release simulators and files; calling it twice is harmless."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A computed bound on the headline metric.

    Attributes:
        value: in the headline's unit.
        kind: `proven`, or `model`, `floor`, `best_known`, in falling strength.
        how: one line on how it was computed.
        certificate: plain data that `Domain.verify` can check, or empty.
        front: the true Pareto front of a design problem, where known: objective → value of
            each point, the objectives being those of `DesignSpec.front_metrics`.
    """

    value: float
    kind: BoundKind
    how: str
    certificate: Mapping[str, Any] = field(default_factory=dict)
    cpu_s: float = 0.0
    front: tuple[Mapping[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """What something cost, on the axes on which methods are compared."""

    evaluations: int = 0
    env_steps: int = 0
    cpu_s: float = 0.0

    def __add__(self, other: Budget) -> Budget:
        return Budget(
            self.evaluations + other.evaluations,
            self.env_steps + other.env_steps,
            self.cpu_s + other.cpu_s,
        )
