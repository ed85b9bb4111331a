"""SDR and SI-SDR beside mir_eval, fast_bss_eval, torchmetrics and nussl, and signals for which they are not defined.

Golden values: bss.npz, from those libraries on float64 signals, here rounded to float32.
"""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from audioclust.separation.scores import LIMIT, score, sdr, si_sdr

GOLDEN = {k: torch.from_numpy(v) for k, v in np.load(Path(__file__).parents[1] / "golden" / "bss.npz").items()}
DECIBELS = {"rtol": 0, "atol": 1e-4}
PER_SOURCE = ("sdr", "sdr_improvement", "mixture_sdr", "si_sdr", "si_sdr_improvement", "mixture_si_sdr")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def leaky(s=2, n=4000, leak=0.2):
    """Return estimates in reverse order, each with a part of all sources; references; the mixture."""
    references = noise(s, n)
    estimates = references + leak * references.sum(0) + 0.05 * noise(s, n, seed=1)
    return estimates.flip(0), references, references.sum(0)


def by_projection(reference, estimate, taps=512):
    """Return the SDR by its definition: least squares on all delayed copies."""
    delayed = torch.stack([torch.nn.functional.pad(reference, (d, taps - 1 - d)) for d in range(taps)], 1).double()
    target = torch.nn.functional.pad(estimate, (0, taps - 1)).double()
    part = delayed @ torch.linalg.lstsq(delayed, target[:, None], driver="gelsd").solution[:, 0]
    return 10 * torch.log10(part.square().sum() / (target - part).square().sum())


def test_the_sdr_is_that_of_bss_eval():
    found = score(GOLDEN["est"], GOLDEN["ref"], GOLDEN["mix"])
    for peer in ("mir_sdr", "fast_sdr"):
        torch.testing.assert_close(found["sdr"], GOLDEN[peer], **DECIBELS)
    torch.testing.assert_close(found["mixture_sdr"], GOLDEN["mir_mix_sdr"], **DECIBELS)
    torch.testing.assert_close(found["sdr_improvement"], GOLDEN["mir_sdr"] - GOLDEN["mir_mix_sdr"], **DECIBELS)
    assert found["permutation"].tolist() == GOLDEN["mir_perm"].tolist() == GOLDEN["fast_perm"].tolist()


def test_the_si_sdr_is_that_of_nussl_and_without_means_removed_fast_bss_evals():
    found = score(GOLDEN["est"], GOLDEN["ref"], GOLDEN["mix"])["si_sdr"]
    for peer in ("fast_sisdr_zm1", "torchmetrics_sisdr_zm1"):
        torch.testing.assert_close(found, GOLDEN[peer], **DECIBELS)
    torch.testing.assert_close(found, GOLDEN["nussl_sisdr_sisir_sisar_sdsdr_snr_srr"][:, 0], **DECIBELS)
    kept = si_sdr(GOLDEN["ref"], GOLDEN["est"], zero_mean=False)[[0, 1], GOLDEN["mir_perm"]]
    for peer in ("fast_sisdr_zm0", "torchmetrics_sisdr_zm0"):
        torch.testing.assert_close(kept, GOLDEN[peer], **DECIBELS)
    assert (kept - found).abs().max() > 1e-3


@pytest.mark.parametrize("n", [1, 100, 200, 511, 513, 1500])
def test_short_signals_are_scored_by_the_definition(n):
    """fast_bss_eval alone is wrong below 257 samples: its correlations wrap around."""
    reference, estimate = noise(n), noise(n, seed=1)
    expected = by_projection(reference, estimate).clamp(-LIMIT, LIMIT)
    found = score(estimate[None], reference[None], reference + estimate)["sdr"]
    assert float(found) == pytest.approx(float(expected), abs=1e-2)


@pytest.mark.parametrize("s", [1, 2, 3, 4, 5])
def test_the_permutation_is_the_best_of_all(s):
    estimates, references, mixture = leaky(s, 1500)
    table = sdr(references, estimates)
    best = max(permutations(range(s)), key=lambda order: float(table[range(s), list(order)].sum()))
    found = score(estimates, references, mixture)
    assert found["permutation"].tolist() == list(best) == list(range(s))[::-1]
    torch.testing.assert_close(found["sdr"], table[range(s), list(best)])
    torch.testing.assert_close(found["si_sdr"], si_sdr(references, estimates)[range(s), list(best)])


def test_scale_changes_nothing_however_quiet():
    """fast_bss_eval takes a signal of an energy below 1e-12 for a silent one."""
    estimates, references, mixture = leaky()
    loud, quiet = score(estimates, references, mixture), score(1e-9 * estimates, 1e-8 * references, 1e-9 * mixture)
    for name in PER_SOURCE:
        torch.testing.assert_close(quiet[name], loud[name], rtol=0, atol=1e-3)


