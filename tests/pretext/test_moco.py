"""MoCo: the official numbers of its steps, its queue, and its keys."""

from pathlib import Path

import numpy as np
import pytest
import torch
from deep_fixture import sounds
from torch import nn
from torch.nn import functional as F

from audioclust.networks import ema
from audioclust.pretext._contrastive import info_nce
from audioclust.pretext.moco import MoCo, enqueue, shuffled_parts
from audioclust.training import checkpoints
from audioclust.training.loop import Run
from audioclust.views.augment import Augment

GOLDEN = Path(__file__).parents[1] / "golden"


def test_steps_are_mocos():
    """Four steps of ``MoCo.forward`` of facebookresearch/moco, T = 0.07, m = 0.999 (golden/methods/moco_infonce).

    There the oldest keys are overwritten at a pointer, here they stand in front.
    """
    golden = {name: torch.from_numpy(value) for name, value in np.load(GOLDEN / "moco.npz").items()}
    query, key = (nn.Linear(6, 6, bias=False).double() for _ in range(2))
    key.load_state_dict({"weight": golden["Wq"][0]})  # a copy to begin with
    queue = golden["queue_before"][0].T
    for step in range(4):
        query.load_state_dict({"weight": golden["Wq"][step]})
        ema.update(key, query, 0.999)
        torch.testing.assert_close(key.weight.detach(), golden["Wk_after"][step], rtol=0, atol=1e-12)
        with torch.no_grad():
            q, k = F.normalize(query(golden["x_q"][step]), dim=1), F.normalize(key(golden["x_k"][step]), dim=1)
        torch.testing.assert_close((q, k), (golden["q"][step], golden["k"][step]), rtol=0, atol=1e-9)
        loss = info_nce(q, k, queue, 0.07)  # before the keys join the queue
        torch.testing.assert_close(loss, golden["loss"][step], rtol=0, atol=1e-9)
        queue = enqueue(queue, k)
        after = golden["queue_after"][step].T.roll(-int(golden["ptr_after"][step]), 0)
        torch.testing.assert_close(queue, after, rtol=0, atol=1e-9)


def test_the_queue_is_first_in_first_out_and_no_longer_than_it_was():
    queue = torch.arange(6.0)[:, None]
    for keys in torch.arange(6.0, 14.0).view(4, 2, 1):
        queue = enqueue(queue, keys)
    assert queue.flatten().tolist() == [8, 9, 10, 11, 12, 13]


def test_keys_come_back_in_the_batchs_order_with_statistics_of_their_part():
    network = nn.BatchNorm1d(3)
    x = torch.randn(8, 3) + 5
    assert torch.equal(shuffled_parts(nn.Identity(), x), x)
    keys = shuffled_parts(network, x)
    assert not torch.allclose(keys, network(x), atol=1e-3)
    assert network.num_batches_tracked == 3 and not keys.requires_grad


def test_the_key_network_leaves_its_start(tmp_path):
    """At a momentum of 0.999 it keeps 98 % of it in twenty steps."""
    small = {"d": 16, "channels": 8, "projection": 8, "augment": Augment(16)}

    def networks(name, **parameters):
        MoCo(**small, **parameters).fit(sounds(48)[0], run=Run(tmp_path / name))
        state = checkpoints.read(tmp_path / name / "train.ckpt")["state"]
        return (torch.cat([v.flatten() for k, v in state[n].items() if "weight" in k]) for n in ("query", "key"))

    start, _ = networks("start", epochs=1, lr=1e-12)
    query, key = networks("end", epochs=20)
    assert (query - start).norm() > 0.01 * start.norm()
    assert (key - query).norm() < 0.3 * (query - start).norm()


@pytest.mark.parametrize(("queue", "batch", "expected"), [(65536, 8, 24), (16, 8, 16), (20, 8, 16), (1, 8, 8)])
def test_the_queue_is_whole_batches_and_at_most_half_of_the_clips(queue, batch, expected, tmp_path):
    small = {"d": 16, "channels": 8, "projection": 8, "epochs": 1}
    MoCo(**small, queue=queue, batch=batch, augment=Augment(16)).fit(sounds(48)[0], run=Run(tmp_path))
    content = checkpoints.read(tmp_path / "train.ckpt")
    assert content["state"]["keys"]["queue"].shape == (expected, 8)
