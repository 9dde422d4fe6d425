"""Checkpoints of a training run: from one, a trainer goes on bit for bit (same CPU, 1 thread)."""

from __future__ import annotations

from pathlib import Path

from trimtab.contracts.errors import CheckpointError
from trimtab.deploy.weights import check_spec, load_arrays, save_arrays, spec_entry
from trimtab.learn.report import Trainer


def save_checkpoint(path: Path, trainer: Trainer) -> None:
    """Write weights, Adam moments, normaliser, generators and the problem's snapshot.

    The compiled and the eager step differ in the last bits: resume with the same choice. The
    memory of a stateful teaching controller is not part of the checkpoint.

    Args:
        path: of the .safetensors file; the manifest goes to the .json beside it.
        trainer: between two iterations.

    Raises:
        SnapshotUnsupportedError: the problem cannot be snapshot.
    """
    arrays, plain = trainer.state_dict()
    manifest = {"kind": "checkpoint", "net": trainer.net.to_dict(), "state": plain}
    save_arrays(path, arrays, manifest | spec_entry(trainer.spec))


def resume(path: Path, trainer: Trainer) -> None:
    """Put a checkpoint into a trainer built with the same arguments.

    Raises:
        CheckpointError: truncated, altered, a pickle, or of other seeds or another network.
        SpecMismatchError: of another problem; lists what differs.
    """
    arrays, manifest = load_arrays(path)
    if manifest.get("kind") != "checkpoint":
        msg = f"{path}: holds a {manifest.get('kind')!r}, not a checkpoint"
        raise CheckpointError(msg)
    check_spec(path, manifest, trainer.spec)
    trainer.load_state_dict(arrays, manifest["state"])
