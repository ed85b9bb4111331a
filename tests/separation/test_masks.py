"""Clusters of bins and masks, beside nussl, asteroid, scikit-learn and brute force.

Golden values: masks.npz, parts of the shared masks.npz (nussl, asteroid) and softmask_nussl.npz, frames before bins.
"""

from itertools import permutations
from pathlib import Path

import device_fixture
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from audioclust.separation import clusters, masks

GOLDEN = {k: torch.from_numpy(v) for k, v in np.load(Path(__file__).parents[1] / "golden" / "masks.npz").items()}


def random(seed):
    return torch.Generator().manual_seed(seed)


def embeddings(sources, t=40, f=33, k=20, *, noise=0.5, between=0.1, cosine=0.2, least=0.08, few=0, seed=0):
    """Return embeddings v (t, f, k) and their sources (t, f).

    Directions of a common cosine, shares of at least ``least``, noise of a share that differs from bin to bin, half of
    it in ``few`` dimensions if these are not 0; the share ``between`` lies anywhere between two sources.
    """
    g, n = random(seed), t * f
    basis = torch.linalg.qr(torch.randn(k, k, generator=g))[0]
    centres = (1 - cosine) ** 0.5 * basis[:sources] + cosine**0.5 * basis[sources]
    shares = torch.rand(sources, generator=g)
    labels = torch.multinomial(least + (1 - least * sources) * shares / shares.sum(), n, True, generator=g)
    other, at = torch.randint(sources, (n,), generator=g), torch.rand(n, 1, generator=g)
    at = torch.where(torch.rand(n, 1, generator=g) < between, at, 1)
    v = F.normalize(at * centres[labels] + (1 - at) * centres[other], dim=1)
    spread = torch.randn(n, k, generator=g) / k**0.5
    if few:
        spread = 0.7 * spread + 0.7 * torch.randn(n, few, generator=g) @ basis[-few:] / few**0.5
    v = F.normalize(v + noise * (0.5 + torch.rand(n, 1, generator=g)) * spread, dim=1)
    return v.view(t, f, k), labels.view(t, f)


def some(t=40, f=33, share=0.5, seed=9):
    return torch.rand(t, f, generator=random(seed)) < share


def agreement(found, truth):
    return adjusted_rand_score(truth.flatten(), found.flatten())


def sounds(truth, sources=2, seed=3):
    """Return complex spectra (s, t, f), the source that ``truth`` (t, f) names the loudest, and their sum."""
    spectra = torch.randn(sources, *truth.shape, dtype=torch.complex64, generator=random(seed))
    spectra = spectra * torch.where(truth == torch.arange(sources)[:, None, None], 5, 0.5)
    return spectra, spectra.sum(0)


# k-means of segments


@pytest.mark.parametrize("sources", [1, 2, 3, 5])
def test_the_error_of_k_means_is_scikit_learns_on_the_active_points(sources, monkeypatch):
    monkeypatch.setattr(clusters, "SETS", 2)
    x = torch.randn(3, 500, 4, generator=random(0))
    weights = (torch.rand(3, 500, generator=random(1)) < torch.tensor([[0.9], [0.5], [0.1]])).float()
    found = clusters.centres(x, weights, sources)
    labels = clusters.nearest(x, found)
    for each, counted, centres, label in zip(x, weights.bool(), found, labels, strict=True):
        ours = (each - centres[label])[counted].square().sum()
        assert ours <= 1.01 * KMeans(sources, n_init=10, random_state=0).fit(each[counted].numpy()).inertia_
        torch.testing.assert_close(torch.cdist(each, centres).argmin(1), label)
        means = torch.stack([each[counted & (label == c)].mean(0) for c in range(sources)])
        torch.testing.assert_close(centres, means, rtol=0, atol=0.1)


def test_points_without_weight_change_nothing():
    x = torch.randn(2, 300, 4, generator=random(0))
    weights = some(2, 300).float()
    expected = clusters.centres(x, weights, 3)
    torch.testing.assert_close(clusters.centres(torch.where(weights[..., None] > 0, x, 50.0), weights, 3), expected)


