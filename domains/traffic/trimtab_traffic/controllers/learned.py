"""Learned stage controllers: shipped or user-trained weights, played by NumPy without torch."""

from __future__ import annotations

import json
from pathlib import Path

from trimtab.contracts.controller import Controller
from trimtab.contracts.errors import InputFileError
from trimtab.contracts.problem import Budget, ControlProblem
from trimtab.deploy.policy import PolicyController
from trimtab.deploy.weights import load_policy

from trimtab_traffic.scenario import Sensors

WEIGHTS = Path(__file__).parent.parent / "weights"
GRAPH = WEIGHTS / "graph.safetensors"
GRAPH_SENSED = WEIGHTS / "graph_sensed.safetensors"
"""Taught with dead detectors and few probes too; plays where a scenario's detectors fail."""


def shipped_graph(sensors: Sensors) -> Path:
    """Which of the shipped weights suit a scenario: with probes alone the first are better."""
    return GRAPH_SENSED if sensors.faults else GRAPH


def graph(problem: ControlProblem, weights: str | None = None, shipped: Path = GRAPH) -> Controller:
    """The graph policy on any network.

    Args:
        problem: with interface `graph`.
        weights: a `.safetensors` file, by default `shipped`.
        shipped: the file that suits the scenario, see `shipped_graph`.

    Raises:
        InputFileError: the file is not there.
        CheckpointError: it is damaged or no policy.
        SpecMismatchError: it is a policy for something else.
    """
    path = weights_file(weights, shipped)
    return PolicyController(problem, load_policy(path, problem.spec, exact=False))


def weights_file(named: str | None, shipped: Path) -> Path:
    """The file a user names, or the shipped one.

    Raises:
        InputFileError: the file is not there.
    """
    path = shipped if named is None else Path(named)
    if not path.is_file():
        msg = f"{path}: no such weights; run `trimtab train` first or mend the path"
        raise InputFileError(msg)
    return path


def training_budget(path: Path) -> Budget:
    """What the manifest beside a weights file says that its training cost."""
    notes = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["notes"]
    return Budget(env_steps=notes["env_steps"], cpu_s=notes["cpu_s"])
