"""Log-probabilities, entropies and teacher losses of the composite action, in torch.

Actions have discrete components (independent categoricals) and box components (Gaussians in
units of the half range, plain or tanh-squashed). Masked choices have probability exactly 0 and
take no part in the entropy.
"""

from __future__ import annotations

import math

import torch

from trimtab.deploy.network import ActorOutput, NetSpec
from trimtab.learn.step import Tensors

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def log_softmax_parts(logits: torch.Tensor, sizes: tuple[int, ...]) -> list[torch.Tensor]:
    """Log-probabilities of each discrete component, [..., n_i]."""
    parts = [logits] if len(sizes) == 1 else list(torch.split(logits, list(sizes), dim=-1))
    return [torch.log_softmax(part, dim=-1) for part in parts]


def log_prob_and_entropy(
    net: NetSpec, out: ActorOutput, batch: Tensors, sizes: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of the proposed actions and entropy, both [S, B, A].

    The entropy of a squashed Gaussian is the one-sample estimate −log π at the action taken.

    Args:
        net: the description.
        out: of `actor`.
        batch: `discrete` [S, B, A, d] int64, `raw` [S, B, A, b], `box_used` [1, 1, A, b].
        sizes: choices of each discrete component.
    """
    terms: list[torch.Tensor] = []
    entropies: list[torch.Tensor] = []
    if out.logits is not None:
        for i, logp in enumerate(log_softmax_parts(out.logits, sizes)):
            terms.append(logp.gather(-1, batch["discrete"][..., i : i + 1])[..., 0])
            entropies.append(-(logp.exp() * logp).sum(-1))
    if out.mean is not None and out.log_std is not None:
        used = batch["box_used"]
        density = box_log_prob(out.mean, out.log_std, batch["raw"], squash=net.squash)
        spread = out.log_std + (0.5 + _HALF_LOG_2PI)
        terms.append((density * used).sum(-1))
        entropies.append(((-density if net.squash else spread) * used).sum(-1))
    return sum(terms[1:], terms[0]), sum(entropies[1:], entropies[0])


def box_log_prob(
    mean: torch.Tensor, log_std: torch.Tensor, raw: torch.Tensor, *, squash: bool
) -> torch.Tensor:
    """Log-density per box component, [..., b].

    Squashed: of tanh(raw), with the Jacobian log(1 − tanh²u) = 2 (log 2 − u − softplus(−2u)).
    """
    z = (raw - mean) * torch.exp(-log_std)
    density = -0.5 * z * z - log_std - _HALF_LOG_2PI
    if squash:
        jacobian = 2.0 * (math.log(2.0) - raw - torch.nn.functional.softplus(-2.0 * raw))
        density = density - jacobian
    return density


def teacher_loss(out: ActorOutput, batch: Tensors, sizes: tuple[int, ...]) -> torch.Tensor:
    """Divergence from the teacher's action distribution, [S, B, A].

    Discrete: KL(teacher ‖ student), which for a teacher that names one action is −log π of it.
    Box: squared distance of the means, ½((μ − u)/σ)²; σ itself is not taught.

    Args:
        out: of `actor`.
        batch: `teacher_probs` [S, B, A, Σn], `teacher_raw` [S, B, A, b], `box_used`.
        sizes: choices of each discrete component.
    """
    terms: list[torch.Tensor] = []
    if out.logits is not None:
        probs = batch["teacher_probs"]
        logp = torch.cat(log_softmax_parts(out.logits, sizes), dim=-1)
        known = torch.log(probs.clamp(min=1e-12))
        terms.append((probs * (known - logp)).sum(-1))
    if out.mean is not None and out.log_std is not None:
        z = (batch["teacher_raw"] - out.mean) * torch.exp(-out.log_std.detach())
        terms.append((0.5 * z * z * batch["box_used"]).sum(-1))
    return sum(terms[1:], terms[0])
