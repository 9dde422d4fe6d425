"""What one training of a learned controller of a microgrid is given, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from trimtab.contracts.controller import Controller
from trimtab.contracts.problem import ControlProblem
from trimtab.deploy.policy import Policy
from trimtab.learn.checkpoint import Budget, Progress, Resumable

from trimtab_grid.building import build
from trimtab_grid.controllers.learned import interface_of
from trimtab_grid.controllers.players import DAY_H
from trimtab_grid.scenario import GridScenario
from trimtab_grid.seasons import Seasons, season_scenarios

LONG_DAY = 480
"""Decisions of a day above which one rollout is but a part of it."""
LEAST_IMITATED, IMITATED = 24, 96
"""Plants that a planner is asked about, at least and at most."""

Teacher = Callable[[ControlProblem], Controller]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What depends on the scenario.

    Attributes:
        interface: action interface that is learnt.
        copies: plants side by side.
        rollout: decisions per iteration.
        phases: groups of plants that are a rollout ahead of each other in the day, so that no
            hour is learnt alone.
        seasons: begin days, spread over what the scenario covers.
        episode_h: length of training episodes, h.
        ends: the end of an episode is an end, not a cut.
        discount: γ per step.
    """

    interface: str
    copies: int
    rollout: int
    phases: int
    seasons: int
    episode_h: float
    ends: bool
    discount: float

    @classmethod
    def of(cls, scenario: GridScenario) -> Recipe:
        """Time constants follow the step: a battery is full or empty within hours."""
        ends = scenario.horizon_h <= DAY_H
        look_ahead_h = 12.0 if ends else 100.0
        discount = 1.0 - min(0.5, scenario.step_min / 60.0 / look_ahead_h)
        interface = interface_of(scenario)
        hours = scenario.horizon_h if ends else 336.0
        steps = round(hours * 60.0 / scenario.step_min)
        phases = 4 if ends and steps > LONG_DAY else 1
        rollout = steps // phases if ends else min(steps, 168)
        copies = 240 if ends else 192
        seasons = 1 if ends else 12
        return cls(interface, copies, rollout, phases, seasons, hours, ends, discount)

    def by_days(self) -> Recipe:
        """The same with episodes of at most a day, each settled by itself."""
        return replace(self, episode_h=min(24.0, self.episode_h), ends=True)


@dataclass(frozen=True, slots=True)
class Course:
    """One training.

    Attributes:
        scenario: what is trained on.
        recipe: its settings.
        seed: of training.
        teacher: builds the classical controller that is imitated first.
        kept: what may be spent, running, and where the training goes on after a kill.
        progress: told how it goes, or None.
    """

    scenario: GridScenario
    recipe: Recipe
    seed: int
    teacher: Teacher
    kept: Resumable
    progress: Progress | None = None

    @property
    def budget(self) -> Budget:
        """What may be spent; running."""
        return self.kept.budget

    @property
    def imitating(self) -> int:
        """Plants side by side while a planner says what it would do: two per CPU second.

        A planner's word costs 0.3 ms; more plants than `IMITATED` teach nothing new.
        """
        return max(LEAST_IMITATED, min(IMITATED, int(2 * self.budget.cpu_s)))

    def tell(self, line: str) -> None:
        """Pass a line on to whoever watches."""
        if self.progress is not None:
            self.progress(line)

    def plants(self, copies: int) -> Seasons:
        """Plants of all seasons side by side, charge at random."""
        recipe = self.recipe
        parts = season_scenarios(self.scenario, recipe.seasons, recipe.episode_h) * recipe.phases
        each = max(1, copies // len(parts))
        built = [build(s, each, recipe.interface, autoreset=True) for s in parts]
        ahead = [recipe.rollout * (k * recipe.phases // len(parts)) for k in range(len(parts))]
        return Seasons(built, ends=recipe.ends, ahead=ahead)

    def days(self, count: int) -> Seasons:
        """Plants of all seasons for one episode each, at the charge that their context says."""
        parts = season_scenarios(self.scenario, self.recipe.seasons, self.recipe.episode_h)
        each = max(1, count // len(parts))
        return Seasons([build(s, each, self.recipe.interface) for s in parts], ends=True)

    def reward_weights(self, problem: ControlProblem) -> tuple[float, ...]:
        """The spec's weights; the terminal charge counts only where episodes end."""
        weights = [channel.weight for channel in problem.spec.rewards]
        if not self.recipe.ends:
            weights[problem.spec.reward_index("terminal")] = 0.0
        return tuple(weights)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training left.

    Attributes:
        policy: of one seed.
        problem: that it was trained on.
        env_steps: decisions × plants.
        extra: what the controller needs besides (the stock of `cvar`).
        better: than the student that it began as; else that student was kept.
        told: what else the manifest says of the training.
    """

    policy: Policy
    problem: ControlProblem
    env_steps: int
    extra: Mapping[str, float]
    better: bool = True
    told: Mapping[str, float] = field(default_factory=dict)
