"""Autoencoders of log-mels: what they reconstruct beside principal components, and what each kind adds."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from audioclust.pretext._autoencoder import Decoder
from audioclust.pretext.ae import AE
from audioclust.pretext.dae import DAE
from audioclust.pretext.vae import VAE
from audioclust.threads import one_thread
from audioclust.training.autoencoding import divergence, drawn, masked, reconstruction
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips

D = 3
KINDS = {"ae": AE, "dae": DAE, "vae": VAE, "free": partial(VAE, beta=0.0)}


@pytest.fixture(scope="module")
def trained():
    """One of each kind, trained on glides, and a variational one without the divergence."""
    small = {"d": D, "hidden": 32, "channels": 8, "epochs": 60, "batch": 20, "lr": 5e-3, "augment": Augment(width=16)}
    with one_thread():
        return {name: kind(**small).fit(glides(100)) for name, kind in KINDS.items()}


def glides(n: int, seed: int = 0) -> np.ndarray:
    """Return log-mels (n, 16, 16) of tones that glide from one band to another, each with its own loudness."""
    rng = np.random.default_rng(seed)
    start, end = rng.uniform(2, 14, (2, n, 1, 1))
    at = start + (end - start) * np.arange(16) / 15
    ridge = np.exp(-0.5 * ((np.arange(16)[:, None] - at) / 1.5) ** 2)
    return (8 * ridge - 8 + rng.normal(0, 0.3, (n, 16, 16))).astype(np.float32)


def views(x: np.ndarray, model) -> torch.Tensor:
    """Return plain views (n, 1, 16, 16) of log-mels, standardised as a model's."""
    clips = Clips(x, mean=model.mean_, std=model.std_)
    return model.augment_(*clips[torch.arange(clips.n)], ())


def error(model, x: np.ndarray, hidden: float = 0.0) -> float:
    """Return the mean squared error of a model's reconstruction of log-mels, of which a share is hidden from it."""
    view = views(x, model)
    torch.manual_seed(0)
    with torch.no_grad(), one_thread():
        return float((model.decoder_(model.backbone_(masked(view, hidden))) - view).square().mean())


@pytest.mark.parametrize("name", ["ae", "dae", "vae"])
def test_its_error_is_below_that_of_as_many_principal_components_of_new_clips_too(name, trained):
    model, x, new = trained[name], glides(100), glides(80, seed=1)
    pca = PCA(D).fit(views(x, model).flatten(1).numpy())
    for each in (x, new):
        flat = views(each, model).flatten(1).numpy()
        assert error(model, each) < 0.8 * np.square(pca.inverse_transform(pca.transform(flat)) - flat).mean()


def test_a_denoising_one_repairs_what_is_missing(trained):
    new = glides(80, seed=1)
    assert error(trained["dae"], new, hidden=0.3) < 0.9 * error(trained["ae"], new, hidden=0.3)


def test_codes_of_a_variational_one_are_spread_more_like_a_standard_normal_distribution(trained):
    one, free = (abs(np.square(trained[name].transform(glides(100))).mean() - 1) for name in ("vae", "free"))
    assert one < 0.5 * free


def test_the_bound_is_the_gaussian_one():
    rng = torch.Generator().manual_seed(0)
    mean, log_variance, x, made = (torch.randn(5, 4, generator=rng, dtype=torch.float64) for _ in range(4))
    q = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros(()).double(), torch.ones(()).double())
    expected = torch.distributions.kl_divergence(q, prior).sum(1).mean()
    torch.testing.assert_close(divergence(mean, log_variance), expected)
    p = torch.distributions.Normal(made, math.exp(0.15))
    constant = 0.5 * math.log(2 * math.pi) * 4
    value = reconstruction(x, made, torch.tensor(0.3, dtype=torch.float64)) + constant
    torch.testing.assert_close(value, -p.log_prob(x).sum(1).mean())


def test_gradients_pass_through_what_is_drawn():
    mean, log_variance = (torch.zeros(4, 3, requires_grad=True) for _ in range(2))
    drawn(mean, log_variance).sum().backward()
    assert torch.equal(mean.grad, torch.ones(4, 3)) and log_variance.grad.abs().sum() > 0


@pytest.mark.parametrize(("f", "t"), [(16, 16), (64, 48), (30, 21)])
def test_views_of_any_size_are_reconstructed(f, t):
    assert Decoder(4, f, t, 8)(torch.zeros(2, 4)).shape == (2, 1, f, t)


def test_masks_hide_their_share():
    torch.manual_seed(0)
    assert abs(float((masked(torch.ones(100, 100), 0.3) == 0).double().mean()) - 0.3) < 0.02
