import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trimtab.contracts.errors import CheckpointError, SpecMismatchError
from trimtab.deploy.policy import Interface, Normaliser, Policy
from trimtab.deploy.weights import load_arrays, load_policy, save_arrays, save_policy
from trimtab.learn.nets import init_params
from trimtab.learn.normalise import RunningNormaliser


def policy_of(case: Any) -> Policy:
    running = RunningNormaliser(case.net, 1)
    obs = case.obs(np.random.default_rng(0), 30)
    running.add(Interface(case.net, case.spec).inputs(obs), obs.alive[None])
    return Policy(case.net, init_params(case.net, [np.random.default_rng(0)]), running.frozen())


@pytest.fixture
def saved(tmp_path: Path, cases: Callable[[str], Any]) -> tuple[Path, Any]:
    case = cases("mlp")
    path = tmp_path / "policy.safetensors"
    save_policy(path, policy_of(case), case.spec, {"command": "train", "cpu_s": 1.5})
    return path, case


def test_a_policy_plays_the_same_after_loading(case: Any, tmp_path: Path) -> None:
    policy = policy_of(case)
    path = tmp_path / "policy.safetensors"
    save_policy(path, policy, case.spec)
    loaded = load_policy(path, case.spec)
    interface = Interface(case.net, case.spec)
    inputs = interface.inputs(case.obs(np.random.default_rng(9), 6))
    for a, b in zip(
        policy.forward(inputs, interface), loaded.forward(inputs, interface), strict=True
    ):
        assert (a is None) == (b is None)
        assert a is None or np.array_equal(a, b)


def test_the_manifest_names_versions_spec_and_training(saved: tuple[Path, Any]) -> None:
    path, case = saved
    manifest = json.loads(path.with_suffix(".json").read_text())
    assert manifest["spec_sha256"] == case.spec.fingerprint()
    assert manifest["notes"] == {"command": "train", "cpu_s": 1.5}
    assert set(manifest["versions"]) == {"trimtab", "numpy", "safetensors"}


def test_no_temporary_files_are_left(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    assert sorted(p.name for p in path.parent.iterdir()) == ["policy.json", "policy.safetensors"]


def test_another_spec_is_refused_and_the_difference_printed(saved: tuple[Path, Any]) -> None:
    path, case = saved
    other = replace(case.spec, horizon=11)
    with pytest.raises(SpecMismatchError, match="horizon: checkpoint 10, problem 11"):
        load_policy(path, other)
    assert load_policy(path, other, exact=False).net == case.net


def test_a_policy_that_does_not_fit_is_refused_even_when_not_exact(
    saved: tuple[Path, Any],
) -> None:
    path, case = saved
    with pytest.raises(SpecMismatchError, match="obs_dim is 7"):
        load_policy(path, replace(case.spec, obs_dim=7), exact=False)


def test_truncated_weights_are_found_out(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CheckpointError, match="truncated or altered"):
        load_policy(path)


def test_pickles_are_refused_unread(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    path.write_bytes(pickle.dumps({"weights": [1.0]}))
    with pytest.raises(CheckpointError, match="pickle"):
        load_policy(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors: cannot be read"):
        load_arrays(tmp_path / "none.safetensors")


def test_a_broken_manifest_is_named(saved: tuple[Path, Any]) -> None:
    path, _ = saved
    path.with_suffix(".json").write_text("{")
    with pytest.raises(CheckpointError, match=r"policy\.json: the manifest is not valid JSON"):
        load_policy(path)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(CheckpointError, match="not a manifest of format trimtab/weights/1"):
        load_policy(path)


def test_arrays_that_are_no_policy_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_arrays(path, {"a": np.arange(3)}, {"kind": "checkpoint"})
    assert load_arrays(path)[0]["a"].tolist() == [0, 1, 2]
    with pytest.raises(CheckpointError, match="holds a 'checkpoint', not a policy"):
        load_policy(path)


def test_a_policy_without_normaliser_survives(tmp_path: Path, cases: Callable[[str], Any]) -> None:
    case = cases("mlp")
    bare = Policy(case.net, policy_of(case).params, Normaliser({}, {}))
    save_policy(tmp_path / "p.safetensors", bare, case.spec)
    assert load_policy(tmp_path / "p.safetensors").normaliser.mean == {}


@pytest.mark.parametrize("names", range(40))
def test_no_length_of_the_header_makes_weights_look_like_a_pickle(
    tmp_path: Path, names: int
) -> None:
    """A header of 128 bytes, modulo 256, begins with the byte that pickles begin with."""
    arrays = {"x" * (1 + 8 * names): np.arange(3.0)}
    save_arrays(tmp_path / "w.safetensors", arrays, {"kind": "test"})
    found, _ = load_arrays(tmp_path / "w.safetensors")
    assert np.array_equal(next(iter(found.values())), np.arange(3.0))
