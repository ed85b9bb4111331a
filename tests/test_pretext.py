"""Every encoder that is trained here on the same few sounds, and the official numbers of each one's steps."""

import inspect
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from audioclust import registry
from audioclust.nn import checkpoints, ema
from audioclust.nn.augment import Augment
from audioclust.nn.clips import Clips
from audioclust.nn.losses import info_nce
from audioclust.nn.training import Epoch, Run
from audioclust.nn.views import embed
from audioclust.pretext.byol import byol_loss, targets
from audioclust.pretext.moco import enqueue, shuffled_parts
from audioclust.threads import one_thread

NAMES = registry.names("pretext")
GOLDEN = Path(__file__).parent / "golden"
AUGMENT = Augment(16, "crop", strong=["crop", "gain"], gain=2.0)
SMALL = {"d": 16, "channels": 8, "projection": 8, "hidden": 32, "batch": 16, "queue": 32, "momentum": 0.9, "lr": 0.01,
         "weight_decay": 0.0, "epochs": 3, "ops": ["crop", "gain"]}  # fmt: skip
FRAMES = np.tile([24, 20, 9, 5], 12)  # two of four clips are shorter than a view


class Killed(Exception):
    pass


@pytest.fixture(autouse=True)
def one():
    """Networks this small are slower on several threads."""
    with one_thread():
        yield


def sounds(n=48, k=3, padding=-16.0):
    """Return log-mels (n, 16, 24) of ``k`` kinds and their kinds; how loud a clip is says nothing."""
    rng = np.random.default_rng(1)
    kinds = np.arange(n) % k
    own = rng.normal(0, 3, (k, 16, 1))[kinds] + rng.normal(0, 1, (n, 16, 1))
    x = rng.normal(-8, 0.3, (n, 16, 24)) + own + rng.uniform(-5, 5, (n, 1, 1))
    return np.where(np.arange(24) < np.resize(FRAMES, n)[:, None, None], x, padding).astype(np.float16), kinds


def make(name, **parameters):
    """Return an encoder that trains in a second, from those of the parameters that it has."""
    kind = registry.get("pretext", name)
    chosen = SMALL | {"augment": AUGMENT} | parameters
    return kind(**{key: value for key, value in chosen.items() if key in inspect.signature(kind).parameters})


def fitted(name, x=None, frames=FRAMES, run=None, **parameters):
    return make(name, **parameters).fit(sounds()[0] if x is None else x, frames, run=run)


def neighbours_of_its_kind(z, kinds):
    """Return the share of each clip's three nearest by cosine that are of its kind."""
    z = F.normalize(torch.from_numpy(z - z.mean(0)), dim=1)
    nearest = (z @ z.T).fill_diagonal_(-2).topk(3).indices.numpy()
    return np.mean(kinds[nearest] == kinds[:, None])


# Every encoder


@pytest.fixture(scope="module", params=NAMES)
def trained(request):
    """Name, encoder after 24 epochs, and its curves."""
    with one_thread():
        run = Run()
        return request.param, fitted(request.param, run=run, epochs=24), run.curves


def test_the_loss_falls_and_the_embedding_learns_what_is_the_same(trained):
    name, encoder, curves = trained
    losses = [row["loss"] for row in curves]
    # A new queue of noise is told apart easily: the first epochs of MoCo are no measure.
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[3:6])
    x, kinds = sounds()
    untrained = fitted(name, lr=1e-12).transform(x, FRAMES)
    share = neighbours_of_its_kind(encoder.transform(x, FRAMES), kinds)
    assert share > 0.85 and share > neighbours_of_its_kind(untrained, kinds) + 0.1


def test_curves_show_a_healthy_embedding(trained):
    curves = trained[2]
    assert [row["epoch"] for row in curves] == list(range(24))
    assert curves[-1].keys() == {"phase", "epoch", "loss", "alignment", "uniformity", "spread", "rank"}
    assert all(np.isfinite([v for v in row.values() if isinstance(v, float)]).all() for row in curves)
    assert curves[-1]["spread"] > 0.3 and curves[-1]["rank"] > 1.5 and curves[-1]["uniformity"] < -0.3