def test_blocks_change_nothing(monkeypatch):
    x, weights = torch.randn(2, 1000, 4, generator=random(0)), torch.ones(2, 1000)
    whole = clusters.centres(x, weights, 3)
    monkeypatch.setattr(clusters, "ENTRIES", {"cpu": 1})
    torch.testing.assert_close(clusters.centres(x, weights, 3), whole)


def test_a_sample_finds_the_restart_and_all_points_the_centres(monkeypatch):
    v, _ = embeddings(3)
    x, weights = v.view(1, -1, 20), some().view(1, -1).float()
    whole = clusters.centres(x, weights, 3)[0]
    monkeypatch.setattr(clusters, "SAMPLE", 100)
    found = clusters.centres(x, weights, 3)[0]
    order = torch.cdist(found, whole).argmin(0)
    torch.testing.assert_close(found[order], whole, rtol=0, atol=5e-3)


def test_a_large_set_with_few_active_points_is_sampled_from_these():
    """Of the others, which are far away, one would be nearer to all active points than any second one."""
    n = 100 * clusters.SAMPLE
    x, weights = 100 + torch.randn(1, n, 2, generator=random(0)), torch.zeros(1, n)
    active = [5, 900, 70000, 70001]
    x[0, active] = torch.tensor([[0.0, 0], [0, 2], [9, 0], [9, 2]])
    weights[0, active] = 1
    assert sorted(clusters.centres(x, weights, 2)[0].tolist()) == [[0, 1], [9, 1]]


def test_more_restarts_are_better():
    x, weights = torch.rand(1, 400, 2, generator=random(0)), torch.ones(1, 400)

    def error(restarts, seed):
        return float(
            torch.cdist(x, clusters.centres(x, weights, 7, restarts=restarts, seed=seed)).amin(2).square().sum()
        )

    assert np.mean([error(10, s) for s in range(5)]) < np.mean([error(1, s) for s in range(5)])
    assert max(error(10, s) for s in range(5)) < max(error(1, s) for s in range(5))


# Labels of a file


def test_global_labels_find_the_sources_and_leave_inactive_bins_out():
    v, truth = embeddings(3, between=0)
    active = some()
    labels = masks.global_labels(v, active, 3)
    assert labels.dtype == torch.int64 and labels.shape == active.shape
    assert torch.equal(labels == -1, ~active)
    assert agreement(labels[active], truth[active]) > 0.99


def test_a_seed_gives_the_same_labels_whatever_was_drawn_before():
    v, active = torch.rand(20, 30, 5, generator=random(0)), some(20, 30)
    first = masks.global_labels(v, active, 4, restarts=1)
    state = torch.rand(3)
    assert torch.equal(masks.global_labels(v, active, 4, restarts=1), first)
    assert not torch.equal(torch.rand(3), state)
    others = [masks.global_labels(v, active, 4, restarts=1, seed=s) for s in range(1, 6)]
    assert min(agreement(other[active], first[active]) for other in others) < 0.99


def test_what_inactive_bins_hold_changes_nothing():
    v, truth = embeddings(2)
    active = some()
    spectra, mixture = sounds(truth)
    strange = torch.where(active[..., None], v, torch.randn(v.shape, generator=random(1)))
    for found in (
        lambda v: masks.global_labels(v, active, 2),
        lambda v: masks.oracle_labels(v, active, spectra, mixture, frames=10),
        lambda v: masks.global_labels(masks.spectral(v, active, 2), active, 2),
    ):
        one, other = found(v), found(strange)
        assert torch.equal(one, other)


def test_one_frame():
    v, truth = embeddings(2, t=1, between=0)
    active = torch.ones(1, 33, dtype=torch.bool)
    spectra, mixture = sounds(truth)
    assert agreement(masks.global_labels(v, active, 2), truth) == 1
    assert torch.equal(masks.oracle_labels(v, active, spectra, mixture), truth)
    assert agreement(masks.global_labels(masks.spectral(v, active, 2, frames=100), active, 2), truth) == 1


def test_as_many_sources_as_active_bins_and_no_more():
    v, _ = embeddings(2)
    active = torch.zeros(40, 33, dtype=torch.bool)
    active[3, :3] = True
    spectra, mixture = sounds(torch.zeros(40, 33), 4)
    assert sorted(masks.global_labels(v, active, 3)[active].tolist()) == [0, 1, 2]
    with pytest.raises(ValueError, match="4 sources need as many active bins, the mixture has 3: ask for fewer"):
        masks.global_labels(v, active, 4)
    with pytest.raises(ValueError, match="4 sources need as many active bins, the mixture has 3"):
        masks.oracle_labels(v, active, spectra, mixture)


