"""Checkpoints of a training run: from one, PPO goes on bit for bit (same CPU, one thread)."""

from __future__ import annotations

from pathlib import Path

from trimtab.contracts.errors import CheckpointError
from trimtab.deploy.weights import check_spec, load_arrays, save_arrays, spec_entry
from trimtab.learn.ppo import PPO


def save_checkpoint(path: Path, ppo: PPO) -> None:
    """Write weights, Adam moments, normaliser, generators and the problem's snapshot.

    The compiled and the eager step differ in the last bits: resume with the same choice. The
    memory of a stateful teaching controller is not part of the checkpoint.

    Args:
        path: of the .safetensors file; the manifest goes to the .json beside it.
        ppo: between two iterations.

    Raises:
        SnapshotUnsupportedError: the problem cannot be snapshot.
    """
    arrays, plain = ppo.state_dict()
    manifest = {"kind": "checkpoint", "net": ppo.net.to_dict(), "state": plain}
    save_arrays(path, arrays, manifest | spec_entry(ppo.problem.spec))


def resume(path: Path, ppo: PPO) -> None:
    """Put a checkpoint into a trainer built with the same arguments.

    Raises:
        CheckpointError: truncated, altered, a pickle, or of other seeds or another network.
        SpecMismatchError: of another problem; lists what differs.
    """
    arrays, manifest = load_arrays(path)
    if manifest.get("kind") != "checkpoint":
        msg = f"{path}: holds a {manifest.get('kind')!r}, not a checkpoint"
        raise CheckpointError(msg)
    check_spec(path, manifest, ppo.problem.spec)
    ppo.load_state_dict(arrays, manifest["state"])
