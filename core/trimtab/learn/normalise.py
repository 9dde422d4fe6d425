"""Running means and variances, per training seed, in float64 (Chan et al. 1979 merge)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.deploy.arrays import Array
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Normaliser

_MOMENTS = ("mean", "variance", "count")
_FLOOR = 1e-8  # variance below which a feature counts as constant


class RunningMoments:
    """Mean and variance of a stream of rows [S, M, d], each with weight 0 or 1."""

    def __init__(self, seeds: int, width: int) -> None:
        self.mean = np.zeros((seeds, width))
        self.variance = np.ones((seeds, width))
        self.count = np.zeros((seeds, 1))

    def add(self, rows: Array, weight: Array) -> None:
        """Merge rows [S, M, d] with weights [S, M]."""
        w = weight.astype(np.float64)[..., None]
        total = w.sum(axis=1)
        if not total.all():
            return
        x = rows.astype(np.float64)
        mean = (x * w).sum(axis=1) / total
        variance = (w * (x - mean[:, None]) ** 2).sum(axis=1) / total
        count = self.count + total
        shift = mean - self.mean
        spread = self.variance * self.count + variance * total
        self.variance = (spread + shift**2 * self.count * total / count) / count
        self.mean = self.mean + shift * total / count
        self.count = count

    def inverse_std(self) -> NDArray[np.float32]:
        """1/σ; 1 for constant features."""
        safe = np.where(self.variance > _FLOOR, self.variance, 1.0)
        return (1.0 / np.sqrt(safe)).astype(np.float32)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All moments, float64, as copies."""
        return {part: np.array(getattr(self, part)) for part in _MOMENTS}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        for part in _MOMENTS:
            setattr(self, part, np.array(state[part]))


class RunningNormaliser:
    """Moments of every numeric network input; frozen ones go into a `Policy`."""

    def __init__(self, net: NetSpec, seeds: int) -> None:
        widths = {"obs": net.obs_dim, "state": net.state_dim}
        widths |= {f"entities.{name}": width for name, width in net.blocks}
        self.moments = {k: RunningMoments(seeds, width) for k, width in widths.items() if width}

    @property
    def fitted(self) -> bool:
        """Whether any row has been seen."""
        return any(bool(m.count.all()) for m in self.moments.values())

    def add(self, inputs: Mapping[str, Array], alive: Array) -> None:
        """Merge raw inputs [S, B, A, ...]; dead agents and masked entities do not count."""
        for name, moments in self.moments.items():
            x = inputs[name]
            weight = alive
            if name == "state":
                weight = alive.any(axis=-1)
            elif name.startswith("entities."):
                weight = alive[..., None] & inputs[f"mask.{name.removeprefix('entities.')}"]
            seeds = x.shape[0]
            moments.add(x.reshape(seeds, -1, x.shape[-1]), weight.reshape(seeds, -1))

    def frozen(self) -> Normaliser:
        """The statistics so far, as float32."""
        return Normaliser(
            {name: m.mean.astype(np.float32) for name, m in self.moments.items()},
            {name: m.inverse_std() for name, m in self.moments.items()},
        )

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """All moments, float64."""
        return {
            f"{name}.{part}": x
            for name, m in self.moments.items()
            for part, x in m.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        for name, m in self.moments.items():
            m.load_state_dict({part: state[f"{name}.{part}"] for part in _MOMENTS})
