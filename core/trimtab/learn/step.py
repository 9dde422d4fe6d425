"""The learning step: loss, gradient, clip and Adam, in place, as one function.

Compiled whole, it costs a third of the same step in eager mode, because at small minibatches
overhead between kernels dominates; both give the same results to 1e-6. All parameters of all S
training seeds live in one flat tensor [S, P]: views of it are the weights, and NumPy rollouts
read the same memory. A seed whose loss or gradient is not finite is stopped at its last good
weights and reported in `Learner.active`; the others go on. Target networks are parameters too:
`target.<name>` follows `<name>` by Polyak averaging inside the same function.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trimtab.contracts.errors import CheckpointError

Tensors = Mapping[str, torch.Tensor]
Loss = Callable[[Tensors, Tensors, Tensors], tuple[torch.Tensor, dict[str, torch.Tensor]]]

DECAY_1, DECAY_2, EPSILON = 0.9, 0.999, 1e-5  # Adam; epsilon of the PPO reference code
TARGET = "target."
WORTH_COMPILING = 10_000  # updates; compiling costs some 20 CPU-seconds, 5 from the cache


class Learner:
    """Stacked parameters, their Adam state, and the step that moves them.

    Args:
        params: name → float32 [S, in, out]; copied.
        loss: (weights, batch, coefficients) → (loss [S], diagnostics name → [S]).
        compiled: compile the step; falls back to eager with a warning where there is no compiler.
        max_grad_norm: each seed's gradient is scaled down to this norm.
        polyak: share τ by which `target.<name>` moves to `<name>` in each step.

    Attributes:
        weights: name → NumPy view of the live parameters.
        active: [S] bool; False once a seed's loss was not finite.
    """

    def __init__(
        self,
        params: Mapping[str, NDArray[np.float32]],
        loss: Loss,
        *,
        compiled: bool,
        max_grad_norm: float = 0.5,
        polyak: float = 0.0,
    ) -> None:
        params = _targets_last(params)
        self._loss, self._max_norm = loss, max_grad_norm
        self._shapes = {name: x.shape for name, x in params.items()}
        self._polyak = polyak
        self._own, self._followed = _spans(self._shapes)
        seeds = next(iter(self._shapes.values()))[0]
        joined = np.concatenate([x.reshape(seeds, -1) for x in params.values()], axis=1)
        self.flat = torch.from_numpy(np.ascontiguousarray(joined, dtype=np.float32))
        self._first = torch.zeros(seeds, self._own)
        self._second = torch.zeros(seeds, self._own)
        self._active = torch.ones(seeds, 1, dtype=torch.bool)
        self._updates = 0
        self._scalars = [torch.zeros(()) for _ in range(3)]
        self.weights = {name: x.numpy() for name, x in self.tensors().items()}
        self._update = _Compiled(self._eager_update) if compiled else self._eager_update

    @property
    def active(self) -> NDArray[np.bool_]:
        """[S] bool: seeds whose losses have all been finite."""
        return self._active.numpy()[:, 0].copy()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Name → view [S, in, out] of the flat parameters."""
        return _views(self.flat, self._shapes)

    def update(
        self, batch: Tensors, index: torch.Tensor, coefficients: Tensors, learning_rate: float
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """One step on the rows `index` [B] of every array [S, M, ...] of the batch.

        Returns:
            Loss [S] and diagnostics, before the step.
        """
        self._updates += 1
        rate, bias_1, bias_2 = self._scalars
        rate.fill_(learning_rate)
        bias_1.fill_(1.0 - DECAY_1**self._updates)
        bias_2.fill_(1.0 - DECAY_2**self._updates)
        state = (self.flat, self._first, self._second, self._active)
        return self._update(*state, batch, index, coefficients, rate, bias_1, bias_2)

    def _eager_update(
        self,
        flat: torch.Tensor,
        first: torch.Tensor,
        second: torch.Tensor,
        active: torch.Tensor,
        batch: Tensors,
        index: torch.Tensor,
        coefficients: Tensors,
        rate: torch.Tensor,
        bias_1: torch.Tensor,
        bias_2: torch.Tensor,
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        rows = {name: x.index_select(1, index) for name, x in batch.items()}
        gradient, loss, diagnostics = self._gradient(flat, rows, coefficients)
        norm = (gradient * gradient).sum(dim=1, keepdim=True).sqrt()
        keep = active & torch.isfinite(norm) & torch.isfinite(loss)[:, None]
        shrink = (self._max_norm / (norm + 1e-6)).clamp(max=1.0)
        gradient = torch.where(keep, gradient * shrink, 0.0)
        first.mul_(DECAY_1).add_(gradient, alpha=1.0 - DECAY_1)
        second.mul_(DECAY_2).addcmul_(gradient, gradient, value=1.0 - DECAY_2)
        own, followed = self._own, self._followed
        pace = torch.where(keep, rate / bias_1, 0.0)
        flat[:, :own].sub_(pace * first / ((second / bias_2).sqrt() + EPSILON))
        if followed < own:
            slow, fast = flat[:, own:], flat[:, followed:own]
            slow.add_(torch.where(keep, self._polyak * (fast - slow), 0.0))
        active.copy_(keep)
        return loss, diagnostics

    def _gradient(
        self, flat: torch.Tensor, rows: Tensors, coefficients: Tensors
    ) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
        """Gradient [S, own], loss [S] and diagnostics; seeds are independent, so losses add up."""
        every = _views(flat, self._shapes)
        weights = {name: x for name, x in every.items() if not name.startswith(TARGET)}
        targets = {name: x.detach() for name, x in every.items() if name.startswith(TARGET)}

        def total(
            weights: Tensors,
        ) -> tuple[torch.Tensor, tuple[torch.Tensor, dict[str, torch.Tensor]]]:
            loss, diagnostics = self._loss({**weights, **targets}, rows, coefficients)
            return loss.sum(), (loss, diagnostics)

        if torch.compiler.is_compiling():
            slopes, (loss, diagnostics) = torch.func.grad(total, has_aux=True)(weights)
            parts = list(slopes.values())
        else:
            leaves = {name: x.detach().requires_grad_() for name, x in weights.items()}
            summed, (loss, diagnostics) = total(leaves)
            found = torch.autograd.grad(summed, list(leaves.values()), allow_unused=True)
            pairs = zip(found, leaves.values(), strict=True)
            parts = [torch.zeros_like(x) if g is None else g for g, x in pairs]
        gradient = torch.cat([part.flatten(1) for part in parts], dim=1)
        return gradient, loss.detach(), {k: v.detach() for k, v in diagnostics.items()}

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Everything a bit-identical resume needs, as copies."""
        return {
            "params": self.flat.numpy().copy(),
            "adam.first": self._first.numpy().copy(),
            "adam.second": self._second.numpy().copy(),
            "active": self._active.numpy().copy(),
            "updates": np.array([self._updates]),
        }

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Inverse of `state_dict`.

        Raises:
            CheckpointError: the state belongs to a network of another size.
        """
        if state["params"].shape != tuple(self.flat.shape):
            msg = (
                f"checkpoint holds parameters of shape {state['params'].shape}, the network has "
                f"{tuple(self.flat.shape)}: resume with the seeds and the network of the run"
            )
            raise CheckpointError(msg)
        targets = {
            "params": self.flat,
            "adam.first": self._first,
            "adam.second": self._second,
            "active": self._active,
        }
        for name, target in targets.items():
            target.copy_(torch.from_numpy(np.asarray(state[name])))
        self._updates = int(state["updates"][0])


def _targets_last(
    params: Mapping[str, NDArray[np.float32]],
) -> dict[str, NDArray[np.float32]]:
    """Parameters ordered as: those nobody follows, those followed, their targets."""
    followed = [name.removeprefix(TARGET) for name in params if name.startswith(TARGET)]
    free = [name for name in params if not name.startswith(TARGET) and name not in followed]
    order = free + followed + [TARGET + name for name in followed]
    return {name: params[name] for name in order}


def _spans(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, int]:
    """End of the parameters that Adam moves, and start of those among them that are followed."""
    sizes = {name: math.prod(shape[1:]) for name, shape in shapes.items()}
    slow = sum(size for name, size in sizes.items() if name.startswith(TARGET))
    own = sum(sizes.values()) - slow
    return own, own - slow


def _views(flat: torch.Tensor, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    views, start = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape[1:])
        views[name] = flat[:, start : start + size].view(shape)
        start += size
    return views


class _Compiled:
    """The compiled update, replaced by the eager one if the first call finds no compiler.

    Names, shapes and strides of the batch decide which compiled code runs, and nothing else: the
    compiler's own checks before each call (of every tensor, and of all globals that were read)
    would cost a twentieth of a small update. It also keeps its cache, and a limit of
    recompilations, per code object: each variant gets a code object of its own, so that learners
    of one process do not exhaust it.
    """

    def __init__(self, update: Callable[..., Any]) -> None:
        self._eager = update
        self._variants: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        """See `Learner._eager_update`."""
        batch, index = args[4], args[5]
        key = (index.shape, *[(k, x.shape, x.stride()) for k, x in batch.items()])
        chosen = self._variants.get(key)
        return self._first(key, args) if chosen is None else chosen(*args)

    def _first(self, key: tuple[Any, ...], args: tuple[Any, ...]) -> Any:
        compiled = _compile(self._eager)
        try:
            result = compiled(*args)
        except torch._dynamo.exc.BackendCompilerFailed as error:  # pyright: ignore[reportAttributeAccessIssue]
            first = str(error).splitlines()[0]
            note = f"no compiled learning step, going on in eager mode (slower): {first}"
            warnings.warn(note, RuntimeWarning, stacklevel=4)
            self._variants[key] = self._eager
            return self._eager(*args)
        self._variants[key] = compiled
        return result


def _compile(update: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a bound method under a code object of its own."""
    own = types.FunctionType(
        update.__func__.__code__.replace(),  # type: ignore[attr-defined]
        update.__func__.__globals__,  # type: ignore[attr-defined]
    )
    options: dict[str, Any] = {"cpp.vec_isa_ok": True}  # else programs are built to try each set
    unchecked = getattr(torch.compiler, "skip_all_guards_unsafe", None)  # since torch 2.10
    if unchecked is not None:
        options["guard_filter_fn"] = unchecked
    return torch.compile(
        types.MethodType(own, update.__self__),  # type: ignore[attr-defined]
        dynamic=False,
        fullgraph=True,
        options=options,
    )
