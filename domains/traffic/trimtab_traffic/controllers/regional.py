"""Regional agent: one learned policy picks junctions and moves their green, by probes alone.

Once per cycle it plays `moves.ROUNDS` rounds. In each it scores, at every junction, the legal moves
of a second of green against staying, by a network over the sets of approaches and moves; junctions
whose best move scores above staying are picked. Cycle, phase order and offsets stay. Action and
state are those of the single regional agent of arXiv 2511.00551 and its companion 2511.00549.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.contracts.spec import Action, Float32Array, IntArray, Obs
from trimtab.deploy.policy import Interface, Policy
from trimtab.deploy.weights import load_policy

from trimtab_traffic.controllers.learned import WEIGHTS, weights_file
from trimtab_traffic.moves import ROUNDS, MoveBoard
from trimtab_traffic.profiles import RuleProfile
from trimtab_traffic.regional import Filter, Region

REGIONAL = WEIGHTS / "regional.safetensors"


def regional(
    problem: ControlProblem, profile: RuleProfile, weights: str | None = None
) -> Controller:
    """The regional agent on any network.

    Args:
        problem: with interface `split`; needs "model" and "state".
        profile: its rule profile.
        weights: a `.safetensors` file, by default the shipped one.

    Raises:
        InputFileError: the file is not there.
        CheckpointError: it is damaged or no policy.
        SpecMismatchError: it is a policy for something else.
    """
    return RegionalAgent(problem, profile, load_policy(weights_file(weights, REGIONAL)))


def files(weights: str | None = None) -> tuple[Path, ...]:
    """Weights that `regional` plays.

    Raises:
        InputFileError: the file is not there.
    """
    return (weights_file(weights, REGIONAL),)


class RegionalAgent(Controller):
    """Plays a policy over moves.

    Args:
        problem: with interface `split`; needs "model" and "state".
        profile: its rule profile.
        policy: of one training seed.
    """

    def __init__(self, problem: ControlProblem, profile: RuleProfile, policy: Policy) -> None:
        self._region = Region(problem, profile, Filter())
        self._board = MoveBoard(self._region, problem.resource("model"))
        spec = self._board.spec(problem.spec.horizon, problem.spec.dt_s)
        self._policy, self._interface = policy, Interface(policy.net, spec)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._region.reset()

    def act(self, obs: Obs) -> Action:
        """Greens of every signal from the next cycle on."""
        self._region.look()
        for number in range(ROUNDS):
            seen = self._interface.inputs(self._board.observe(number))
            scores = np.asarray(self._policy.forward(seen, self._interface).logits)
            if not self._board.make(scores[0, 0].argmax(axis=-1)).any():
                break
        return self._region.action()