def test_a_silent_part_of_a_file_has_no_labels():
    v, _ = embeddings(2)
    found = masks.centres(v[some()], 2)
    assert (masks.nearest(v, torch.zeros(40, 33, dtype=torch.bool), found) == -1).all()
    assert masks.nearest(v[:0], some()[:0], found).shape == (0, 33)


def test_silence_has_no_labels_and_no_sources_asked_for_is_an_error():
    v, _ = embeddings(2)
    silence = torch.zeros(40, 33, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"2 sources .* has 0: ask for fewer sources, or give .* not silent"):
        masks.global_labels(v, silence, 2)
    with pytest.raises(ValueError, match="sources = 0: must be at least 1"):
        masks.global_labels(v, ~silence, 0)


def test_embeddings_that_are_not_finite_are_an_error_where_they_count():
    v, _ = embeddings(2)
    active = some()
    v[~active] = torch.nan
    v[tuple(active.nonzero()[5])] = torch.nan
    with pytest.raises(ValueError, match=f"the embeddings of 1 of {int(active.sum())} bins are not finite"):
        masks.global_labels(v, active, 2)
    everywhere = f"of {int((~active).sum()) + 1} of {active.numel()} bins are not finite"
    with pytest.raises(ValueError, match=everywhere):
        masks.oracle_labels(v, active, *sounds(torch.zeros(40, 33)))
    with pytest.raises(ValueError, match=everywhere):
        masks.spectral(v, active, 2)


# The oracle permutation


def brute_force(labels, spectra, mixture, frames):
    """Return ``labels`` with the best permutation of each segment, by the error of every one."""
    out = labels.clone()
    for start in range(0, len(labels), frames):
        rows = slice(start, start + frames)

        def error(order, rows=rows):
            parts = [(labels[rows] == c) * mixture[rows] - spectra[s, rows] for c, s in enumerate(order)]
            return float(torch.stack(parts).abs().square().sum())

        best = min(permutations(range(len(spectra))), key=error)
        out[rows] = torch.where(labels[rows] < 0, -1, torch.tensor(best)[labels[rows]])
    return out


@pytest.mark.parametrize("sources", [2, 3])
def test_oracle_labels_are_those_of_the_best_permutation_of_each_segment(sources):
    v, truth = embeddings(sources, t=47, between=0.3)
    active = some(47)
    spectra, mixture = sounds(truth, sources)
    # Sources swap their embeddings in the second segment, which one k-means over the file cannot follow.
    v[10:20] = v[10:20].roll(1, 2)
    found = masks.oracle_labels(v, active, spectra, mixture, frames=10)
    assert torch.equal(found == -1, ~active)
    assert torch.equal(found, brute_force(found, spectra, mixture, 10))
    assert agreement(found[active], truth[active]) > 0.6
    assert agreement(masks.global_labels(v, active, sources)[active], truth[active]) < 0.6


def test_a_segment_is_clustered_as_it_would_be_alone():
    v, truth = embeddings(2, t=25, between=0)
    active = some(25)
    spectra, mixture = sounds(truth)
    found = masks.oracle_labels(v, active, spectra, mixture, frames=10)
    for rows in (slice(0, 10), slice(10, 20), slice(20, 25)):
        alone = masks.oracle_labels(v[rows], active[rows], spectra[:, rows], mixture[rows], frames=10)
        assert torch.equal(found[rows], alone)
    assert torch.equal(found[active], truth[active])


def test_a_silent_segment_and_one_with_a_single_active_bin():
    v, truth = embeddings(2, t=30, between=0)
    active = some(30)
    active[:20] = False
    active[12, 4] = True
    spectra, mixture = sounds(truth)
    found = masks.oracle_labels(v, active, spectra, mixture, frames=10)
    assert (found[:10] == -1).all()
    assert torch.equal(found[active], truth[active])


# The spectral form


