import math

import numpy as np
import pytest
import torch
from trimtab.deploy.arrays import NEGATIVE
from trimtab.deploy.network import ActorOutput, NetSpec
from trimtab.learn.heads import box_log_prob, log_prob_and_entropy, teacher_loss


def test_composite_log_prob_is_that_of_independent_distributions() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 6, 2, 7, generator=generator)
    mean = torch.randn(1, 6, 2, 3, generator=generator)
    log_std = torch.tensor([0.1, -0.5, 0.3]).view(1, 1, 1, 3)
    out = ActorOutput(logits, mean, log_std)
    discrete = torch.randint(0, 3, (1, 6, 2, 2), generator=generator)
    raw = torch.randn(1, 6, 2, 3, generator=generator)
    batch = {"discrete": discrete, "raw": raw, "box_used": torch.ones(1, 6, 2, 3)}
    net = NetSpec(obs_dim=1, discrete=(3, 4), box=3)
    got, entropy = log_prob_and_entropy(net, out, batch, (3, 4))
    first = torch.distributions.Categorical(logits=logits[..., :3])
    second = torch.distributions.Categorical(logits=logits[..., 3:])
    normal = torch.distributions.Normal(mean, log_std.exp())
    expected = first.log_prob(discrete[..., 0]) + second.log_prob(discrete[..., 1])
    expected = expected + normal.log_prob(raw).sum(-1)
    assert torch.allclose(got, expected, atol=1e-5)
    total = first.entropy() + second.entropy() + normal.entropy().sum(-1)
    assert torch.allclose(entropy, total, atol=1e-5)


def test_squashed_density_carries_the_jacobian_and_integrates_to_one() -> None:
    mean, log_std = torch.tensor([0.4]), torch.tensor([-0.3])
    y = torch.linspace(-0.99999, 0.99999, 400_001, dtype=torch.float64)
    density = box_log_prob(mean, log_std, torch.atanh(y)[:, None], squash=True).exp()[:, 0]
    assert float(torch.trapezoid(density, y)) == pytest.approx(1.0, abs=1e-3)


def test_squashed_density_is_finite_far_out() -> None:
    far = box_log_prob(torch.zeros(1), torch.zeros(1), torch.tensor([30.0, -30.0]), squash=True)
    assert torch.isfinite(far).all()


def test_masked_choices_have_probability_zero_and_no_entropy() -> None:
    logits = torch.tensor([0.0, 0.0, NEGATIVE]).view(1, 1, 1, 3).requires_grad_()
    batch = {"discrete": torch.zeros(1, 1, 1, 1, dtype=torch.long)}
    net = NetSpec(obs_dim=1, discrete=(3,))
    got, entropy = log_prob_and_entropy(net, ActorOutput(logits, None, None), batch, (3,))
    assert float(entropy.detach()) == pytest.approx(math.log(2.0))
    (slope,) = torch.autograd.grad((got + entropy).sum(), logits)
    assert torch.isfinite(slope).all()
    assert float(torch.softmax(logits.detach(), -1)[..., 2]) == 0.0


def test_teacher_loss_is_the_kl_divergence_and_zero_for_an_equal_student() -> None:
    logits = torch.randn(2, 5, 1, 4, generator=torch.Generator().manual_seed(1))
    out = ActorOutput(logits, None, None)
    same = {"teacher_probs": torch.softmax(logits, -1)}
    assert teacher_loss(out, same, (4,)).abs().max() < 1e-6
    other = torch.softmax(logits.flip(1), -1)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(probs=other),
        torch.distributions.Categorical(logits=logits),
    )
    assert torch.allclose(teacher_loss(out, {"teacher_probs": other}, (4,)), expected, atol=1e-5)


def test_teacher_loss_of_box_actions_pulls_the_mean_only() -> None:
    mean = torch.zeros(1, 1, 1, 1, requires_grad=True)
    log_std = torch.zeros(1, 1, 1, 1, requires_grad=True)
    batch = {"teacher_raw": torch.full((1, 1, 1, 1), 0.7), "box_used": torch.ones(1, 1, 1, 1)}
    loss = teacher_loss(ActorOutput(None, mean, log_std), batch, ())
    slopes = torch.autograd.grad(loss.sum(), [mean, log_std], allow_unused=True)
    assert float(slopes[0]) == pytest.approx(-0.7)
    assert slopes[1] is None
    assert np.isfinite(float(loss.detach()))
