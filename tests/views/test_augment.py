"""Views: BYOL-A's official numbers, and what must hold of every op: signal only, item by item, by the seed alone."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from deep_fixture import sounds
from torch.nn import functional as F

from audioclust.methods.spice import SPICE
from audioclust.parameters import values
from audioclust.pretext.byol import standardised
from audioclust.pretext.simclr import SimCLR
from audioclust.views.augment import OPS, Augment, SameForAll, linear_fader, log_mixup_exp, random_resize_crop
from audioclust.views.resampling import resample, resize_crop

WIDTH = 16
LENGTHS = ["fit", "crop"]
NONE = {"crop": 0, "stretch": 0, "mixup": 0, "warp": 0, "shift": 0, "tilt": 0, "ripple": 0,
        "gain": 0, "fader": 0, "mask_share": 0}  # fmt: skip
NONE_OPS = [op for op in OPS if op not in ("noise", "resize_crop")]  # those have no size at which they do nothing


@pytest.fixture(scope="module")
def golden():
    """Inputs, recorded draws, and of the outputs every third band and fifth frame."""
    with np.load(Path(__file__).parents[1] / "golden" / "byola_views.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def near(x, expected):
    torch.testing.assert_close(x[:, ::3, ::5], expected, rtol=0, atol=1e-5)


def column(draws):
    return draws.float()[:, None]


def batch(b=6, f=8, t=40, padding=-3.0):
    """Return log-mels (b, f, t) that are padded after their ``frames``, 1 of the first, all t of the last clip."""
    x = torch.randn(b, f, t, generator=torch.Generator().manual_seed(0))
    frames = torch.linspace(1, t, b).long()
    return torch.where(torch.arange(t) < frames[:, None, None], x, padding), frames


def view(ops, x, frames, seed=0, **section):
    torch.manual_seed(seed)
    return Augment(**{"width": WIDTH, **section})(x, frames, ops)[:, 0]


# BYOL-A's numbers


def test_mixup_is_byolas(golden):
    """``log_mixup_exp`` of byol-a's ``v2/byol_a2/augmentations.py`` (golden/methods/byola_augment)."""
    x = golden["block_lms"]
    near(log_mixup_exp(x[:3], x[1:4], column(golden["block_mix_alpha"])[:, None]), golden["block_mix_out"])


def test_resize_crop_and_fader_are_byolas(golden):
    """``RandomResizeCrop`` and ``RandomLinearFader``, gain 1, at recorded draws (golden/methods/byola_augment)."""
    x = golden["block_lms"][[0, 1, 2, 4]]
    near(resize_crop(x, *golden["block_rrc_ijhw"].T), golden["block_rrc_out"])
    near(linear_fader(x, *(column(u) for u in golden["block_rlf_u"].T), 1.0), golden["block_rlf_out"])


def test_the_views_of_version_2_are_byolas(golden):
    """Mixup, crop and fader, both views, then normalisation over both (golden/methods/byola_pipeline_v2).

    There each view is mixed with a clip of the bank, which holds each clip once for each view that was made of it.
    """
    x = golden["lms"].repeat_interleave(2, 0)  # draw 2 i + v is that of view v of clip i
    position = golden["mixup_bank_pos"]
    other = x[position.clamp_min(0)]
    mixed = log_mixup_exp(x, other, 1 - 0.2 * column(golden["mixup_u"])[:, None])
    mixed = torch.where(position[:, None, None] < 0, x, mixed)
    views = resize_crop(mixed, *golden["rrc_ijhw"].T)
    views = linear_fader(views, *(column(u) for u in golden["rlf_u"].T), 1.0)
    near(views[::2], golden["view1"])
    near(views[1::2], golden["view2"])
    near(standardised(torch.cat([views[::2], views[1::2]])), golden["post_normalized"])


# Reading between frames and bands


def test_resample_reads_lines_between_values_and_goes_on_at_the_ends():
    x = torch.arange(5.0).expand(2, 3, 5)
    at = torch.tensor([[0.0, 0.25, 4.0, 9.0], [-2.0, 3.5, 1.0, 2.75]])
    expected = torch.tensor([[0.0, 0.25, 4.0, 4.0], [0.0, 3.5, 1.0, 2.75]])
    torch.testing.assert_close(resample(x, at, 2), expected[:, None].expand(2, 3, 4))
    torch.testing.assert_close(resample(x.transpose(1, 2), at, 1), expected[:, :, None].expand(2, 4, 3))
    assert torch.equal(resample(x[..., :1], at, 2), torch.zeros(2, 3, 4))


