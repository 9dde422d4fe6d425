"""simple_spread_v3 of mpe2 1.1.1, batched: n agents cover n landmarks without colliding.

Lowe et al. 2017. mpe2 integrates position before velocity; the original MPE and VMAS do it the
other way round, so returns are not comparable with theirs. Arithmetic keeps mpe2's order of
operations: observations and rewards are equal to the last bit.
"""

from __future__ import annotations

import itertools

import numpy as np

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import (
    Action,
    BoolArray,
    Composite,
    EntityBlock,
    FloatArray,
    IntArray,
    Obs,
    RewardChannel,
    Spec,
)
from trimtab.contracts.streams import Stream
from trimtab.testing.classics.batch import BatchedClassic

DT_S, DAMPING, SENSITIVITY = 0.1, 0.25, 5.0
CONTACT_FORCE, CONTACT_MARGIN, AGENT_SIZE = 1e2, 1e-3, 0.15
PUSH = np.array([[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
CYCLES, LOCAL_RATIO = 25, 0.5
_START = Stream("start")


class SimpleSpread(BatchedClassic):
    """Five actions per agent: none, left, right, down, up.

    Args:
        copies: N.
        agents: number n of agents and of landmarks.
        autoreset: see `ControlProblem`.
        targets: a view for networks that pick a target: the distance of every agent to every
            landmark joins the observation, and the landmarks are an entity block of position and
            velocity relative to the agent. It says nothing that the observation does not imply.
    """

    state_names = ("position", "velocity", "landmark")

    def __init__(
        self, copies: int, *, agents: int = 3, autoreset: bool = True, targets: bool = False
    ) -> None:
        width = 4 + 2 * agents + 4 * (agents - 1)
        blocks = (EntityBlock("landmarks", agents, 4),)
        spec = Spec(
            name="classic.simple_spread_targets-1" if targets else "classic.simple_spread-1",
            agent_type=(0,) * agents,
            actions=(Composite(discrete=(5,)),),
            obs_dim=width + agents**2 if targets else width,
            entity_blocks=blocks if targets else (),
            rewards=(RewardChannel("cover", "1"),),
            horizon=CYCLES,
            dt_s=DT_S,
            state_dim=agents * width,
            supports_snapshot=True,
        )
        super().__init__(spec, copies, autoreset=autoreset)
        self.agents, self._targets = agents, targets
        self.position = np.zeros((copies, agents, 2))
        self.velocity = np.zeros((copies, agents, 2))
        self.landmark = np.zeros((copies, agents, 2))
        self._others = np.array([[j for j in range(agents) if j != i] for i in range(agents)])
        self._silence = np.zeros((copies, agents, 2 * (agents - 1)), np.float32)

    def _start(self, rows: IntArray) -> None:
        draws = _START.uniform(self._seed[rows], self._episode[rows], 0, 4 * self.agents)
        placed = -1.0 + 2.0 * draws.reshape(len(rows), 2, self.agents, 2)
        self.position[rows], self.landmark[rows] = placed[:, 0], placed[:, 1]
        self.velocity[rows] = 0.0

    def _advance(self, choice: IntArray) -> tuple[FloatArray, BoolArray]:
        force = self._force(choice)
        self.position = self.position + self.velocity * DT_S
        self.velocity = self.velocity * (1 - DAMPING) + force * DT_S
        return self._reward(), np.zeros(self.copies, bool)

    def _force(self, choice: IntArray) -> FloatArray:
        """Push plus contact forces [N, n, 2], summed in mpe2's order: others by index."""
        total = PUSH[choice] * SENSITIVITY
        for slot in range(self.agents - 1):
            delta = self.position - self.position[:, self._others[:, slot]]
            distance = _length(delta)
            gap = -(distance - (AGENT_SIZE + AGENT_SIZE)) / CONTACT_MARGIN
            penetration = np.logaddexp(0, gap) * CONTACT_MARGIN
            total = CONTACT_FORCE * delta / distance[..., None] * penetration[..., None] + total
        return total

    def _reward(self) -> FloatArray:
        gaps = _length(self.position[:, :, None] - self.landmark[:, None])
        cover = np.zeros(self.copies)
        for nearest in gaps.min(axis=1).T:
            cover = cover - nearest
        collisions = np.zeros((self.copies, self.agents))
        for slot in range(self.agents - 1):
            distance = _length(self.position - self.position[:, self._others[:, slot]])
            collisions = collisions - 1.0 * (distance < AGENT_SIZE + AGENT_SIZE)
        return cover[:, None] * (1 - LOCAL_RATIO) + collisions * LOCAL_RATIO

    def _observe(self) -> Obs:
        n, a = self.copies, self.agents
        to_landmarks = self.landmark[:, None] - self.position[:, :, None]
        to_others = self.position[:, self._others] - self.position[:, :, None]
        own = np.concatenate([self.velocity, self.position], axis=-1).astype(np.float32)
        flat = np.concatenate(
            [
                own,
                to_landmarks.astype(np.float32).reshape(n, a, -1),
                to_others.astype(np.float32).reshape(n, a, -1),
                self._silence,
            ],
            axis=-1,
        )
        obs = Obs(obs=flat, alive=self._alive(), state=flat.reshape(n, -1))
        if self._targets:
            gaps = _length(to_landmarks).astype(np.float32)
            mine = np.stack([gaps, *(gaps[:, self._others[:, k]] for k in range(a - 1))], axis=2)
            obs.obs = np.concatenate([flat, mine.reshape(n, a, -1)], axis=-1)
            drift = np.broadcast_to(-self.velocity[:, :, None], to_landmarks.shape)
            entities = np.concatenate([to_landmarks, drift], axis=-1).astype(np.float32)
            obs.entities = {"landmarks": entities}
            obs.entity_mask = {"landmarks": np.ones(entities.shape[:3], bool)}
        return obs


def _length(delta: FloatArray) -> FloatArray:
    x, y = delta[..., 0], delta[..., 1]
    return np.sqrt(x * x + y * y)


class AssignAndPush(Controller):
    """Each agent goes to its landmark of the cheapest assignment, by bang-bang pushes.

    The assignment (all permutations, so few agents) is renewed at every decision. An agent
    pushes along the larger axis of d = landmark − position − lead·velocity, unless both are
    within the dead band.
    """

    def __init__(
        self, problem: ControlProblem, lead_s: float = 0.35, dead_band: float = 0.05
    ) -> None:
        self._lead_s, self._dead_band = lead_s, dead_band
        agents = problem.spec.n_agents
        self._orders = np.array(list(itertools.permutations(range(agents))))

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`; reads the flat observation."""
        n, a = obs.alive.shape
        velocity = obs.obs[:, :, :2]
        to_landmarks = obs.obs[:, :, 4 : 4 + 2 * a].reshape(n, a, a, 2)
        gaps = np.sqrt((to_landmarks**2).sum(axis=-1))
        costs = gaps[:, np.arange(a), self._orders].sum(axis=-1)
        best = self._orders[costs.argmin(axis=1)]
        target = np.take_along_axis(to_landmarks, best[:, :, None, None], axis=2)[:, :, 0]
        d = target - self._lead_s * velocity
        along_x = np.abs(d[..., 0]) >= np.abs(d[..., 1])
        push_x = np.where(d[..., 0] < 0, 1, 2)
        push_y = np.where(d[..., 1] < 0, 3, 4)
        choice = np.where(along_x, push_x, push_y)
        choice = np.where(np.abs(d).max(axis=-1) < self._dead_band, 0, choice)
        return Action(discrete=choice[..., None].astype(np.int64))
