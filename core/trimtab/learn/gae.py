"""Generalised advantage estimation (Schulman et al. 2016), K channels at once.

δ_t = r_t + γ_t V⁺_t − V_t and A_t = δ_t + γ_t λ (1 − done_t) A_{t+1}, where V⁺ is 0 after
termination, V(final observation) after truncation, else V of the next observation. The discount
γ_t = γ^(elapsed_s / dt_s) follows event-driven problems, and an agent that is dead in the next
observation of the same episode has ended.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Bool = NDArray[np.bool_]


def advantages(
    reward: Float,
    value: Float,
    after: Float,
    going_on: Float,
    discount: Float,
    trace: float,
) -> Float:
    """Advantages of every channel.

    Args:
        reward: [T, ..., A, K].
        value: [T, ..., A, K], V_t.
        after: [T, ..., A, K], V⁺_t with the rules above already applied.
        going_on: [T, ..., A], 1 where the agent's episode continues past step t, else 0.
        discount: [T, ...], γ_t.
        trace: λ.

    Returns:
        [T, ..., A, K]; add `value` for the critic's targets.
    """
    delta = reward + discount[..., None, None] * after - value
    decay = (discount[..., None] * np.float32(trace) * going_on)[..., None]
    decay = np.ascontiguousarray(np.broadcast_to(decay, delta.shape))
    carried = np.empty_like(delta[0])
    for t in range(len(delta) - 2, -1, -1):
        np.multiply(decay[t], delta[t + 1], out=carried)
        delta[t] += carried
    return delta  # pyright: ignore[reportReturnType]  # float32 in, float32 out


def value_after(
    value: Float, last: Float, terminated: Bool, truncated: Bool, alive_next: Bool, final: Float
) -> tuple[Float, Float]:
    """V⁺ and whether the agent goes on, by the bootstrap rules.

    Args:
        value: [T, ..., A, K], V of the observations acted on.
        last: [..., A, K], V of the observation after the last step.
        terminated: [T, ...].
        truncated: [T, ...].
        alive_next: [T, ..., A], alive in the observation that follows each step.
        final: [T, ..., A, K], V of the final observation where truncated (0 elsewhere).

    Returns:
        after [T, ..., A, K] and going_on [T, ..., A] float32.
    """
    done = terminated | truncated
    going_on = (~done[..., None] & alive_next).astype(np.float32)
    following = np.concatenate([value[1:], last[None]])
    bootstrap = truncated & ~terminated
    after = following * going_on[..., None] + final * bootstrap[..., None, None]
    return after, going_on