def test_resize_crop_is_torchs_bicubic_interpolation():
    x = torch.randn(4, 12, 20, generator=torch.Generator().manual_seed(0))
    rectangles = torch.tensor([[0, 0, 12, 30], [3, 7, 1, 1], [11, 29, 1, 1], [2, 5, 7, 20]])
    canvas = F.pad(x, (5, 5))
    for item, ours, (i, j, h, w) in zip(canvas, resize_crop(x, *rectangles.T), rectangles.tolist(), strict=True):
        cut = item[None, None, i : i + h, j : j + w]
        expected = F.interpolate(cut, (12, 20), mode="bicubic", align_corners=True)[0, 0]
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("u", [0.0, 1 - 2**-24])
@pytest.mark.parametrize("scale", [(0.6, 1.5), (1.0, 1.0), (0.0, 0.0), (3.0, 9.0)])
@pytest.mark.parametrize("shape", [(2, 8, 11), (1, 1, 1), (3, 64, 96)])
def test_the_rectangle_lies_on_the_canvas_at_the_extremes_of_the_draw(u, scale, shape):
    x = torch.randn(shape)
    assert random_resize_crop(x, *scale, torch.full((4, len(x)), u)).shape == shape


def test_mixup_of_very_loud_clips_is_finite():
    a, b, share = torch.tensor([[[200.0, -200.0]]]), torch.tensor([[[-200.0, -200.0]]]), torch.ones(1, 1, 1)
    torch.testing.assert_close(log_mixup_exp(a, b, 0.5 * share)[0, 0, 0], torch.tensor(200 - np.log(2)).float())
    assert torch.isfinite(log_mixup_exp(a, b, share)).all()


@pytest.mark.parametrize("length", ["fit", "crop"])
@pytest.mark.parametrize("op", OPS)
def test_views_with_the_same_draws_for_all_do_not_depend_on_the_other_clips(op, length):
    augment = SameForAll(width=WIDTH, length=length, trim=2.0, dynamics=3.0, centre="band")
    x, frames = batch()

    def views(rows):
        torch.manual_seed(5)
        return augment(x[rows], frames[rows], ("crop", op))

    whole, order = views(slice(None)), torch.randperm(len(x))
    assert torch.equal(views(order), whole[order])
    assert all(torch.equal(views([i]), whole[[i]]) for i in range(len(x)))
    torch.manual_seed(6)
    assert op == "stretch" or not torch.equal(augment(x, frames, ("crop", op)), whole)


# What holds of all views


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("width", [8, 16, 40, 100])
@pytest.mark.parametrize(
    "section", [{}, {"trim": 1.0}, {"pool": (2, 2)}, {"trim": 1.0, "trim_jitter": 0.5, "pool": (1, 3)}], ids=str
)
def test_views_show_no_padding(length, width, section):
    augment = Augment(width, length, strong=list(OPS), dynamics=4.0, **section)
    views = []
    for padding in (-3.0, 1e6):
        x, frames = batch(padding=padding)
        x, frames = x[1:], frames[1:]  # fewer frames than are pooled have padding among them
        torch.manual_seed(0)
        several = [
            augment.weak_view(x, frames),
            augment.strong_view(x, frames),
            *(augment(x, frames, [op]) for op in OPS),
        ]
        several += [augment(x, frames, ["stretch"]) for _ in range(20)] + [augment(x, frames, ["crop", "stretch"])]
        assert all(v.shape == (5, 1, augment.bands(8), width) for v in several)
        views.append(torch.stack([*several, augment.original_view(x, frames)[..., :width]]))
    assert torch.equal(*views) and torch.isfinite(views[0]).all()


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("op", OPS)
def test_every_op_changes_the_batch_and_only_its_item(op, length):
    x, frames = batch()
    frames = frames.clamp_min(10)
    before, copy = view([], x, frames, length=length), x.clone()
    after = view([op], x, frames, length=length)
    assert after.shape == before.shape and after.dtype == torch.float32 and torch.isfinite(after).all()
    assert torch.equal(x, copy)
    assert not torch.allclose(after, before, atol=1e-3)
    assert torch.equal(after, view([op], x, frames, length=length))
    assert not torch.equal(after, view([op], x, frames, seed=1, length=length))
    x[1:] += 1  # another neighbourhood
    again = view([op], x, frames, length=length)
    assert torch.equal(again[0], after[0]) or op == "mixup"