def test_the_spectral_form_is_that_of_the_singular_vectors():
    """Beside the n x n degrees and a singular value decomposition of all rows; vectors have no sign."""
    v, _ = embeddings(3, t=12)
    active = some(12)
    rows = v[active].double()
    degrees = (rows @ rows.T).sum(1)
    assert (degrees > 0.1 * degrees.mean()).all()
    left = torch.linalg.svd(rows / degrees.sqrt()[:, None], full_matrices=False).U[:, :3]
    expected = F.normalize(left, dim=1)
    found = masks.spectral(v, active, 3)[active].double()
    torch.testing.assert_close(found @ found.T, expected @ expected.T, rtol=0, atol=1e-4)


def test_the_spectral_form_of_segments_is_that_of_each():
    v, _ = embeddings(2, t=25)
    active = some(25)
    found = masks.spectral(v, active, 2, frames=10)
    assert found.shape == (25, 33, 2)
    torch.testing.assert_close(found.norm(dim=2), torch.ones(25, 33))
    for rows in (slice(0, 10), slice(10, 20), slice(20, 25)):
        alone = masks.spectral(v[rows], active[rows], 2)
        torch.testing.assert_close((found[rows] @ found[rows].mT).abs(), (alone @ alone.mT).abs(), rtol=0, atol=1e-3)


def test_the_spectral_form_keeps_sources_apart_by_global_and_oracle():
    v, truth = embeddings(3, noise=0.9)
    active = some()
    spectra, mixture = sounds(truth, 3)
    plain = agreement(masks.global_labels(v, active, 3)[active], truth[active])
    form = masks.spectral(v, active, 3)
    assert agreement(masks.global_labels(form, active, 3)[active], truth[active]) > plain - 0.02 > 0.7
    form = masks.spectral(v, active, 3, frames=20)
    assert agreement(masks.oracle_labels(form, active, spectra, mixture, frames=20)[active], truth[active]) > 0.7


def test_bins_without_neighbours_do_not_make_up_the_spectral_form():
    """A bin that is opposed to all others has a negative degree, and one at right angles to them none."""
    v, truth = embeddings(2, noise=0.2, between=0)
    active = torch.ones(40, 33, dtype=torch.bool)
    v[0, 0], v[0, 1] = -v[0, 0], F.normalize(v[0, 1] - v.mean((0, 1)), dim=0)
    found = masks.global_labels(masks.spectral(v, active, 2), active, 2)
    assert agreement(found[1:], truth[1:]) > 0.99


def test_the_spectral_form_of_silence_and_of_equal_embeddings_is_finite():
    v, _ = embeddings(2, t=10)
    nothing = torch.zeros(10, 33, dtype=torch.bool)
    assert masks.spectral(v, nothing, 2).isfinite().all()
    assert masks.spectral(v[:1, :1].expand(10, 33, 20), ~nothing, 3).isfinite().all()


@pytest.mark.parametrize("m", [0, 21])
def test_more_singular_vectors_than_dimensions_or_none_is_an_error(m):
    v, _ = embeddings(2)
    with pytest.raises(ValueError, match=f"m = {m} singular vectors: must be 1 to 20"):
        masks.spectral(v, some(), m)


# Masks


def test_soft_masks_are_nussls():
    v, loudness = GOLDEN["soft_features"][:, :, 0], GOLDEN["soft_magnitude"][:, :, 0]
    fit = masks.above(loudness, int(GOLDEN["soft_percentile"]))
    assert fit.numpy().tolist() == (loudness.numpy() >= np.percentile(loudness, 60)).tolist()
    theirs = GOLDEN["soft_centers"]
    expected = GOLDEN["soft_responsibilities"][:, :, 0].movedim(2, 0)
    torch.testing.assert_close(masks.soft_masks(v, theirs), expected, rtol=1e-9, atol=1e-12)
    ours = masks.centres(v[fit], 2)
    order = torch.cdist(theirs, ours.double()).argmin(1)
    torch.testing.assert_close(ours[order].double(), theirs, rtol=0, atol=1e-4)
    torch.testing.assert_close(masks.soft_masks(v, ours[order].double()), expected, rtol=0, atol=1e-4)
    everywhere = torch.ones_like(fit)
    assert torch.equal(masks.nearest(v, everywhere, ours[order]), GOLDEN["soft_hard"][:, :, 0])


