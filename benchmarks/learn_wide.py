"""PPO with thousands of cheap copies, as compiled simulators serve them: where the time goes.

    python benchmarks/learn_wide.py                      # 4096 copies, 40 → 64 → 64 → 3 × 1
    python benchmarks/learn_wide.py --activation relu --rollout 32

The problem is a linear system with 40 features and a composite action (3 choices × 1 box value)
that costs next to nothing. Printed: env-steps per CPU-second of a whole iteration (collect,
advantages, 4 epochs), samples per CPU-second of the update alone (forward, backward, clip, Adam),
inference alone, and the CPU-seconds that 500,000 training steps take.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    Box,
    Composite,
    Float32Array,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
    Step,
)
from trimtab.deploy.network import NetSpec
from trimtab.learn.ppo import PPO, PPOConfig

WIDTH, CHOICES, LENGTH = 40, 3, 1440


class WidePlant(ControlProblem):
    """x' = 0.9x + B[choice] + box·d; reward −mean(x²); truncated after 1440 steps."""

    autoreset = True

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.spec = Spec(
            name="wide-1",
            agent_type=(0,),
            actions=(Composite(discrete=(CHOICES,), box=(Box("power", "kW", -1.0, 1.0),)),),
            obs_dim=WIDTH,
            rewards=(RewardChannel("reward", "1"),),
            horizon=LENGTH,
            dt_s=60.0,
        )
        rng = np.random.default_rng(0)
        self._push = rng.standard_normal((CHOICES, WIDTH)).astype(np.float32) * np.float32(0.3)
        self._along = rng.standard_normal(WIDTH).astype(np.float32)
        self._x = rng.standard_normal((copies, WIDTH)).astype(np.float32)
        self._t = np.arange(copies) % LENGTH
        self._alive = np.ones((copies, 1), bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> Obs:
        """Go on from where the copies stand."""
        return Obs(obs=self._x[:, None], alive=self._alive)

    def step(self, action: Action | None) -> Step:
        """Advance all copies."""
        assert action is not None
        assert action.discrete is not None
        assert action.box is not None
        x = 0.9 * self._x + self._push[action.discrete[:, 0, 0]]
        x += action.box[:, 0] * self._along
        self._x, self._t = x, (self._t + 1) % LENGTH
        cut = self._t == 0
        rows = np.flatnonzero(cut)
        n = self.copies
        return Step(
            obs=Obs(obs=x[:, None], alive=self._alive),
            reward=-np.einsum("nd,nd->n", x, x)[:, None, None] / np.float32(WIDTH),
            cost=np.zeros((n, 0), np.float32),
            terminated=np.zeros(n, bool),
            truncated=cut,
            elapsed_s=np.full(n, 60.0),
            executed=action,
            intervened=np.zeros((n, 1), bool),
            reason=np.zeros((n, 1), np.int16),
            final_obs=Obs(obs=x[rows, None], alive=self._alive[rows]) if len(rows) else None,
            final_rows=rows if len(rows) else None,
        )


def rate(count: int, act: object, turns: int) -> float:
    """Best of `turns` calls: items per CPU-second."""
    assert callable(act)
    best = float("inf")
    for _ in range(turns):
        start = time.process_time()
        act()
        best = min(best, time.process_time() - start)
    return count / best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--copies", type=int, default=4096)
    parser.add_argument("--rollout", type=int, default=16)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--minibatches", type=int, default=8)
    parser.add_argument("--activation", choices=("tanh", "relu"), default="tanh")
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    problem = WidePlant(args.copies)
    net = NetSpec.for_problem(problem.spec, activation=args.activation)
    config = PPOConfig(
        steps=10**9,
        rollout=args.rollout,
        epochs=args.epochs,
        minibatches=args.minibatches,
        compiled=not args.eager,
    )
    start = time.process_time()
    ppo = PPO(problem, net, config, (0,))
    ppo.iterate()
    warm = time.process_time() - start
    rows = args.copies * args.rollout
    whole = rate(rows, ppo.iterate, args.turns)
    policy = ppo.policy()
    collect = rate(rows, lambda: ppo.collector.collect(policy, args.rollout), args.turns)
    rollout = ppo.collector.collect(policy, args.rollout)
    batch = ppo._prepare(policy, rollout, 0.0)
    coefficients = {"clip": torch.tensor(0.2), "actor": torch.tensor(1.0)}
    update = rate(rows * args.epochs, lambda: ppo._update(batch, coefficients, 3e-4), args.turns)
    prepare = rate(rows, lambda: ppo._prepare(policy, rollout, 0.0), args.turns)
    print(
        f"{args.copies} copies × {args.rollout}, {args.epochs} epochs × {args.minibatches}, "
        f"{args.activation}, {'eager' if args.eager else 'compiled'}; start {warm:.1f} CPU-s\n"
        f"  whole iteration {whole / 1e3:8.0f} k env-steps/CPU-s "
        f"(500,000 steps: {5e5 / whole:.1f} CPU-s)\n"
        f"  collect         {collect / 1e3:8.0f} k env-steps/CPU-s\n"
        f"  advantages      {prepare / 1e3:8.0f} k env-steps/CPU-s\n"
        f"  update          {update / 1e3:8.0f} k samples/CPU-s"
    )


if __name__ == "__main__":
    main()