@pytest.mark.parametrize("op", OPS)
def test_equal_clips_get_views_of_their_own(op):
    x = torch.randn(1, 8, 40, generator=torch.Generator().manual_seed(0)).repeat(5, 1, 1)
    x[1] += 1  # for mixup
    views = view([op], x, torch.full((5,), 40))
    assert len(views.flatten(1).unique(dim=0)) >= 3  # windows of whole frames may coincide


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("ops", [[], NONE_OPS], ids=["off", "of no size"])
def test_without_ops_the_signal_is_untouched(ops, length):
    x, _ = batch()
    whole = view(ops, x, torch.full((6,), 40), width=40, length=length, **NONE)
    torch.testing.assert_close(whole, x, rtol=0, atol=0 if not ops else 1e-4)


def test_the_original_is_the_signal():
    x, frames = batch()
    fit, crop = Augment(40, "fit"), Augment(16, "crop")
    assert torch.equal(fit.original_view(x, torch.full((6,), 40))[:, 0], x)
    repeated = crop.original_view(x, frames)[:, 0]
    assert repeated.shape == (6, 8, 40)
    for item, own, length in zip(repeated, x, frames.tolist(), strict=True):
        assert torch.equal(item, own[:, torch.arange(40) % length])
    assert Augment(100, "crop").original_view(x, frames).shape == (
        6,
        1,
        8,
        100,
    )  # as long as the views it is trained on
    ends = fit.original_view(x, frames)[2, 0][:, [0, -1]]
    assert torch.equal(ends, x[2][:, [0, int(frames[2]) - 1]])


def test_quiet_ends_are_trimmed():
    x = torch.full((3, 4, 40), -5.0)
    x[0, 2, 10:30] = x[1, :, 7] = x[2, 1, 0] = x[2, 1, 20] = 2.0
    original = Augment(20, "fit", trim=2.0).original_view(x, torch.tensor([40, 40, 30]))[:, 0]
    assert torch.equal(original[0], x[0, :, 10:30]) and torch.equal(original[1], x[1, :, 7:8].expand(4, 20))
    assert original[2, 1, [0, -1]].tolist() == [2, 2] and original[2, 1, 10] == -5
    before = Augment(20, "fit", trim=2.0).original_view(x, torch.tensor([9, 40, 40]))[0]
    assert (before == -5).all()  # what lies in the padding is not loud


def test_where_the_signal_ends_varies_from_view_to_view_and_only_by_crop():
    x = torch.full((400, 4, 40), -9.0)
    x[:, :, 10:20], x[:, :, 20:30] = 2.0, 0.0  # loud, and a quiet end 2 under it
    frames, augment = torch.full((400,), 40), Augment(20, "fit", trim=2.0, trim_jitter=0.5, crop=0.0)
    torch.manual_seed(0)
    ends = augment(x, frames, ["crop"])[:, 0, 0, -1]
    assert set(ends.tolist()) == {0.0, 2.0} and 0.4 < (ends == 0).float().mean() < 0.6
    assert (augment(x, frames, [])[:, 0, 0, -1] == 0).all() and (
        augment.original_view(x, frames)[:, 0, 0, -1] == 0
    ).all()


def test_pooled_views_are_means_of_neighbours():
    x, _ = batch()
    augment = Augment(13, "crop", pool=(2, 3))
    views = augment(x, torch.full((6,), 40), [])
    assert augment.bands(8) == 4 and views.shape == (6, 1, 4, 13)
    torch.testing.assert_close(views[2, 0, 3, 5], x[2, 6:8, 15:18].mean())


def test_a_cropped_view_is_a_window_of_whole_frames_anywhere_in_the_signal():
    x = torch.arange(30.0).expand(500, 2, 30)
    starts = view(["crop"], x, torch.full((500,), 21))[:, 0, 0]
    assert set(starts.tolist()) == set(map(float, range(6)))
    assert torch.equal(view(["crop"], x, torch.full((500,), 21))[0, 0].diff(), torch.ones(WIDTH - 1))
    assert view([], x, torch.full((500,), 21))[0, 0, 0] == 2


def test_a_signal_shorter_than_a_view_is_repeated_from_anywhere():
    x = torch.arange(30.0).expand(200, 2, 30)
    views = view(["crop"], x, torch.full((200,), 5))[:, 0]
    assert set(views[:, 0].tolist()) == set(map(float, range(5)))
    assert torch.equal(views, (views[:, :1] + torch.arange(WIDTH)) % 5)
    assert torch.equal(view([], x, torch.full((200,), 5))[0, 0], torch.arange(WIDTH) % 5)


