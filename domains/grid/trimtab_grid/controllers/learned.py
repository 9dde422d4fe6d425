"""Learned controllers: shipped or freshly trained weights, played without torch.

Weights belong to one plant at one step length. On other plants `ppo` alone is offered: until it is
trained there it plays the rule that its student imitates.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trimtab.contracts.controller import Controller, Entry
from trimtab.contracts.errors import SpecMismatchError
from trimtab.contracts.problem import Budget, ControlProblem, Need
from trimtab.contracts.spec import Action, Float32Array, FloatArray, IntArray, Obs, Spec
from trimtab.deploy.policy import Policy, PolicyController
from trimtab.deploy.weights import load_arrays, load_policy
from trimtab.learn.risk import StockProblem

from trimtab_grid.engine.observe import PLANT_COLUMNS, UNIT_COLUMNS
from trimtab_grid.model import fuel_l_h
from trimtab_grid.objective import THROUGHPUT_L_PER_KWH, UNSERVED_L_PER_KWH
from trimtab_grid.resources import GridModel
from trimtab_grid.scenario import GridScenario

DAY_H = 48.0
"""Scenarios up to this length are settled at their end."""
WEIGHTS = Path(__file__).parent.parent / "weights"
UNTRAINED = (
    "ppo: nothing learned ships for this plant; until `trimtab train` its row is the rule that it "
    "would imitate"
)
HELP = {
    "ppo": "student of load following, improved on-policy on a leash",
    "sac": "soft actor-critic from that student",
    "sac_lagrangian": "soft actor-critic whose costs are priced by multipliers",
    "cvar": "student improved for the worst 5 % of days, by its stock",
    "offline_online": "implicit Q-learning from logs of load following, then online",
}


def weights_name(controller: str, scenario: GridScenario) -> str:
    """File name of a controller's weights for the scenario's plant and step."""
    return f"{controller}-{scenario.resolved_plant().name}-{scenario.step_min:g}min.safetensors"


def trained(scenario: GridScenario, folder: Path = WEIGHTS) -> dict[str, Path]:
    """Weights in `folder` that fit the scenario's plant and step, by controller."""
    paths = {name: folder / weights_name(name, scenario) for name in HELP}
    return {
        name: path
        for name, path in paths.items()
        if path.exists() and path.with_suffix(".json").exists()
    }


def entries(scenario: GridScenario, folder: Path = WEIGHTS) -> dict[str, Entry]:
    """Learned controllers whose weights fit the scenario's plant and step."""
    found: dict[str, Entry] = {}
    for name, path in trained(scenario, folder).items():
        notes = json.loads(path.with_suffix(".json").read_text())["notes"]
        found[name] = _entry(name, path, notes)
    if not found:
        text = "plays the rule that it would imitate: no weights for this plant, see trimtab train"
        needs = frozenset[Need]({"model"})
        interface = interface_of(scenario)
        found["ppo"] = Entry("learned", LearnedController, text, needs, interface=interface)
    return found


def interface_of(scenario: GridScenario) -> str:
    """The action interface that is learnt on a plant."""
    return "order" if scenario.resolved_plant().commitment == "order" else "default"


def teacher(problem: ControlProblem) -> Controller:
    """The rule that students imitate: combined dispatch for days, load following for longer."""
    from trimtab_grid.controllers.rules import combined, load_following

    hours = problem.spec.horizon * problem.spec.dt_s / 3600.0
    return combined(problem) if hours <= DAY_H else load_following(problem)


def _entry(name: str, path: Path, notes: Mapping[str, Any]) -> Entry:
    defaults: dict[str, Any] = {"weights": str(path)}
    risk = {key: notes[key] for key in ("stock_l", "stock_low_l", "stock_high_l") if key in notes}
    return Entry(
        role="learned",
        factory=StockPlayer if risk else LearnedController,
        help=HELP[name],
        needs=frozenset({"model"}) if risk else frozenset(),
        interface=str(notes["interface"]),
        defaults=defaults | risk,
        files=(path, path.with_suffix(".json")),
        trained=Budget(env_steps=int(notes["env_steps"]), cpu_s=float(notes["cpu_s"])),
    )


