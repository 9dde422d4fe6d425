"""Writes one simulated episode: record, trajectory arrays, and the simulator's own log."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trimtab.contracts.errors import InputFileError
from trimtab.contracts.spec import Action, Obs
from trimtab.run.records_json import record_to_json
from trimtab.run.trajectory import Simulation, Trajectory


def write_simulation(simulation: Simulation, folder: Path) -> list[Path]:
    """Write `record.json`, `trajectory.npz`, and `log.npz` / `log.json`; return the files.

    Files of the simulator's that the log names are copied beside them while they are there: close
    the problem afterwards.

    Raises:
        InputFileError: the folder cannot be written.
    """
    arrays = {k: v for k, v in simulation.log.items() if isinstance(v, np.ndarray)}
    arrays = {k: v for k, v in arrays.items() if v.dtype != object}
    outputs = {k: v for k, v in simulation.log.items() if isinstance(v, Path)}
    plain = {k: v for k, v in simulation.log.items() if k not in arrays}
    plain |= {k: v.name for k, v in outputs.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [_json(folder / "record.json", record_to_json(simulation.record))]
        files.append(_npz(folder / "trajectory.npz", trajectory_arrays(simulation.trajectory)))
        files += [Path(shutil.copy(output, folder)) for output in outputs.values()]
        if arrays:
            files.append(_npz(folder / "log.npz", arrays))
        if plain:
            files.append(_json(folder / "log.json", plain))
    except OSError as error:
        msg = f"{folder}: the log cannot be written there: {error.strerror}"
        raise InputFileError(msg) from None
    return files


def trajectory_arrays(trajectory: Trajectory) -> dict[str, np.ndarray[Any, Any]]:
    """The trajectory as flat named arrays, time first."""
    found: dict[str, Any] = {
        "reward": trajectory.reward,
        "cost": trajectory.cost,
        "terminated": trajectory.terminated,
        "truncated": trajectory.truncated,
        "elapsed_s": trajectory.elapsed_s,
        "intervened": trajectory.intervened,
        "reason": trajectory.reason,
        "seeds": trajectory.seeds,
        **_observation(trajectory.obs),
        **_action("proposed", trajectory.proposed),
        **_action("executed", trajectory.executed),
    }
    return {name: array for name, array in found.items() if array is not None}


def _observation(obs: Obs) -> dict[str, Any]:
    names = ("obs", "alive", "edges", "edge_mask", "action_mask", "box_low", "box_high", "state")
    found = {name: getattr(obs, name) for name in names}
    found |= {f"entities.{name}": block for name, block in obs.entities.items()}
    return found | {f"entity_mask.{name}": mask for name, mask in obs.entity_mask.items()}


def _action(name: str, action: Action | None) -> dict[str, Any]:
    if action is None:
        return {}
    return {f"{name}.discrete": action.discrete, f"{name}.box": action.box}


def _npz(path: Path, arrays: Mapping[str, Any]) -> Path:
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return path


def _json(path: Path, document: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(document, default=str) + "\n", encoding="utf-8")
    return path