def test_a_fitted_view_keeps_its_share_of_the_signal():
    x = torch.linspace(0, 1, 40).expand(300, 2, 40)
    views = view(["crop", "stretch"], x, torch.full((300,), 40), length="fit", crop=0.3)[:, 0]
    kept = views[:, -1] - views[:, 0]
    assert 0.69 < kept.min() < 0.75 and 0.95 < kept.max() <= 1
    assert (views.diff() > 0).all()  # time runs forwards, whatever its speed


def test_speed_is_within_its_range():
    x = torch.arange(60.0).expand(400, 2, 60)
    views = view(["stretch"], x, torch.full((400,), 60), stretch=0.25)[:, 0]
    speed = (views[:, -1] - views[:, 0]) / (WIDTH - 1)
    assert 0.8 <= speed.min() < 0.82 and 1.22 < speed.max() <= 1.25 + 1e-6
    assert (views.diff() > 0).all()


# What each op does


X = torch.randn(40, 12, WIDTH, generator=torch.Generator().manual_seed(0))


def changed(op, x=X, **section):
    """Return what an op makes of a batch (b, f, WIDTH)."""
    return view([op], x, torch.full((len(x),), WIDTH), **section)


def test_gain_and_fader_change_levels():
    gain, fader = changed("gain", gain=0.7) - X, changed("fader", fader=0.7) - X
    assert torch.allclose(gain, gain[:, :1, :1], atol=1e-5) and 0.5 < gain.abs().max() <= 0.70001
    assert torch.allclose(fader.diff(dim=2).diff(dim=2), torch.zeros(()), atol=1e-5)
    assert torch.allclose(fader, fader[:, :1], atol=1e-5) and 0.5 < fader.abs().max() <= 0.70001


def test_tilt_and_filter_change_bands():
    tilt, curve = changed("tilt", tilt=0.8) - X, changed("filter", ripple=0.5) - X
    for added in (tilt, curve):
        assert torch.allclose(added, added[:, :, :1], atol=1e-5)
    assert torch.allclose(tilt.diff(dim=1).diff(dim=1), torch.zeros(()), atol=1e-5)
    assert 0.3 < tilt.abs().max() <= 0.40001
    assert 0.5 < curve.abs().max() <= 1.5
    # Three cosines of each clip's own, not one shape at several places.
    assert torch.linalg.matrix_rank(curve[:, :, 0].double(), atol=1e-3) == 6


def test_warp_moves_bands():
    x = torch.zeros(50, 40, WIDTH)
    x[:, 20] = 1
    peaks = changed("warp", x, warp=0.1, shift=3.0).mean(2).argmax(1)
    assert 20 / 1.1 - 3 - 1 <= peaks.min() < 18 and 22 < peaks.max() <= 20 * 1.1 + 3 + 1
    assert torch.equal(changed("warp", torch.full_like(x, 2)), torch.full_like(x, 2))


def test_masks_put_the_mean_in_place_of_a_few_whole_frames_or_bands():
    for op, axis, size in (("time_mask", 2, WIDTH), ("band_mask", 1, 12)):
        masked = changed(op, masks=2, mask_share=0.3)
        hidden = masked == X.mean((1, 2), keepdim=True)
        lines = hidden.all(3 - axis)
        assert 0 < lines.sum(1).max() <= 2 * (0.3 * size + 1)
        assert torch.equal(masked != X, (masked != X) & lines.unsqueeze(3 - axis))


def test_noise_adds_power_and_drowns_only_what_is_quiet():
    x = torch.full((30, 12, WIDTH), -9.0)
    x[:, 6, 8] = 4
    noisy = changed("noise", x, noise_level=(2.0, 5.0))
    assert (noisy >= x - 1e-5).all() and (noisy[:, 6, 8] - 4).abs().max() < 0.05
    background = noisy.median(2).values.mean(1)
    assert -1.5 < background.min() < background.max() < 2.5


def test_mixup_keeps_most_of_a_clips_own_power():
    power = changed("mixup", mixup=0.4).exp()
    assert (power >= 0.6 * X.exp() - 1e-4).all()
    assert (power <= X.exp() + 0.4 * X.exp().amax(0) + 1e-4).all()