class LearnedController(Controller):
    """Greedy play of a trained policy.

    Args:
        problem: of the plant that the weights belong to.
        weights: path of the .safetensors file; empty: play the teacher.
    """

    def __init__(self, problem: ControlProblem, weights: str = "") -> None:
        self._player: Controller = (
            PolicyController(problem, fitting_policy(Path(weights), problem.spec))
            if weights
            else teacher(problem)
        )

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        self._player.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        return self._player.act(obs)


def fitting_policy(path: Path, spec: Spec) -> Policy:
    """The policy, if it was trained on the plant, interface and step of `spec`.

    Raises:
        CheckpointError: see `load_arrays`.
        SpecMismatchError: of another plant, interface or step; horizons may differ.
    """
    theirs = load_arrays(path)[1].get("spec", {})
    name, step_s = str(theirs.get("name")).removesuffix("+stock"), theirs.get("dt_s")
    if (name, step_s) != (spec.name, spec.dt_s):
        msg = (
            f"{path}: trained on {name} at steps of {step_s} s, the problem is {spec.name} at "
            f"{spec.dt_s} s: train anew for this plant"
        )
        raise SpecMismatchError(msg)
    return load_policy(path)


class StockPlayer(Controller):
    """Plays a policy that was trained with a stock: it keeps the day's account from what it sees.

    Cost so far is that of the observed unit powers, battery power and unserved load; fuel of
    starts cannot be seen in a power and is left out.

    Args:
        problem: of the plant that the weights belong to.
        weights: path of the .safetensors file.
        stock_l: stock at the start of the day, L.
        stock_low_l: least stock of the training.
        stock_high_l: largest one.
    """

    def __init__(
        self,
        problem: ControlProblem,
        weights: str,
        stock_l: float,
        stock_low_l: float,
        stock_high_l: float,
    ) -> None:
        policy = fitting_policy(Path(weights), problem.spec)
        widened = StockProblem(problem, stock_low_l, stock_high_l, draw=False)
        self._player = PolicyController(widened, policy)
        self._scale, self._first_l = widened.scale, stock_l
        self._model: GridModel = problem.resource("model")
        self._stock_l = np.full(problem.copies, stock_l)
        self._begun = np.zeros(problem.copies, dtype=bool)

    def reset(
        self, seed: IntArray, context: Float32Array | None = None, rows: IntArray | None = None
    ) -> None:
        """See `Controller.reset`."""
        which = np.arange(len(self._stock_l)) if rows is None else rows
        self._stock_l[which], self._begun[which] = self._first_l, False
        self._player.reset(seed, context, rows)

    def act(self, obs: Obs) -> Action:
        """See `Controller.act`."""
        self._stock_l -= np.where(self._begun, last_cost_l(self._model, obs), 0.0)
        self._begun[:] = True
        column = (self._stock_l / self._scale).astype(np.float32)[:, None, None]
        return self._player.act(replace(obs, obs=np.concatenate([obs.obs, column], axis=-1)))

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """The account of every row."""
        return {"stock_l": self._stock_l.copy(), "begun": self._begun.copy()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`."""
        self._stock_l[:], self._begun[:] = state["stock_l"], state["begun"]


def last_cost_l(model: GridModel, obs: Obs) -> FloatArray:
    """C of the last step [N], read off the observation, L."""
    plant, rows = model.arrays, obs.obs[:, 0].astype(np.float64)
    width, step_h = len(UNIT_COLUMNS), float(plant.step_h)
    cost = np.zeros(len(rows))
    for i in range(int(plant.n)):
        unit = rows[:, i * width : (i + 1) * width]
        power = unit[:, UNIT_COLUMNS.index("power_share")] * plant.prime_kw[i]
        turning = (power > 0.0) | (unit[:, UNIT_COLUMNS.index("cooling")] > 0.0)
        fuel = np.array([fuel_l_h(plant, i, float(kw)) for kw in power])
        cost += np.where(turning, fuel, 0.0) * step_h
    base = int(plant.n) * width
    battery = np.abs(rows[:, base + PLANT_COLUMNS.index("battery")]) * model.scales.battery_kw
    unserved = rows[:, base + PLANT_COLUMNS.index("unserved")] * model.scales.load_kw
    wear = THROUGHPUT_L_PER_KWH * battery + UNSERVED_L_PER_KWH * unserved
    return np.asarray(cost + wear * step_h)
