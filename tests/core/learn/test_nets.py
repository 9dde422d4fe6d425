import pytest
import torch
from trimtab.learn.nets import TorchOps, _exp_tanh

OPS = TorchOps()


@pytest.mark.parametrize("outputs", [1, 2, 8, 15, 16, 40])
def test_an_affine_map_and_its_slopes_equal_the_plain_product(outputs: int) -> None:
    torch.manual_seed(0)
    shapes = ((3, 50, 20), (3, 20, outputs), (3, 1, outputs))
    x, w, b = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    ours, plain = OPS.affine(x, w, b), torch.einsum("smi,sio->smo", x, w) + b
    assert ours.detach().numpy() == pytest.approx(plain.detach().numpy(), abs=1e-12)
    weight = torch.randn_like(plain)
    found = torch.autograd.grad((ours * weight).sum(), (x, w, b))
    expected = torch.autograd.grad((plain * weight).sum(), (x, w, b))
    for ours, plain in zip(found, expected, strict=True):
        assert ours.numpy() == pytest.approx(plain.numpy(), abs=1e-12)


def test_the_compilers_tanh_and_its_slope_are_right_from_end_to_end() -> None:
    x = torch.linspace(-200.0, 200.0, 4001, requires_grad=True)
    y = _exp_tanh(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    fine = torch.tanh(x.detach().double())
    assert y.detach().numpy() == pytest.approx(fine.numpy(), abs=2e-7)
    assert slope.numpy() == pytest.approx((1.0 - fine * fine).numpy(), abs=5e-7)
