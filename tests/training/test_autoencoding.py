"""The stacked autoencoder: its shape, its layers' training, and its error beside PCA's."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from audioclust.networks.stacked import Stacked
from audioclust.threads import one_thread
from audioclust.training.autoencoding import fit_stacked
from audioclust.training.loop import Run


def curved(n: int, d: int = 20, seed: int = 0) -> torch.Tensor:
    """Return points (n, d) near a curved surface of two dimensions."""
    rng = np.random.default_rng(seed)
    u = rng.uniform(-1, 1, (n, 2))
    basis = np.random.default_rng(7).normal(size=(6, d))
    made = np.stack([u[:, 0], u[:, 1], u[:, 0] ** 2, u[:, 1] ** 2, np.sin(3 * u[:, 0]), np.cos(3 * u[:, 1])], 1) @ basis
    return torch.from_numpy((made + 0.05 * rng.normal(size=made.shape)).astype(np.float32))


def test_its_layers_are_mirrored_and_linear_at_code_and_output():
    network = Stacked([7, 5, 4, 2])
    assert [(a.in_features, a.out_features, b.in_features, b.out_features) for a, b in network.pairs()] == [
        (7, 5, 5, 7), (5, 4, 4, 5), (4, 2, 2, 4),
    ]  # fmt: skip
    for part in (network.encoder, network.decoder):
        assert [type(layer) for layer in part] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]


def test_its_error_is_below_that_of_as_many_principal_components_of_new_points_too():
    x, new = curved(400), curved(200, seed=1)
    mean, std = x.mean(0), x.std(0)
    x, new = (x - mean) / std, (new - mean) / std
    torch.manual_seed(0)
    network = Stacked([20, 64, 32, 2])
    with one_thread():
        fit_stacked(network, x, batch=50, layer_epochs=20, whole_epochs=200, lr=3e-3, corruption=0.2)
    pca = PCA(2).fit(x.numpy())
    for points in (x, new):
        linear = pca.inverse_transform(pca.transform(points.numpy()))
        assert float((network(points) - points).square().mean()) < 0.8 * np.square(linear - points.numpy()).mean()


def test_each_layer_learns_the_codes_below_it_before_the_whole_does():
    x, run = curved(100), Run()
    torch.manual_seed(0)
    with one_thread():
        fit_stacked(
            Stacked([20, 16, 8, 2]), x, batch=25, layer_epochs=5, whole_epochs=5, lr=1e-3, corruption=0.2, run=run
        )
    phases = ["layer-0", "layer-1", "layer-2", "whole"]
    assert [row["phase"] for row in run.curves] == [phase for phase in phases for _ in range(5)]
    for phase in phases:
        losses = [row["loss"] for row in run.curves if row["phase"] == phase]
        assert losses[-1] < losses[0]


@pytest.mark.parametrize("place", [0, 1])
def test_training_a_layer_leaves_the_others_alone(place):
    network = Stacked([20, 8, 2])
    before = [(a.weight.clone(), b.weight.clone()) for a, b in network.pairs()]
    with one_thread():
        fit_stacked(network, curved(60), batch=20, layer_epochs=1, whole_epochs=0, lr=1e-3, corruption=0.0)
    for (encode, decode), (a, b) in zip(network.pairs(), before, strict=True):
        assert not torch.equal(encode.weight, a) and not torch.equal(decode.weight, b)
