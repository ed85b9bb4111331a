"""What a training step computes faster is what the plain formulas give."""

import pytest
import torch
import torch.nn.functional as F

from audioclust.separation.network import ACTIVATIONS, UnitRows
from audioclust.separation.separator import features
from audioclust.separation.stft import Stft

ROWS = {"tanh": torch.tanh, "logistic": torch.sigmoid}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unit_rows_are_the_activation_normalised(activation):
    x, gradient = torch.randn(2, 50, 4, generator=torch.Generator().manual_seed(0))
    x[0], x[1], x[2] = 0, 20, -20  # no length, and saturated
    x.requires_grad_()
    ours, plain = UnitRows.apply(x, activation), F.normalize(ROWS[activation](x), dim=1)
    torch.testing.assert_close(ours, plain)
    ours, plain = (torch.autograd.grad(v, x, gradient)[0] for v in (ours, plain))
    torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unit_rows_have_the_right_gradient(activation):
    x = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert torch.autograd.gradcheck(UnitRows.apply, (x, activation))


def test_features_of_magnitudes_are_those_of_the_spectrum():
    x = torch.randn(2, 2000, generator=torch.Generator().manual_seed(2))
    spectrum = Stft().spectrum(x)
    torch.testing.assert_close(features(spectrum.abs()), features(spectrum), rtol=0, atol=0)
    level = spectrum.abs().square().mean((1, 2), keepdim=True).sqrt()
    torch.testing.assert_close(features(spectrum), (spectrum / level).abs().log(), rtol=1e-5, atol=1e-4)