def test_transform(trained, tmp_path):
    _, encoder, _ = trained
    x, _ = sounds()
    z = encoder.transform(x, FRAMES)
    assert z.shape == (48, 16) and z.dtype == np.float32 and np.isfinite(z).all()
    assert not encoder.backbone_.training
    np.save(tmp_path / "x.npy", x)
    np.testing.assert_array_equal(encoder.transform(np.load(tmp_path / "x.npy", mmap_mode="r"), FRAMES), z)
    # New clips are standardised as those it was trained on, whatever they are.
    np.testing.assert_allclose(encoder.transform(x[5:9], FRAMES[5:9]), z[5:9], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(encoder.transform(Clips(x, FRAMES, mean=0.0, std=9.0)), z)
    with pytest.raises(ValueError, match="views of 24 bands: this network was trained on 16"):
        encoder.transform(np.zeros((2, 24, 16)))


def test_save_and_load(trained, tmp_path):
    _, encoder, _ = trained
    x, _ = sounds()
    encoder.save(tmp_path / "one")
    before = torch.get_rng_state()
    again = type(encoder).load(tmp_path / "one")
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(again.transform(x, FRAMES), encoder.transform(x, FRAMES))
    assert again.augment_.strong_ops == AUGMENT.strong_ops and again.ops == encoder.ops
    again.save(tmp_path / "two")
    one, two = ({file.name: file.read_bytes() for file in (tmp_path / f).iterdir()} for f in ("one", "two"))
    assert one == two and set(one) == {"config.json", "encoder.safetensors"}
    with pytest.raises(FileNotFoundError, match=r"no such file; `dvc repro pretext` trains encoders"):
        type(encoder).load(tmp_path / "three")


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_can_be_the_mean_of_views(name, tmp_path):
    x, _ = sounds()
    encoder = fitted(name, epochs=1)
    plain, encoder.views = encoder.transform(x, FRAMES), 4
    several = encoder.transform(x, FRAMES)
    assert np.array_equal(several, encoder.transform(x, FRAMES))  # the same views again
    encoder.save(tmp_path)
    loaded = registry.get("pretext", name).load(tmp_path)
    assert loaded.views == 4 and np.array_equal(loaded.transform(x, FRAMES), several)
    assert not np.array_equal(several, plain)
    # Views differ in what an encoder should not see, and the more there are the less their mean depends on which.
    encoder.augment_ = Augment(24, "fit", weak=["gain"], gain=2.0)
    of = {}
    for encoder.views in (1, 32, 64):
        of[encoder.views] = encoder.transform(x, FRAMES)
    assert np.linalg.norm(of[64] - of[32]) < np.linalg.norm(of[64] - of[1]) / 2


def test_clips_that_do_not_fit_a_gpu_are_embedded_in_smaller_blocks():
    class Small(nn.Module):
        def forward(self, x):
            if len(x) > 10:
                raise torch.OutOfMemoryError
            return x.mean((1, 2, 3))[:, None]

    clips = Clips(sounds()[0])
    whole = embed(Small(), clips, lambda x, frames: x[:10, None], torch.arange(10))
    torch.testing.assert_close(embed(Small(), clips, lambda x, frames: x[:, None])[:10], whole)

    class Full(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        embed(Full(), clips, AUGMENT.original)


def test_a_training_that_diverges_says_what_to_lower():
    with pytest.raises(RuntimeError, match="lower the learning rate"):
        fitted("simclr", lr=1e30, epochs=20)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_embedding_and_nothing_of_the_callers_is_touched(name):
    x, _ = sounds()
    copy, before = x.copy(), torch.get_rng_state()
    model = make(name)
    arguments = dict(vars(model))
    one, two = model.fit(x, FRAMES).transform(x, FRAMES), fitted(name, Clips(x, FRAMES), None).transform(x, FRAMES)
    np.testing.assert_array_equal(one, two)
    assert (one != fitted(name, random_state=1).transform(x, FRAMES)).any()
    np.testing.assert_array_equal(x, copy)
    assert torch.equal(torch.get_rng_state(), before)
    assert {key: getattr(model, key) for key in arguments} == arguments  # the constructor's arguments stand


@pytest.mark.parametrize("name", NAMES)
def test_what_clips_are_padded_with_does_not_matter(name):
    one, two = (fitted(name, sounds(padding=p)[0], epochs=2).transform(sounds()[0], FRAMES) for p in (-16, 100))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", NAMES)
def test_a_run_killed_again_and_again_ends_as_one_that_was_not(name, tmp_path, monkeypatch):
    x, _ = sounds()
    whole = Run()
    expected = fitted(name, run=whole).transform(x, FRAMES)
    add, calls = Epoch.add, []

    def killed(*arguments, **metrics):
        calls.append(None)
        if len(calls) % 6 == 0:  # of four calls an epoch
            raise Killed
        add(*arguments, **metrics)

    monkeypatch.setattr(Epoch, "add", killed)
    for _ in range(9):
        run = Run(tmp_path, "key", every=0)
        try:
            encoder = fitted(name, run=run)
            break
        except Killed:
            pass
    assert len(calls) > 12
    np.testing.assert_array_equal(encoder.transform(x, FRAMES), expected)
    assert run.curves == whole.curves


@pytest.mark.parametrize("n", [2, 3, 9, 17])
@pytest.mark.parametrize("name", NAMES)
def test_fewer_clips_than_a_batch_and_a_rest(name, n):
    x, _ = sounds(n)
    run = Run()
    z = fitted(name, x, FRAMES[:n], run=run, epochs=2).transform(x, FRAMES[:n])
    assert z.shape == (n, 16) and np.isfinite(z).all()
    assert all(np.isfinite(row["rank"]) for row in run.curves)
    fitted(name, x, FRAMES[:n], backbone="grid", epochs=1)  # has batch statistics over clips alone


@pytest.mark.parametrize("name", NAMES)
def test_what_is_refused(name):
    x, _ = sounds()
    with pytest.raises(ValueError, match=r"n_samples=1 should be >= 2"):
        fitted(name, x[:1], None)
    x[7, 3, 2] = np.nan
    with pytest.raises(ValueError, match="clip 7 is not finite"):
        fitted(name, x)
    with pytest.raises(ValueError, match=r"log-mels of 15 bands \(logmel\.n_mels\)"):
        fitted(name, sounds()[0][:, :15])


@pytest.mark.parametrize("name", NAMES)
def test_collapse_is_seen_in_the_curves(name, monkeypatch):
    """Clips that are all alike have nothing to tell them apart but dropout."""
    monkeypatch.setattr(nn.Dropout, "forward", lambda self, x: x)
    x, run = np.repeat(sounds()[0][:1], 48, axis=0), Run()
    fitted(name, x, None, run=run, ops=[], epochs=1)
    row = run.curves[-1]
    assert row["spread"] < 1e-3 and row["rank"] < 1.2 and row["uniformity"] > -1e-3


@pytest.mark.parametrize("name", NAMES)
def test_other_backbones_and_the_default_views(name):
    x, _ = sounds(8)
    for backbone, d in (("audiontt2022", 48), ("resnet18", 512), ("grid", 16)):
        encoder = registry.get("pretext", name)(backbone=backbone, d=d, channels=4, epochs=1).fit(x, FRAMES[:8])
        assert encoder.augment is None and encoder.transform(x, FRAMES[:8]).shape == (8, d)


# BYOL-A


@pytest.fixture(scope="module")
def byol():
    with np.load(GOLDEN / "byol.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def test_the_loss_is_byols(byol):
    """``loss_fn`` of lucidrains/byol-pytorch in both directions, and its gradient (golden/methods/byol_loss)."""
    p = byol["loss_pred_1"].clone().requires_grad_()
    loss = byol_loss(p, byol["loss_pred_2"], byol["loss_target_proj_1"], byol["loss_target_proj_2"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), byol["loss_total"], rtol=0, atol=1e-9)
    torch.testing.assert_close(p.grad, byol["loss_grad_pred_1"], rtol=0, atol=1e-9)


class Tiny(nn.Sequential):
    """ReLU(Linear) and a projector, with the names of the golden file."""

    def __init__(self):
        head = nn.Sequential(nn.Linear(7, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))
        super().__init__(nn.Flatten(), nn.Linear(5, 7), nn.ReLU(), head)

    def named(self, prefix):
        yield from ((f"{prefix}__net__l__{name}", value) for name, value in self[1].state_dict().items())
        yield from numbers(self[3], f"{prefix}__projector")


def numbers(mlp, prefix):
    for name, value in mlp.state_dict().items():
        if "num_batches" not in name:
            yield f"{prefix}__net__{name.replace('.', '__')}", value


def test_steps_are_byols(byol):
    """Three steps of byol-pytorch under BYOL-A's patch: loss, SGD 0.1, EMA 0.99 (golden/methods/byol_step)."""
    online, target = Tiny().double(), Tiny().double().requires_grad_(False)
    predictor = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)).double()

    def everything():
        yield from online.named("online_encoder")
        yield from target.named("target_encoder")
        yield from numbers(predictor, "online_predictor")

    for name, value in everything():
        value.copy_(byol[f"start__{name}"])
    optimiser = torch.optim.SGD([*online.parameters(), *predictor.parameters()], 0.1)
    for x1, x2, expected in zip(byol["x1"], byol["x2"], byol["loss"], strict=True):
        z1, z2 = online(x1), online(x2)
        loss = byol_loss(predictor(z1), predictor(z2), *targets(target, torch.cat([x1, x2])))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        ema.update(target, online, 0.99)
        torch.testing.assert_close(loss.detach(), expected, rtol=0, atol=1e-9)
    for name, value in everything():
        torch.testing.assert_close(value, byol[f"end__{name}"], rtol=0, atol=1e-9, msg=name)


# MoCo


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


@pytest.mark.parametrize(("queue", "batch", "expected"), [(65536, 8, 24), (16, 8, 16), (20, 8, 16), (1, 8, 8)])
def test_the_queue_is_whole_batches_and_at_most_half_of_the_clips(queue, batch, expected, tmp_path):
    fitted("moco", run=Run(tmp_path), queue=queue, batch=batch, epochs=1)
    content = checkpoints.read(tmp_path / "train.ckpt")
    assert content["state"]["keys"]["queue"].shape == (expected, 8)