def test_inputs_stay_as_they_are():
    given = leaky()
    before = [x.clone() for x in given]
    score(*given)
    assert all(torch.equal(*pair) for pair in zip(given, before, strict=True))


def test_a_perfect_estimate_has_the_limit():
    references = noise(2, 3000)
    found = score(references, references, references.sum(0))
    assert torch.stack([found["sdr"], found["si_sdr"]]).flatten().tolist() == pytest.approx([LIMIT] * 4, abs=1e-6)
    assert found["permutation"].tolist() == [0, 1]
    assert (found["mixture_sdr"].abs() < 3).all()


def test_the_mixture_as_its_own_estimate_improves_nothing():
    _, references, mixture = leaky()
    found = score(mixture.expand(2, -1), references, mixture)
    assert found["sdr_improvement"].tolist() == found["si_sdr_improvement"].tolist() == [0, 0]


def test_a_silent_reference_has_no_score_and_the_others_keep_theirs():
    estimates, references, mixture = leaky(3)
    whole = score(estimates[:2], references[1:], mixture)
    references[0] = 0
    found = score(estimates, references, mixture)
    assert found["silent"].tolist() == [True, False, False]
    assert found["permutation"].tolist() == [2, 1, 0]
    for name in PER_SOURCE:
        assert found[name].isnan().tolist() == [True, False, False]
        torch.testing.assert_close(found[name][1:], whole[name])


def test_only_silent_references():
    found = score(noise(2, 600), torch.zeros(2, 600), torch.zeros(600))
    assert found["silent"].all() and found["sdr"].isnan().all() and found["si_sdr"].isnan().all()


def test_a_silent_estimate_has_the_lowest_score():
    estimates, references, mixture = leaky()
    estimates[0] = 0  # of reference 1
    found = score(estimates, references, mixture)
    assert found["permutation"].tolist() == [1, 0]
    assert float(found["sdr"][1]) == float(found["si_sdr"][1]) == -LIMIT
    assert float(found["sdr"][0]) > 5


def test_a_silent_mixture_has_the_lowest_score():
    references = noise(1, 2000).repeat(2, 1) * torch.tensor([[1.0], [-1.0]])
    found = score(references, references, references.sum(0))
    assert found["mixture_sdr"].tolist() == found["mixture_si_sdr"].tolist() == [-LIMIT, -LIMIT]


def test_equal_references_and_one_source_and_a_pure_tone():
    one = noise(1, 2000)
    twice = score(one.repeat(2, 1), one.repeat(2, 1), one[0] * 2)
    assert sorted(twice["permutation"].tolist()) == [0, 1]
    assert twice["sdr"].tolist() == pytest.approx([LIMIT, LIMIT], abs=1e-6)
    alone = score(one + 0.1 * noise(1, 2000, seed=1), one, one[0])
    assert alone["permutation"].tolist() == [0] and float(alone["sdr"]) > 15
    # Their delayed copies are all but dependent; the second one fades in and out without a trace of another tone.
    tone = torch.sin(torch.arange(4000, dtype=torch.float64) * 0.3)[None]
    for each in (tone, tone * torch.hann_window(4000, dtype=torch.float64) ** 4, torch.ones(1, 4000)):
        found = score(each + 0.1 * each.square().mean().sqrt() * noise(1, 4000), each, each[0])
        assert float(found["sdr"]) == pytest.approx(20, abs=1)


@pytest.mark.parametrize(
    "estimates, references, mixture",
    [
        ((2, 900), (2, 1000), (1000,)),
        ((2, 1000), (2, 1000), (999,)),
        ((3, 1000), (2, 1000), (1000,)),
        ((1000,), (1000,), (1000,)),
        ((2, 0), (2, 0), (0,)),
    ],
)
def test_other_shapes_are_an_error_that_names_them(estimates, references, mixture):
    with pytest.raises(ValueError, match="of one length: got references") as error:
        score(torch.ones(estimates), torch.ones(references), torch.ones(mixture))
    assert str(estimates) in str(error.value) and str(mixture) in str(error.value)


def test_samples_that_are_not_finite_are_an_error():
    estimates, references, mixture = leaky()
    estimates[1, 7] = torch.nan
    with pytest.raises(ValueError, match="estimate 1 has samples that are not finite"):
        score(estimates, references, mixture)


def test_scores_are_the_same_on_any_number_of_threads():
    """On two threads MKL refuses what torch makes of a batch of systems."""
    references = torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(score(references.flip(0), references, references.sum(0)))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
