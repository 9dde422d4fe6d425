import numpy as np
import pytest
import torch
import torch._inductor.utils
from trimtab.contracts.errors import CheckpointError
from trimtab.learn.step import Learner


def params(seeds: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"a.w": (5, 4), "a.b": (1, 4), "b.w": (4, 1)}
    return {k: rng.standard_normal((seeds, *s)).astype(np.float32) for k, s in shapes.items()}


def loss(weights, batch, coefficients):
    hidden = torch.tanh(torch.baddbmm(weights["a.b"], batch["x"], weights["a.w"]))
    error = (torch.bmm(hidden, weights["b.w"])[..., 0] - batch["y"]) ** 2
    total = coefficients["scale"] * error.mean(1)
    return total, {"error": error.mean(1)}


def batch(seeds: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((seeds, 64, 5)).astype(np.float32)
    return {"x": torch.from_numpy(x), "y": torch.from_numpy(x.sum(-1))}


def run(learner: Learner, updates: int, seeds: int = 2, data=None) -> np.ndarray:
    data = data or batch(seeds)
    order = np.random.default_rng(2)
    for k in range(updates):
        index = torch.from_numpy(order.permutation(64)[:32])
        learner.update(data, index, {"scale": torch.tensor(3.0)}, 1e-2 / (k + 1))
    return learner.flat.numpy().copy()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_and_eager_steps_agree_to_a_millionth() -> None:
    compiled = run(Learner(params(2), loss, compiled=True), 20)
    eager = run(Learner(params(2), loss, compiled=False), 20)
    assert np.abs(compiled - eager).max() < 1e-6


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_compiled_learner_takes_batches_of_another_shape_or_layout() -> None:
    learners = [Learner(params(2), loss, compiled=c) for c in (True, False)]
    wide = batch(2) | {"x": batch(2)["x"].transpose(1, 2).contiguous().transpose(1, 2)}
    short = {name: x[:, :40] for name, x in batch(2).items()}
    for learner in learners:
        for data in (batch(2), wide, short, batch(2)):
            learner.update(data, torch.arange(32), {"scale": torch.tensor(3.0)}, 1e-2)
    compiled, eager = (learner.flat.numpy() for learner in learners)
    assert np.abs(compiled - eager).max() < 1e-6


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_without_a_compiler_the_eager_step_takes_over_and_says_so() -> None:
    learner = Learner(params(2), loss, compiled=True)
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "/nonexistent/g++")}),
        torch._inductor.utils.fresh_cache(),
        pytest.warns(RuntimeWarning, match="no compiled learning step, going on in eager mode"),
    ):
        got = run(learner, 3)
    assert np.array_equal(got, run(Learner(params(2), loss, compiled=False), 3))


def test_one_step_is_adam_with_a_clip_per_seed() -> None:
    learner = Learner(params(2), loss, compiled=False, max_grad_norm=0.5)
    tensors = {k: torch.from_numpy(v).requires_grad_() for k, v in params(2).items()}
    data, index = batch(2), torch.arange(32)
    rows = {k: v[:, :32] for k, v in data.items()}
    total = loss(tensors, rows, {"scale": torch.tensor(3.0)})[0].sum()
    grads = torch.autograd.grad(total, list(tensors.values()))
    g = torch.cat([x.flatten(1) for x in grads], 1).numpy().astype(np.float64)
    norm = np.linalg.norm(g, axis=1, keepdims=True)
    assert (norm > 0.5).all()
    g *= 0.5 / (norm + 1e-6)
    expected = learner.flat.numpy() - 1e-2 * g / (np.abs(g) + 1e-5)
    learner.update(data, index, {"scale": torch.tensor(3.0)}, 1e-2)
    assert learner.flat.numpy() == pytest.approx(expected, abs=1e-6)


def test_each_stacked_seed_learns_as_if_alone() -> None:
    together = run(Learner(params(2), loss, compiled=False), 10)
    for s in range(2):
        own = {k: v[s : s + 1] for k, v in params(2).items()}
        data = {k: v[s : s + 1] for k, v in batch(2).items()}
        alone = run(Learner(own, loss, compiled=False), 10, data=data)
        assert alone[0] == pytest.approx(together[s], abs=1e-6)


def test_a_seed_with_a_non_finite_loss_stops_at_its_last_good_weights() -> None:
    data = batch(3)
    learner = Learner(params(3), loss, compiled=False)
    run(learner, 5, data=data)
    good = learner.flat.numpy().copy()
    data["y"][1] = torch.nan
    run(learner, 5, data=data)
    assert learner.active.tolist() == [True, False, True]
    assert np.array_equal(learner.flat.numpy()[1], good[1])
    assert (learner.flat.numpy()[[0, 2]] != good[[0, 2]]).any(axis=1).all()
    assert np.isfinite(learner.flat.numpy()).all()


def test_resuming_from_a_state_is_bit_identical() -> None:
    through = Learner(params(2), loss, compiled=False)
    run(through, 7)
    state = through.state_dict()
    expected = run(through, 7)
    resumed = Learner({k: 0 * v for k, v in params(2).items()}, loss, compiled=False)
    resumed.load_state_dict(state)
    assert np.array_equal(run(resumed, 7), expected)


def test_a_state_of_another_network_is_refused() -> None:
    learner = Learner(params(2), loss, compiled=False)
    with pytest.raises(CheckpointError, match=r"shape \(3, 28\), the network has \(2, 28\)"):
        learner.load_state_dict(Learner(params(3), loss, compiled=False).state_dict())


def test_numpy_weights_are_live_views() -> None:
    learner = Learner(params(1), loss, compiled=False)
    before = learner.weights["a.w"].copy()
    run(learner, 1, seeds=1)
    assert (learner.weights["a.w"] != before).any()


def test_targets_follow_by_polyak_averaging_and_nothing_else() -> None:
    start = params(2)
    slow = {f"target.{name}": start[name] + 1.0 for name in ("b.w", "a.b")}
    learner = Learner({**slow, **start}, loss, compiled=False, polyak=0.1)
    plain = Learner(start, loss, compiled=False)
    for one in (learner, plain):
        one.update(batch(2), torch.arange(32), {"scale": torch.tensor(3.0)}, 1e-2)
    for name in start:
        assert np.array_equal(learner.weights[name], plain.weights[name])
    for name in ("b.w", "a.b"):
        before, fast = slow[f"target.{name}"], learner.weights[name]
        after = learner.weights[f"target.{name}"]
        assert after == pytest.approx(before + 0.1 * (fast - before), abs=1e-6)
