"""Gaussian-process Bayesian optimisation, by botorch.

Matérn-5/2 with one length scale per feature (dimension-scaled prior, Hvarfner et al. 2024), one
model for the objective of feasible designs and one for each constraint that was ever broken, on
a bilog scale (Eriksson and Poloczek 2021); batch log expected improvement weighted by the chance
of feasibility (Ament et al. 2023, arXiv 2310.20708). Ordered columns are features in [0, 1],
categories are one-hot. The acquisition is maximised over random designs and changes of the best
ones, so every candidate is legal. Hyperparameters, which cost most of the time, are fitted again
each time the told designs have doubled, from the last ones on; designs told in between enter
the models at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.contracts.parameters import Categorical
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray
from trimtab.search.grid import Grid
from trimtab.search.moves import moved
from trimtab.search.optimizer import INFEASIBLE, Optimizer

_MODELLED = 400  # most designs a model is fitted to: cubic cost
_FIT_STEPS = 25  # of L-BFGS; more change the hyperparameters little and cost seconds
_FIT_AGAIN = 2.0  # growth of the told designs from one fit to the next
_MC_SAMPLES = 64
_SHORTLIST = 96  # candidates that later picks of a batch are compared among


class GaussianProcess(Optimizer):
    """One search; the told history is its whole state.

    Args:
        space: what is searched.
        seed: of its randomness.
        startup: random designs before the first model.
        candidates: random designs compared for each choice, and as many near the best.
        together: designs chosen as one batch, however few are asked for at once: what one model
            costs, that many designs share.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        *,
        startup: int = 10,
        candidates: int = 256,
        together: int = 4,
    ) -> None:
        self._space, self._grid, self._seed = space, Grid(space), seed
        self._startup, self._candidates = startup, candidates
        self._together = together
        self._asked = 0
        self._waiting = np.empty((0, space.width))  # chosen, not yet asked for
        self._points = np.empty((0, space.width))
        self._score, self._constraints = np.empty(0), np.empty((0, 0))
        self._shapes: dict[tuple[int, int], Any] = {}  # (designs, output): found again if lost

    def ask(self, n: int) -> FloatArray:
        """See `Optimizer.ask`."""
        if len(self._waiting) < n:
            self._waiting = np.concatenate([self._waiting, self._more(n - len(self._waiting))])
        asked, self._waiting = self._waiting[:n], self._waiting[n:]
        return asked

    def _more(self, n: int) -> FloatArray:
        """At least `n` designs: random ones at first, then the choice of the models."""
        rng = np.random.default_rng([self._seed, self._asked])
        self._asked += 1
        feasible = self._score < INFEASIBLE
        if len(self._points) < self._startup or feasible.sum() < 2:
            return self._grid.snap(rng.random((n, self._grid.width)))
        count = max(n, self._together)
        return self._chosen(self._pool(rng), count, int(rng.integers(2**31)))

    def _pool(self, rng: np.random.Generator) -> FloatArray:
        """Random designs, and changes of one or two parameters of the best; none told before."""
        grid, m = self._grid, self._candidates
        best = self._points[np.argsort(self._score, kind="stable")[:8]]
        near = best[rng.integers(len(best), size=m)]
        hit = rng.random((m, len(grid.members))) < 1.5 / len(grid.members)
        hit[np.arange(m), rng.integers(len(grid.members), size=m)] = True
        draws = rng.random((1, m, grid.width + 3))
        local = moved(grid, near[None], hit[None, :, grid.owner], draws, np.array([0.3]))[0]
        pool = grid.snap(np.concatenate([rng.random((m, grid.width)), local]))
        told = {row.tobytes() for row in self._points}
        new = [row.tobytes() not in told for row in pool]
        return np.unique(pool[new], axis=0) if any(new) else pool

    def _chosen(self, pool: FloatArray, n: int, seed: int) -> FloatArray:
        """The `n` of `pool` that together promise most, picked one after another."""
        import torch

        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # jitter added, a fit stopped early: still a model
            torch.manual_seed(seed)
            features = torch.from_numpy(self._features(pool))
            acquisition = self._acquisition(seed)
            picked: list[int] = []
            open_ = torch.arange(len(pool))
            for _ in range(min(n, len(pool))):
                acquisition.set_X_pending(features[picked] if picked else None)
                with torch.no_grad():
                    gain = acquisition(features[open_][:, None])
                best = torch.argsort(gain, descending=True, stable=True)[: max(n, _SHORTLIST)]
                picked.append(int(open_[best[0]]))
                open_ = open_[best[1:]]
        return pool[picked]

    def _acquisition(self, seed: int) -> Any:
        import torch
        from botorch.acquisition.logei import qLogExpectedImprovement
        from botorch.acquisition.objective import GenericMCObjective
        from botorch.models.model_list_gp_regression import ModelListGP
        from botorch.sampling.normal import SobolQMCNormalSampler

        rows = self._modelled()
        outputs = [0, *(1 + np.flatnonzero((self._constraints[rows] > 0).any(axis=0)))]
        models = []
        for output in outputs:
            model = _model(*self._column(rows, output))
            shape = self._shape(self._last_fit(), output)
            if shape is not None:
                model.load_state_dict(shape)
            models.append(model.eval())
        goal = self._column(rows, 0)[1]
        return qLogExpectedImprovement(
            model=ModelListGP(*models),
            best_f=float(goal.max()),
            sampler=SobolQMCNormalSampler(torch.Size([_MC_SAMPLES]), seed=seed),
            objective=GenericMCObjective(_output(0)),
            constraints=[_output(k) for k in range(1, len(models))] or None,
        )

    def _last_fit(self) -> int:
        """Designs that were told when the hyperparameters were last to be fitted."""
        size = self._startup
        while size * _FIT_AGAIN <= len(self._score):
            size = int(size * _FIT_AGAIN)
        return size

    def _shape(self, designs: int, output: int) -> Any:
        """Hyperparameters of an output's model of the first `designs` designs; None if too few."""
        key = (designs, output)
        if key not in self._shapes:
            features, column = self._column(np.arange(designs), output)
            if len(column) < 2:
                return None
            model = _model(features, column)
            earlier = int(np.ceil(designs / _FIT_AGAIN))
            start = self._shape(earlier, output) if earlier >= self._startup else None
            if start is not None:
                model.load_state_dict(start)
            self._shapes[key] = _fitted(model).state_dict()
        return self._shapes[key]

    def _column(self, rows: NDArray[np.int64], output: int) -> tuple[Any, Any]:
        """Features and values of what an output's model reads: 0 the score, then constraints."""
        import torch

        if output:
            values = self._constraints[rows, output - 1]
            read = np.isfinite(values)
            column = _bilog(values[read])
        else:
            read = self._score[rows] < INFEASIBLE
            column = -_standardised(self._score[rows][read]) if read.any() else np.empty(0)
        features = self._features(self._points[rows[read]])
        return torch.from_numpy(features), torch.from_numpy(column)

    def _modelled(self) -> NDArray[np.int64]:
        """Rows the model is fitted to: the best half and the latest half of the allowance."""
        n = len(self._score)
        if n <= _MODELLED:
            return np.arange(n)
        best = np.argsort(self._score, kind="stable")[: _MODELLED // 2]
        return np.union1d(best, np.arange(n - _MODELLED // 2, n))

    def _features(self, points: FloatArray) -> FloatArray:
        columns = []
        for p, s in zip(self._space.parameters, self._space.slices, strict=True):
            if isinstance(p, Categorical):
                index = self._grid.index(points)[:, s]
                columns.append((index == np.arange(p.count)).astype(np.float64))
            else:
                columns.append(points[:, s])
        return np.concatenate(columns, axis=1)

    def tell(
        self,
        points: FloatArray,
        score: FloatArray,
        objectives: FloatArray | None = None,
        constraints: FloatArray | None = None,
    ) -> None:
        """See `Optimizer.tell`."""
        limits = np.empty((len(points), 0)) if constraints is None else constraints
        if not len(self._points):
            self._constraints = np.empty((0, limits.shape[1]))
        self._points = np.concatenate([self._points, points])
        self._score = np.concatenate([self._score, score])
        self._constraints = np.concatenate([self._constraints, limits])

    def state_dict(self) -> Mapping[str, NDArray[Any]]:
        """See `Optimizer.state_dict`."""
        return {
            "asked": np.array(self._asked),
            "waiting": self._waiting.copy(),
            "points": self._points.copy(),
            "score": self._score.copy(),
            "constraints": self._constraints.copy(),
        }

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See `Optimizer.load_state_dict`."""
        self._asked, self._waiting = int(state["asked"]), state["waiting"].copy()
        self._points, self._score = state["points"].copy(), state["score"].copy()
        self._constraints = state["constraints"].copy()
        self._shapes = {}


def _output(k: int) -> Callable[..., Any]:
    """Pick model output `k` from samples [..., q, outputs]."""

    def pick(samples: Any, X: Any = None) -> Any:  # noqa: N803 - botorch's keyword
        return samples[..., k]

    return pick


def _bilog(values: FloatArray) -> FloatArray:
    """Sign kept, size on a log scale in units of its median."""
    unit = max(float(np.median(np.abs(values))), 1e-300)
    return np.asarray(np.sign(values) * np.log1p(np.abs(values) / unit))


def _standardised(values: FloatArray) -> FloatArray:
    """Zero mean and unit spread; on a log scale where values span a wide positive range."""
    if values.min() > 0 and values.max() > 10 * values.min():
        values = np.log(values)
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


def _model(points: Any, column: Any) -> Any:
    """A botorch model of one column with the hyperparameters that its prior expects."""
    from botorch.models import SingleTaskGP
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior

    return SingleTaskGP(
        points,
        column[:, None],
        covar_module=get_covar_module_with_dim_scaled_prior(points.shape[1], use_rbf_kernel=False),
        outcome_transform=None,
    )


def _fitted(model: Any) -> Any:
    """The model with hyperparameters by maximum a posteriori, from those it has."""
    from botorch.fit import fit_gpytorch_mll
    from gpytorch.mlls import ExactMarginalLogLikelihood

    likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
    fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": _FIT_STEPS}})
    return model
