"""How many sources there are: what it is told by, and a rule that is learned from examples."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from audioclust.separation.counting import SEGMENT, Counter, features, grams

K = 6


def embeddings(sources: int, seed: int, frames: int = 250) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit rows (t, f, k) about as many directions as there are sources, of unequal size, and active bins."""
    generator = torch.Generator().manual_seed(seed)
    directions = F.normalize(torch.randn(sources, K, generator=generator), dim=1)
    shares = torch.rand(sources, generator=generator) + 0.5
    source = torch.multinomial(shares, frames * 20, replacement=True, generator=generator)
    v = directions[source] + 0.25 * torch.randn(frames * 20, K, generator=generator)
    return F.normalize(v, dim=1).view(frames, 20, K), torch.rand(frames, 20, generator=generator) < 0.7


def test_features_are_eigenvalues_and_second_moments():
    v, active = embeddings(2, 0)
    found = features(*grams(v, active))
    points = v[active].double().numpy()
    moments = points.T @ points / len(points)
    np.testing.assert_allclose(found[:K], np.log(np.linalg.eigvalsh(moments)), rtol=1e-5)
    np.testing.assert_allclose(found[2 * K :], moments[np.triu_indices(K)], rtol=1e-5)
    segments = [v[i : i + SEGMENT][active[i : i + SEGMENT]].double().numpy() for i in range(0, len(v), SEGMENT)]
    values = np.mean([np.linalg.eigvalsh(x.T @ x / len(x)) for x in segments], axis=0)
    np.testing.assert_allclose(found[K : 2 * K], np.log(values), rtol=1e-5)


def test_several_mixtures_are_looked_at_at_once_and_segments_without_sound_do_not_count():
    (v, active), (other, also) = embeddings(2, 0), embeddings(3, 1)
    both = features(*grams(torch.stack([v, other]), torch.stack([active, also])))
    torch.testing.assert_close(both[1], features(*grams(other, also)))
    silent = torch.zeros(SEGMENT, 20, dtype=torch.bool)
    longer = torch.cat([v[:200], torch.ones(SEGMENT, 20, K)]), torch.cat([active[:200], silent])
    torch.testing.assert_close(features(*grams(*longer)), features(*grams(v[:200], active[:200])))


@pytest.mark.parametrize("most", [2, 4])
def test_a_number_is_learned_from_examples(most):
    """With the chance of each number: those that are wrong are less sure than those that are right."""
    cases = [(sources, seed) for seed in range(60) for sources in range(1, most + 1)]
    found = torch.stack([features(*grams(*embeddings(*case))) for case in cases])
    numbers = torch.tensor([sources for sources, _ in cases])
    half = len(cases) // 2
    counter = Counter.fit(found[:half], numbers[:half])
    told = [counter(each) for each in found[half:]]
    right = np.array([number for number, _ in told]) == numbers[half:].numpy()
    sure = np.array([chance for _, chance in told])
    assert right.mean() >= 0.85
    assert ((sure > 1 / most) & (sure <= 1)).all()
    assert right.all() or sure[right].mean() > sure[~right].mean()
    again = Counter(**{name: value.clone() for name, value in counter.tensors().items()})
    assert [again(each) for each in found[half:]] == told
