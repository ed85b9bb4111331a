"""The cluster tree, beside scipy's Ward of all clips, each of which lies at the centre of its cluster."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, is_valid_linkage, ward

from audioclust.report.plots.trees import _below
from audioclust.report.tree import linkage_of


@pytest.mark.parametrize("c", [2, 3, 10, 40])
def test_it_goes_on_as_wards_linkage_of_all_clips_does(c):
    rng = np.random.default_rng(c)
    centres, sizes = rng.normal(size=(c, 5)), rng.integers(1, 9, c)
    leaf = np.repeat(np.arange(c), sizes)
    found, wanted = linkage_of(centres[leaf], 3 * leaf + 1), ward(centres[leaf])
    assert is_valid_linkage(found) and found.shape == (c - 1, 4) and found[-1, 3] == c
    np.testing.assert_allclose(found[:, 2], wanted[len(leaf) - c :, 2])
    for parts in range(1, c + 1):  # of every cut
        cut = fcluster(found, parts, "maxclust")[leaf]
        assert len(np.unique(np.stack([cut, fcluster(wanted, parts, "maxclust")]), axis=1).T) == len(np.unique(cut))


def test_leaves_are_the_sorted_clusters_and_noise_and_spread_do_not_matter():
    rng = np.random.default_rng(0)
    labels = np.repeat([7, 3, 5, -1], 20)
    x = np.repeat([[0.0, 0], [10, 0], [11, 0], [99, 99]], 20, axis=0)
    spread = rng.normal(size=(20, 2))
    found = linkage_of(x + np.tile(spread - spread.mean(axis=0), (4, 1)), labels)
    assert found[0, :2].tolist() == [0, 1], "3 and 5 merge first"
    np.testing.assert_allclose(found, linkage_of(x[:60], labels[:60]))
    assert found[0, 2] == pytest.approx(np.sqrt(2 * 20 * 20 / 40))


def test_few_clusters_and_equal_ones():
    assert linkage_of(np.ones((4, 2)), np.array([-1, -1, 5, 5])).shape == (0, 4)
    assert linkage_of(np.ones((2, 2)), np.array([-1, -1])).shape == (0, 4)
    same = linkage_of(np.ones((8, 2)), np.arange(8) // 2)
    assert is_valid_linkage(same) and (same[:, 2] == 0).all()
    with pytest.raises(ValueError, match="got 3 rows and 2 labels"):
        linkage_of(np.ones((3, 2)), np.array([0, 1]))


def test_what_lies_below_a_node_also_of_a_chain_of_two_thousand():
    steps = np.cumsum(np.linspace(1, 2, 2000))
    found = linkage_of(steps[:, None], np.arange(2000))
    assert sorted(_below(found, 3998)) == list(range(2000)) and _below(found, 5) == [5]
