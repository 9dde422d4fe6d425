"""A policy over designs, trained on generated workloads, that designs for an unseen trace.

One step, one design: a contextual bandit. Its arms are the best designs of searches on training
workloads; every arm is then simulated on every training workload. For a new trace the policy looks
at features alone: kernel ridge regression (Gaussian kernel) predicts the logarithm of each arm's
energy × time over the reference's, and the arm of the least prediction is proposed, with no
simulator call. Further calls go to the next arms, then to neighbours of the best design met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from trimtab.contracts.errors import CheckpointError
from trimtab.contracts.space import Space
from trimtab.contracts.spec import FloatArray, IntArray
from trimtab.deploy.weights import load_arrays, save_arrays
from trimtab.search.catalogue import make
from trimtab.search.exhaustive import neighbours

from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.features import FEATURES, features
from trimtab_hardware.dram.part import Part
from trimtab_hardware.dram.simulation import Engine
from trimtab_hardware.dram.spaces import configuration_of, seed10
from trimtab_hardware.dram.traces import LINE_BYTES, Trace
from trimtab_hardware.dram.workloads import mixed_load

Score = Callable[[FloatArray], FloatArray]
SHIPPED = Path(__file__).parent / "weights" / "transfer.safetensors"
"""Trained by `benchmarks/dram_transfer.py 60 100 2000`."""
KIND = "transfer policy"
ARMS_PER_WORKLOAD = 3
WIDTHS = (0.15, 0.25, 0.4, 0.6, 1.0)
RIDGES = (1e-3, 1e-2, 1e-1)
"""Shapes of the kernel that are tried."""
BATCH = 8


def scorer(trace: Trace, part: Part) -> Score:
    """Coded designs of space A → logarithm of energy × time over that of the reference."""
    engine, space = Engine(trace, part), seed10()

    def log_product(configuration: Configuration) -> float:
        result = engine.run(configuration)
        return float(np.log(result.energy_pj) + np.log(result.total_ck))

    base = log_product(Configuration())

    def score(rows: FloatArray) -> FloatArray:
        designs = space.designs(rows)
        found = [log_product(configuration_of(d, Configuration())) - base for d in designs]
        return np.array(found)

    return score


def observed(trace: Trace, part: Part) -> FloatArray:
    """Features of a trace on a part with its default map."""
    at = part.map.decode(trace.address)
    return features(trace, at.bank, at.row, part.banks, part.burst_ck)


def training_traces(count: int, part: Part, seed: int, requests: int = 2000) -> list[Trace]:
    """Generated workloads of all loads (idle to four times the bus), the kinds in turn.

    The kinds: runs of sequential and uniform lines; several walks that take turns, as loops over
    arrays do, among uniform lines; fills and late write-backs of a cache before a random program.
    """
    rng = np.random.default_rng(seed)
    traces = []
    for k in range(count):
        drawn = (_walks, _runs, _misses)[k % 3](rng, part, requests)
        load = float(np.exp(rng.uniform(np.log(0.15), np.log(4.0))))
        arrival = np.floor(drawn.arrival * (0.8 / load)).astype(np.int64)
        traces.append(Trace.of(arrival, drawn.address, drawn.is_write))
    return traces


def _runs(rng: np.random.Generator, part: Part, requests: int) -> Trace:
    """Runs of sequential or uniform lines at 80 % load."""
    return mixed_load(
        0.8,
        int(requests * part.burst_ck * 1.6),
        part.burst_ck,
        sequential_share=float(rng.choice([0.0, rng.random(), 1.0], p=[0.15, 0.7, 0.15])),
        write_share=float(rng.choice([0.0, rng.random()])),
        run_length=float(np.exp(rng.uniform(0, np.log(200)))),
        capacity_bytes=min(part.capacity_bytes, 1 << int(rng.integers(20, 31))),
        seed=int(rng.integers(1 << 31)),
    ).prefix(requests)


def _walks(rng: np.random.Generator, part: Part, requests: int) -> Trace:
    """Aligned walks that take turns at 80 % load, some of them writing, among uniform lines."""
    walks, turn = int(rng.integers(2, 7)), int(rng.choice([1, 1, 2, 8]))
    lines = part.capacity_bytes // LINE_BYTES
    alignment = 1 << int(rng.integers(7, 18))
    base = rng.integers(0, lines // alignment // 2, walks) * alignment
    number = np.arange(requests)
    walk = number // turn % walks
    step = number // (turn * walks) * turn + number % turn
    uniform = rng.random(requests) < rng.choice([0.0, 0.0, rng.random()])
    line = np.where(uniform, rng.integers(0, lines, requests), base[walk] + step)
    writing = rng.random(walks) < rng.choice([0.0, 0.4])
    gaps = rng.geometric(0.8 / part.burst_ck, requests)
    return Trace.of(np.cumsum(gaps) - gaps[0], line * LINE_BYTES, writing[walk])


def _misses(rng: np.random.Generator, part: Part, requests: int) -> Trace:
    """Fills of streams and of uniform lines at 80 % load, dirty ones written back much later."""
    depth, streams = int(rng.integers(64, 4096)), int(rng.integers(1, 5))
    total = requests + depth
    lines = part.capacity_bytes // LINE_BYTES
    uniform = rng.random(total) < rng.random()
    region = 1 << int(rng.integers(12, lines.bit_length()))
    base = rng.integers(0, lines // 2, streams)
    number = np.cumsum(~uniform)
    walk = base[number % streams] + number // streams
    line = np.where(uniform, rng.integers(0, region, total), walk) % lines
    dirty_share = rng.choice([0.0, 1.0, rng.random()], 2)
    dirty = rng.random(total) < dirty_share[uniform.astype(np.int64)]
    back = dirty[:-depth]
    paired = np.stack([line[:-depth], line[depth:]], axis=1)
    kept = np.stack([back, np.ones_like(back)], axis=1).ravel()
    writes = np.tile([True, False], len(back))[kept][:requests]
    gaps = rng.geometric(0.8 / part.burst_ck, len(back))
    arrival = np.repeat(np.cumsum(gaps) - gaps[0], 2)[kept][:requests]
    return Trace.of(arrival, paired.ravel()[kept][:requests] * LINE_BYTES, writes)


@dataclass(frozen=True, slots=True, eq=False)
class TransferPolicy:
    """Arms and what they did on the training workloads.

    Attributes:
        arms: [arms, width] coded designs of space A.
        seen: [workloads, features].
        outcome: [workloads, arms] log of energy × time over the reference's.
        width: width of the Gaussian kernel in feature space.
        ridge: regularisation.
    """

    arms: FloatArray
    seen: FloatArray
    outcome: FloatArray
    width: float = 0.5
    ridge: float = 1e-2

    def predict(self, context: FloatArray) -> FloatArray:
        """Predicted outcome [arms] on a workload of features [features]."""
        mean = self.outcome.mean(axis=0)
        gram = self._kernel(self.seen) + self.ridge * np.eye(len(self.seen))
        weights = np.linalg.solve(gram, self.outcome - mean)
        return np.asarray(mean + self._kernel(context[None])[0] @ weights)

    def _kernel(self, contexts: FloatArray) -> FloatArray:
        """[n, workloads] similarity of contexts to the training workloads."""
        squared = ((contexts[:, None] - self.seen[None]) ** 2).sum(axis=2)
        return np.asarray(np.exp(-squared / (2 * self.width**2)))

    def ranked(self, context: FloatArray) -> IntArray:
        """Arms, the most promising first."""
        return np.argsort(self.predict(context), kind="stable")

    def propose(self, trace: Trace, part: Part) -> dict[str, Any]:
        """A design for a trace, with no simulator call."""
        best = self.ranked(observed(trace, part))[0]
        return seed10().designs(self.arms[best : best + 1])[0]

    def improve(
        self, trace: Trace, part: Part, calls: int, score: Score, trials: int = 5
    ) -> tuple[FloatArray, FloatArray]:
        """Spend simulator calls: first on the next arms, then on neighbours of the best design.

        Returns:
            The designs in the order of their calls [calls, width], and their scores.
        """
        space = seed10()
        order = self.ranked(observed(trace, part))[: min(trials, calls)]
        rows = self.arms[order]
        scores = score(rows)
        rng = np.random.default_rng(0)
        while len(rows) < calls:
            near = _fresh(space, rows, scores)
            if not len(near):
                break
            chosen = near[int(rng.integers(len(near)))][None]
            rows, scores = np.concatenate([rows, chosen]), np.append(scores, score(chosen))
        return rows, scores

    def save(self, path: Path, notes: Mapping[str, Any] | None = None) -> None:
        """Write the policy to a .safetensors file; how it was trained to the .json beside it."""
        arrays = {
            "arms": self.arms,
            "seen": self.seen,
            "outcome": self.outcome,
            "shape": np.array([self.width, self.ridge]),
        }
        save_arrays(path, arrays, {"kind": KIND, "features": FEATURES, "notes": dict(notes or {})})


def load_policy(path: Path = SHIPPED) -> TransferPolicy:
    """A stored policy; the shipped one if no path is given.

    Raises:
        CheckpointError: the file is missing, damaged, or of other features or another space.
    """
    arrays, manifest = load_arrays(path)
    if manifest.get("kind") != KIND:
        msg = f"{path}: holds a {manifest.get('kind')!r}, not a {KIND}"
        raise CheckpointError(msg)
    same = tuple(manifest.get("features", ())) == FEATURES
    if not same or arrays["arms"].shape[1] != seed10().width:
        msg = f"{path}: was trained on another space or other features: train it again"
        raise CheckpointError(msg)
    width, ridge = arrays["shape"].tolist()
    return TransferPolicy(arrays["arms"], arrays["seen"], arrays["outcome"], width, ridge)


def _fresh(space: Space, rows: FloatArray, scores: FloatArray) -> FloatArray:
    """Neighbours not tried yet of the best design that has any."""
    tried = {row.tobytes() for row in rows}
    for best in np.argsort(scores, kind="stable"):
        near = neighbours(space, rows[best])
        fresh = [row for row in near if row.tobytes() not in tried]
        if fresh:
            return np.array(fresh)
    return np.empty((0, space.width))


def train(
    traces: Sequence[Trace],
    part: Part,
    evaluations: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> TransferPolicy:
    """Search each workload for its best designs, then try all of them on all workloads.

    Args:
        traces: training workloads.
        part: memory of one channel.
        evaluations: simulator calls of each search.
        seed: of the searches.
        progress: called with the number of workloads searched.
    """
    space = seed10()
    found: list[FloatArray] = []
    for k, trace in enumerate(traces):
        found.append(_best_designs(scorer(trace, part), space, evaluations, seed + k))
        if progress is not None:
            progress(k + 1)
    arms = np.unique(np.concatenate(found), axis=0)
    outcome = np.array([scorer(trace, part)(arms) for trace in traces])
    return fitted(TransferPolicy(arms, np.array([observed(t, part) for t in traces]), outcome))


def fitted(policy: TransferPolicy) -> TransferPolicy:
    """The policy with the width and ridge of least regret where each workload is left out once."""
    choices = [replace(policy, width=w, ridge=r) for w in WIDTHS for r in RIDGES]
    return min(choices, key=_left_out_regret)


def _left_out_regret(policy: TransferPolicy) -> float:
    """Mean regret of the proposals for each training workload by a policy trained on the others."""
    everyone = np.arange(len(policy.seen))
    total = 0.0
    for k in everyone:
        others = everyone != k
        rest = replace(policy, seen=policy.seen[others], outcome=policy.outcome[others])
        chosen = int(np.argmin(rest.predict(policy.seen[k])))
        total += float(policy.outcome[k, chosen] - policy.outcome[k].min())
    return total / len(everyone)


def _best_designs(score: Score, space: Space, evaluations: int, seed: int) -> FloatArray:
    """The best designs of one search, each once."""
    optimizer = make("screening", space, seed)
    rows, scores = np.empty((0, space.width)), np.empty(0)
    while len(rows) < evaluations:
        points = optimizer.ask(BATCH)
        asked = space.canonical(space.decode(points))
        found = score(asked)
        optimizer.tell(points, found)
        rows, scores = np.concatenate([rows, asked]), np.append(scores, found)
    rows, first = np.unique(rows, axis=0, return_index=True)
    return rows[np.argsort(scores[first], kind="stable")[:ARMS_PER_WORKLOAD]]