@pytest.mark.parametrize("percentile", [0, 33.3, 60, 90, 100])
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (10, 10)])
def test_bins_above_a_percentile_are_numpys(size, percentile):
    magnitude = torch.randint(20, size, generator=random(0)).double()
    expected = magnitude.numpy() >= np.percentile(magnitude.numpy(), percentile)
    assert masks.above(magnitude, percentile).numpy().tolist() == expected.tolist()


def test_soft_masks_add_up_and_harden_with_beta():
    v, _ = embeddings(3)
    active = some()
    found = masks.centres(v[active], 3)
    soft, hard = masks.soft_masks(v, found), masks.soft_masks(v, found, beta=15.0)
    torch.testing.assert_close(soft.sum(0), torch.ones(40, 33))
    labels = masks.nearest(v, torch.ones_like(active), found)
    assert torch.equal(soft.argmax(0), labels)
    assert hard.amax(0).mean() > soft.amax(0).mean()


@pytest.mark.parametrize("inactive, total", [("all", 3), ("none", 0)])
def test_inactive_bins_belong_to_all_masks_or_to_none(inactive, total):
    labels = torch.tensor([[0, -1], [2, 1]])
    found = masks.from_labels(labels, 3, inactive)
    assert found.dtype == torch.bool and found.sum(0).tolist() == [[1, total], [1, 1]]
    assert found[2].tolist() == [[False, total == 3], [True, False]]


def test_masks_from_labels_are_asteroids():
    labels = GOLDEN["asteroid_index"].long().masked_fill(~GOLDEN["asteroid_active"], -1)
    assert torch.equal(masks.from_labels(labels, 2), GOLDEN["asteroid_masks"])


def test_the_ideal_ratio_mask_is_asteroids():
    found = masks.ideal_ratio(GOLDEN["asteroid_magnitudes"])
    torch.testing.assert_close(found, GOLDEN["asteroid_ratio"].float(), rtol=1e-3, atol=1e-3)
    assert masks.ideal_ratio(torch.zeros(2, 3, 4)).tolist() == torch.zeros(2, 3, 4).tolist()


def test_the_ideal_binary_mask_is_nussls_with_ties_in_none():
    found = masks.ideal_binary(GOLDEN["nussl_magnitudes"])
    assert torch.equal(found, GOLDEN["nussl_binary"])
    assert (~found.any(0)).sum() == 2 * 129  # two frames of digital silence
    ours = masks.ideal_binary(GOLDEN["asteroid_magnitudes"])
    assert torch.equal(ours[1], GOLDEN["asteroid_index"] == 1)


def test_applied_masks_keep_the_phase_of_the_mixture():
    truth = embeddings(2)[1]
    _, mixture = sounds(truth)
    estimates = masks.apply(masks.from_labels(truth, 2), mixture)
    assert estimates.dtype == torch.complex64
    torch.testing.assert_close(estimates.sum(0), mixture)
    half = masks.apply(torch.full((2, 40, 33), 0.5), mixture)
    torch.testing.assert_close(half[1], mixture / 2)


# Devices


def everything(v, active, spectra, mixture):
    """Return what every function gives on these tensors' device."""
    labels = masks.global_labels(v, active, 2)
    return (
        labels,
        masks.oracle_labels(v, active, spectra, mixture, frames=10),
        masks.global_labels(masks.spectral(v, active, 2, frames=10), active, 2),
        masks.soft_masks(v, masks.centres(v[masks.above(mixture.abs(), 60)], 2)).argmax(0),
        masks.apply(masks.from_labels(labels, 2), mixture).abs() > 0,
        masks.ideal_binary(spectra.abs()),
    )


def case():
    v, truth = embeddings(2, noise=0.3, between=0)
    return v, some(), *sounds(truth)


def test_on_a_simulated_device_all_is_computed_there():
    expected = everything(*case())
    with device_fixture.device() as name:
        found = everything(*(each.to(name) for each in case()))
        assert [x.device.type for x in found] == [name] * 6
        found = [x.cpu() for x in found]
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu():
    expected = everything(*case())
    found = everything(*(each.cuda() for each in case()))
    assert all(torch.equal(one.cpu(), other) for one, other in zip(found, expected, strict=True))
