"""The NMF baseline beside scikit-learn's multiplicative updates."""

import warnings
from itertools import pairwise

import device_fixture
import pytest
import torch
from sklearn.decomposition import NMF, _nmf

from audioclust.separation.nmf import EPS, activate, bases, learn, separate


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tones(bins, t=60, f=40, seed=0):
    """Return magnitudes (t, f) of a source that uses only those ``bins``, in chords of its own."""
    chords = torch.zeros(4, f, dtype=torch.float64)
    chords[:, bins] = random(4, len(bins), seed=seed).square()
    return random(t, 4, seed=seed + 1).square() @ chords


def objective(v, h, w, sparsity=0.0):
    """Return the generalised Kullback-Leibler divergence and the penalty, by their formulas."""
    model = h @ w
    return float((torch.xlogy(v, v / model.clamp_min(EPS)) - v + model).sum() + sparsity * h.sum())


def factorised(v, h, w, **options):
    """Return what scikit-learn makes of a start, and its estimator."""
    peer = NMF(len(w), init="custom", solver="mu", beta_loss="kullback-leibler", tol=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return torch.from_numpy(peer.fit_transform(v.numpy(), W=h.numpy().copy(), H=w.numpy().copy())), peer


def test_updates_are_scikit_learns_from_the_same_start():
    """Its bases are free; transposed, the law of the activations is that of free bases."""
    v, h, w = random(30, 20) + 0.01, random(30, 5, seed=1), random(5, 20, seed=2)
    expected, peer = factorised(v, h, w, max_iter=50)
    for _ in range(50):
        h = activate(v, h, w)
        w = activate(v.mT, w.mT, h.mT).mT
    torch.testing.assert_close(h, expected, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(w, torch.from_numpy(peer.components_), rtol=1e-6, atol=1e-9)
    assert objective(v, h, w) == pytest.approx(peer.reconstruction_err_**2 / 2, rel=1e-6)


def test_sparse_activations_are_scikit_learns():
    v, h, w = random(30, 20) + 0.01, random(30, 5, seed=1), random(5, 20, seed=2)
    before = h
    h = activate(v, h, w, sparsity=0.7)
    # There the penalty is multiplied by the number of bins.
    expected, _ = factorised(v, before, w, max_iter=1, alpha_W=0.7 / 20, l1_ratio=1.0, alpha_H=0.0)
    torch.testing.assert_close(h, expected, rtol=1e-6, atol=1e-9)


def test_bases_of_length_one_describe_as_well_as_scikit_learns():
    v, h = random(60, 20) + 0.01, random(60, 6, seed=1)
    w = torch.nn.functional.normalize(random(6, 20, seed=2), dim=1)
    _, peer = factorised(v, h, w, max_iter=200)
    for _ in range(200):
        h = activate(v, h, w)
        w = learn(v, h, w)
    torch.testing.assert_close(w.norm(dim=1), torch.ones(6, dtype=torch.float64))
    assert objective(v, h, w) == pytest.approx(peer.reconstruction_err_**2 / 2, rel=0.02)


@pytest.mark.parametrize("sparsity", [0.0, 1.0, 10.0])
def test_no_update_raises_the_objective(sparsity):
    v, h = 10 * random(50, 30), random(50, 8, seed=1)
    w = torch.nn.functional.normalize(random(8, 30, seed=2), dim=1)
    v[:5], v[:, 3] = 0, 0
    errors = [objective(v, h, w, sparsity)]
    for _ in range(40):
        h = activate(v, h, w, sparsity)
        errors.append(objective(v, h, w, sparsity))
        w = learn(v, h, w)
        errors.append(objective(v, h, w, sparsity))
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(errors))
    assert errors[-1] < 0.97 * errors[2]


def test_sparsity_leaves_fewer_activations():
    v = tones(range(40))
    w = bases(v, 30, iterations=30)
    used = []
    for sparsity in (0.0, 20.0):
        h = torch.ones(60, 30, dtype=torch.float64)
        for _ in range(100):
            h = activate(v, h, w, sparsity)
        used.append(float((h > 1e-2 * h.max()).double().mean()))
    assert used[1] < 0.8 * used[0]


def test_bases_describe_the_speech_they_are_learned_from():
    v = tones(range(5, 25))
    w = bases(v, 4, iterations=300, sparsity=0.0)
    assert w.shape == (4, 40) and (w >= 0).all() and w.dtype == v.dtype
    torch.testing.assert_close(w.norm(dim=1), torch.ones(4, dtype=torch.float64))
    assert w[:, :5].sum() + w[:, 25:].sum() < 1e-6
    h = torch.ones(60, 4, dtype=torch.float64)
    for _ in range(300):
        h = activate(v, h, w)
    assert objective(v, h, w) < 0.02 * v.sum()


def test_bases_of_many_speakers_at_once_are_those_one_by_one():
    v = torch.stack([tones(range(20)), tones(range(10, 40), seed=5)])
    h, w = random(2, 60, 6), torch.nn.functional.normalize(random(2, 6, 40), dim=2)
    for law in (activate, learn):
        each = torch.stack([law(v[i], h[i], w[i]) for i in range(2)])
        torch.testing.assert_close(law(v, h, w), each)
    both = bases(v, 6)
    assert both.shape == (2, 6, 40)
    torch.testing.assert_close(both.norm(dim=2), torch.ones(2, 6, dtype=torch.float64))
    assert both[0, :, 20:].sum() < 1e-6 and both[1, :, :10].sum() < 1e-6


def test_a_seed_gives_the_same_bases_whatever_was_drawn_before():
    v = tones(range(20)).float()
    first = bases(v, 5, iterations=5)
    torch.rand(3)
    assert torch.equal(bases(v, 5, iterations=5), first)
    assert not torch.equal(bases(v, 5, iterations=5, seed=1), first)


def test_the_masks_separate_what_bases_can():
    """Two sources with half of their bins in common: the masks are nearer to the true shares than equal ones are."""
    first, second = tones(range(25)), tones(range(15, 40), seed=7)
    mixture = first + second
    found = separate(mixture, [bases(first, 4), bases(second, 6)])
    assert found.shape == (2, 60, 40)
    torch.testing.assert_close(found.sum(0), torch.ones_like(mixture))
    true = torch.stack([first, second])
    errors = [float((mask * mixture - true).square().sum()) for mask in (found, torch.full_like(found, 0.5))]
    assert errors[0] < 0.05 * errors[1]
    assert found[0, :, :15].min() > 0.999 and found[1, :, 25:].min() > 0.999


def test_three_sources_in_the_order_of_their_bases():
    parts = [tones(range(0, 10)), tones(range(10, 20), seed=3), tones(range(20, 30), seed=6)]
    learned = [bases(part, 4, iterations=50) for part in parts]
    found = separate(sum(parts), learned)
    for i, part in enumerate(parts):
        assert found[i][part > 0].min() > 0.999
    torch.testing.assert_close(separate(sum(parts), learned[::-1]), found.flip(0), rtol=0, atol=1e-6)


def test_silence_is_shared_equally_and_teaches_bases_that_are_finite():
    w = bases(tones(range(20)), 3, iterations=5)
    mixture = tones(range(20))
    mixture[4] = 0
    found = separate(mixture, [w, w])
    assert found.isfinite().all() and (found[:, 4] == 0.5).all()
    assert (separate(torch.zeros(5, 40, dtype=torch.float64), [w, w]) == 0.5).all()
    silent = bases(torch.zeros(7, 40), 3)
    assert silent.isfinite().all() and silent.sum() == 0
    assert (separate(mixture, [w, silent.double()])[0][mixture > 0] > 0.999).all()


def test_a_single_source_has_all_and_one_frame_is_enough():
    w = bases(tones(range(40), t=1), 3)
    assert (separate(tones(range(40)), [w]) == 1).all()


def test_wrong_input_is_an_error():
    v = tones(range(20))
    with pytest.raises(ValueError, match="count = 0 bases: must be at least 1"):
        bases(v, 0)
    for bad in (-v, v * torch.nan):
        with pytest.raises(ValueError, match="magnitudes must be finite and not negative"):
            bases(bad, 3)
        with pytest.raises(ValueError, match="magnitudes must be finite and not negative"):
            separate(bad, [v[:3]])
    for bad in (v[:0], v[0]):
        with pytest.raises(ValueError, match=r"magnitudes must be \(t, f\) with one frame or more"):
            bases(bad, 3)
    with pytest.raises(ValueError, match=r"a mixture of 40 bins: got \[\(3, 39\)\]"):
        separate(v, [v[:3], v[:3, 1:]])
    with pytest.raises(ValueError, match=r"of one source or more are needed .* got none"):
        separate(v, [])


def test_on_a_simulated_device_all_is_computed_there():
    v = tones(range(20)).float()
    expected = separate(v, [bases(v, 3, iterations=5), bases(v, 4, iterations=5)])
    with device_fixture.device() as name:
        there = v.to(name)
        found = separate(there, [bases(there, 3, iterations=5), bases(there, 4, iterations=5)])
        assert found.device.type == name
        found = found.cpu()
    torch.testing.assert_close(found, expected)


def test_eps_is_scikit_learns():
    assert float(_nmf.EPSILON) == pytest.approx(EPS)