@pytest.mark.parametrize("length", LENGTHS)
def test_centred_and_levelled_views(length):
    x, frames = batch()
    bands, clip = (Augment(WIDTH, length, centre) for centre in ("band", "clip"))
    for kind in ("original_view", "weak_view", "strong_view"):
        assert getattr(bands, kind)(x, frames).mean(3).abs().max() < 1e-5
        assert getattr(clip, kind)(x, frames).mean((2, 3)).abs().max() < 1e-5
    levelled = Augment(WIDTH, length, dynamics=1.5).original_view(x, frames)
    assert (levelled.amax((1, 2, 3)) - levelled.amin((1, 2, 3))).max() <= 1.5 + 1e-5


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("centre", "shape"), [("band", (8, 1)), ("clip", (1, 1))])
@pytest.mark.parametrize("op", [op for op in OPS if op not in ("mixup", "noise")])
def test_nothing_shows_what_is_centred_away(op, centre, shape, length):
    """Neither in a mask nor around a view; to sounds that are added their level matters."""
    x, frames = batch()
    offset = 3 * torch.randn(shape, generator=torch.Generator().manual_seed(1))
    one, two = (view([op], each, frames, length=length, centre=centre) for each in (x, x + offset))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-4)


# Its parameters


def test_weak_and_strong_are_the_lists():
    x, frames = batch()
    augment = Augment(WIDTH, weak=["gain"], strong=["tilt", "gain"])
    for kind, ops in (("weak_view", ["gain"]), ("strong_view", ["tilt", "gain"])):
        torch.manual_seed(3)
        assert torch.equal(getattr(augment, kind)(x, frames)[:, 0], view(ops, x, frames, seed=3))


def test_parameters_come_back_through_json():
    augment = Augment(50, "fit", "band", strong=("warp",), resize_scale=(0.5, 1.0), pool=(2, 1))
    text = json.dumps(values(augment))
    again = Augment(**json.loads(text))
    assert again == augment and json.dumps(values(again)) == text
    assert values(augment)["width"] == 50 and again != Augment(50)


def test_an_unknown_op_is_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"Augment\.weak = \['gian'\]: .*'crop', 'stretch', .*; did you mean 'gain'"):
        Augment(weak=["gian"])
    with pytest.raises(ValueError, match=r"unknown op 'gian': choose one of band_mask, crop, .*; did you mean 'gain'"):
        Augment()(*batch(), ["gain", "gian"])


@pytest.mark.parametrize(("wrong", "message"), [
    ({"width": 7}, r"Augment\.width = 7: .*greater than or equal to 8"), ({"length": "fitt"}, "did you mean 'fit'"),
    ({"mixup": 1.0}, r"Augment\.mixup = 1\.0: .*less than 1"), ({"pool": (0, 1)}, r"Augment\.pool = \(0, 1\): \[0\]"),
])  # fmt: skip
def test_wrong_parameters_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Augment(**wrong)


def test_one_clip_alone():
    x, frames = batch(1)
    assert torch.isfinite(view(list(OPS), x, frames)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_views_are_made_without_waiting():
    x, frames = (part.cuda() for part in batch())
    augment = Augment(WIDTH, strong=list(OPS), dynamics=3.0, centre="band")
    torch.cuda.set_sync_debug_mode("error")
    try:
        views = augment.strong_view(x, frames)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert views.device.type == "cuda" and torch.isfinite(views).all()


@pytest.mark.parametrize(("frames", "pool", "width"), [
    ([43, 43, 44, 400], (2, 1), 12), ([400] * 3, (2, 1), 96), ([200, 300, 4], (2, 1), 50), ([200, 300, 4], (2, 2), 25),
    ([1], (1, 1), 12), ([5000], (1, 1), 96),
])  # fmt: skip
def test_a_width_that_is_not_given_is_a_quarter_of_the_median_signal(frames, pool, width):
    given, open_ = Augment(width=40, pool=pool), Augment(width=None, pool=pool)
    assert given.sized(torch.tensor(frames)) is given
    assert open_.sized(torch.tensor(frames)).width == width
    assert open_.width is None


def test_an_encoder_keeps_the_width_that_it_was_trained_with(tmp_path):
    x, _ = sounds()
    augment = Augment(width=None, pool=(1, 1))
    encoder = SimCLR(d=16, channels=8, epochs=1, batch=20, augment=augment).fit(x, frames=np.full(len(x), 24))
    assert encoder.augment_.width == 12 and augment.width is None
    encoder.save(tmp_path)
    assert SimCLR.load(tmp_path).augment_.width == 12
    model = SPICE(k=3, stage="self", epochs=1, heads=1, augment=augment).fit(x, encoder=encoder)
    assert model.augment_.width == 12
