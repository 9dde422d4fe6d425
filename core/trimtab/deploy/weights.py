"""Weights on disk: safetensors plus a JSON manifest, written atomically, never unpickled.

`x.safetensors` holds the arrays; `x.json` beside it says what they are: kind, SHA-256 of the
arrays' file, versions, the fingerprint and the text of the problem's spec, and notes (training
command, seed, CPU time).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load, save

import trimtab
from trimtab.contracts.bounded import read_bounded
from trimtab.contracts.errors import CheckpointError, InputFileError, SpecMismatchError
from trimtab.contracts.spec import Spec
from trimtab.deploy.network import NetSpec
from trimtab.deploy.policy import Normaliser, Policy

FORMAT = "trimtab/weights/1"
MAX_BYTES = 256_000_000
"""Size above which neither weights nor a manifest are read."""
Arrays = Mapping[str, NDArray[Any]]


def save_arrays(path: Path, arrays: Arrays, manifest: Mapping[str, Any]) -> None:
    """Write arrays to `path` (.safetensors) and their manifest to the .json beside it.

    Each file appears whole or not at all; the manifest comes last, so a pair cut short by a
    crash is found out by its SHA-256.
    """
    payload = save({name: np.ascontiguousarray(x) for name, x in arrays.items()})
    full = {
        "format": FORMAT,
        "sha256": hashlib.sha256(payload).hexdigest(),
        "versions": {
            "trimtab": trimtab.__version__,
            "numpy": np.__version__,
            "safetensors": safetensors.__version__,
        },
        **manifest,
    }
    _replace(path, payload)
    text = json.dumps(full, indent=1, sort_keys=True) + "\n"
    _replace(path.with_suffix(".json"), text.encode())


def load_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and manifest written by `save_arrays`.

    Raises:
        CheckpointError: a file is missing, truncated, altered, or a pickle.
    """
    payload, manifest = _read(path), _manifest(path.with_suffix(".json"))
    if _is_pickle(payload):
        msg = f"{path}: this is a pickle, which could run code when loaded; export to safetensors"
        raise CheckpointError(msg)
    if hashlib.sha256(payload).hexdigest() != manifest.get("sha256"):
        msg = (
            f"{path}: truncated or altered (SHA-256 differs from its manifest); restore both files"
        )
        raise CheckpointError(msg)
    try:
        return dict(load(payload)), manifest
    except safetensors.SafetensorError as error:
        msg = f"{path}: not a safetensors file ({error})"
        raise CheckpointError(msg) from error


def save_policy(
    path: Path, policy: Policy, spec: Spec, notes: Mapping[str, Any] | None = None
) -> None:
    """Write a policy with its network description, normaliser and the spec it was trained on."""
    arrays: dict[str, NDArray[Any]] = {f"params/{k}": x for k, x in policy.params.items()}
    arrays |= {f"mean/{k}": x for k, x in policy.normaliser.mean.items()}
    arrays |= {f"inverse_std/{k}": x for k, x in policy.normaliser.inverse_std.items()}
    manifest = {"kind": "policy", "net": policy.net.to_dict(), "notes": dict(notes or {})}
    save_arrays(path, arrays, manifest | spec_entry(spec))


def load_policy(path: Path, spec: Spec | None = None, *, exact: bool = True) -> Policy:
    """Read a policy.

    Args:
        path: of the .safetensors file.
        spec: the problem it shall play; None skips the check.
        exact: demand the very spec it was trained on; False only that the network fits
            (a graph policy on an unseen network).

    Raises:
        CheckpointError: see `load_arrays`, or the file is no policy.
        SpecMismatchError: with the differences.
    """
    arrays, manifest = load_arrays(path)
    if manifest.get("kind") != "policy":
        msg = f"{path}: holds a {manifest.get('kind')!r}, not a policy"
        raise CheckpointError(msg)
    net = _net(path, manifest)
    if spec is not None:
        if exact:
            check_spec(path, manifest, spec)
        net.check(spec)

    def part(prefix: str) -> dict[str, NDArray[Any]]:
        return {k.removeprefix(prefix): x for k, x in arrays.items() if k.startswith(prefix)}

    return Policy(net, part("params/"), Normaliser(part("mean/"), part("inverse_std/")))


def _net(path: Path, manifest: Mapping[str, Any]) -> NetSpec:
    try:
        return NetSpec.from_dict(manifest["net"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path}: its manifest describes no network ({error!r}); restore both files"
        raise CheckpointError(msg) from error


def spec_entry(spec: Spec) -> dict[str, Any]:
    """What a manifest says about a spec."""
    return {"spec_sha256": spec.fingerprint(), "spec": asdict(spec)}


def check_spec(path: Path, manifest: Mapping[str, Any], spec: Spec) -> None:
    """Refuse a checkpoint of another spec.

    Raises:
        SpecMismatchError: lists what differs.
    """
    if manifest.get("spec_sha256") == spec.fingerprint():
        return
    ours, theirs = _flat(json.loads(json.dumps(asdict(spec)))), _flat(manifest.get("spec", {}))
    lines = [
        f"{key}: checkpoint {theirs.get(key, 'nothing')!r}, problem {ours.get(key, 'nothing')!r}"
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key, "nothing") != theirs.get(key, "nothing")
    ]
    msg = f"{path}: checkpoint of another spec; {'; '.join(lines)}"
    raise SpecMismatchError(msg)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested plain data as dotted keys."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in items:
        found |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return found


def _is_pickle(payload: bytes) -> bool:
    """A pickle or a torch archive; a safetensors file may begin alike, but holds { in byte 8."""
    return payload[8:9] != b"{" and (payload[:1] == b"\x80" or payload[:2] == b"PK")


def _replace(path: Path, payload: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(payload)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_BYTES)
    except InputFileError as error:
        raise CheckpointError(str(error)) from None
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror}); give the path of a .safetensors file"
        raise CheckpointError(msg) from error


def _manifest(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        msg = f"{path}: the manifest is not valid JSON ({error}); restore it"
        raise CheckpointError(msg) from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        msg = f"{path}: not a manifest of format {FORMAT}"
        raise CheckpointError(msg)
    return found
