"""PCL: concentrations and ProtoNCE beside the official code's, and what is peculiar to it as a whole.

``golden/pcl.npz`` holds what salesforce/PCL (``run_kmeans``, ``MoCo.forward``) returned, its k-means included.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from deep_fixture import golden, sounds
from sklearn.metrics import adjusted_rand_score

from audioclust.methods.pcl import PCL, concentrations, proto_nce
from audioclust.pretext._contrastive import info_nce
from audioclust.threads import one_thread
from audioclust.training.loop import Run
from audioclust.views.augment import Augment

AUGMENT = Augment(width=16, length="fit", weak=("crop", "gain"), strong=("crop", "tilt", "time_mask"))
TINY = {"d": 16, "channels": 8, "projection": 16, "epochs": 20, "batch": 20, "lr": 0.03, "augment": AUGMENT}


@pytest.mark.parametrize("place", [0, 1])
def test_concentrations_are_the_official_ones(place):
    g = golden("pcl.npz", "protonce")
    centres = g[f"centroids_raw_{place}"]
    phi = concentrations(g["kmeans_features"], g[f"im2cluster_{place}"], centres, 0.2, 10.0)
    torch.testing.assert_close(phi, g[f"phi_{place}"], rtol=0, atol=1e-6)
    torch.testing.assert_close(F.normalize(centres, dim=1), g[f"centroids_{place}"], rtol=0, atol=1e-6)


def test_the_loss_and_its_gradient_are_the_official_ones():
    """Of the official candidates: each query's prototype, then those drawn."""
    g = golden("pcl.npz", "protonce")
    raw = g["q_raw"].clone().requires_grad_()
    q, k = F.normalize(raw, dim=1), F.normalize(g["k_raw"], dim=1)
    instance = info_nce(q, k, g["queue_before"].T, 0.2)
    proto = []
    for place in (0, 1):
        drawn = torch.cat([g[f"im2cluster_{place}"][g["sample_index"]], g[f"neg_proto_idx_{place}"]])
        centres, phi = g[f"centroids_{place}"][drawn].double(), g[f"phi_{place}"][drawn].double()
        proto.append(proto_nce(q, centres, phi, g[f"proto_targets_{place}"]))
        torch.testing.assert_close(proto[-1].detach(), g[f"proto_loss_{place}"], rtol=0, atol=1e-7)
    total = instance + sum(proto) / 2
    total.backward()
    torch.testing.assert_close(instance.detach(), g["inst_loss"], rtol=0, atol=1e-8)
    torch.testing.assert_close(total.detach(), g["total"], rtol=0, atol=1e-7)
    torch.testing.assert_close(raw.grad, g["grad_q_raw"], rtol=0, atol=1e-6)


def test_a_cluster_of_one_vector_is_as_spread_as_the_most_spread():
    x = torch.tensor([[0.0, 1], [0.2, 1], [1, 0], [1, 0.6], [-1, 0]])
    labels = torch.tensor([0, 0, 1, 1, 2])
    centres = torch.tensor([[0.1, 1], [1, 0.3], [-1, 0]])
    phi = concentrations(x, labels, centres)
    assert phi[2] == phi.max() and phi[0] == phi.min() and phi.mean() == pytest.approx(0.2)
    assert concentrations(torch.ones(3, 2), torch.tensor([0, 0, 1]), torch.ones(2, 2)).tolist() == pytest.approx(
        [0.2, 0.2]
    )


def test_prototypes_join_after_the_warm_up_and_the_sounds_are_found():
    x, kinds = sounds()
    run = Run()
    with one_thread():
        model = PCL(3, **TINY | {"epochs": 20, "warmup": 0.25}).fit(x, run=run)
    assert model.clusters_ == [3, 6, 12]
    assert ["proto" in row for row in run.curves] == [epoch >= 5 for epoch in range(20)]
    assert adjusted_rand_score(kinds, model.labels_) > 0.9


def test_numbers_of_clusters_are_at_most_half_of_the_clips():
    with one_thread():
        model = PCL(3, clusters=[4, 500, 900], **TINY | {"epochs": 2}).fit(sounds(20)[0])
    assert model.clusters_ == [4, 10]
    assert np.unique(model.labels_).size <= 3
