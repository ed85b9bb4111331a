"""The picture of one clip under every op: equal bytes, every op in it, and nothing of the caller's touched."""

import numpy as np
import pytest
import torch
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.image import imread

from audioclust.report.views import _panels, _pooled, views
from audioclust.views.augment import OPS, Augment

RNG = np.random.default_rng(0)
CLIP = RNG.normal(-6, 3, (32, 120)).astype(np.float16)
AUGMENTS = {"crop": Augment(64), "fit": Augment(48, "fit", "band", dynamics=3.0)}


@pytest.mark.parametrize("frames", [120, 20])
@pytest.mark.parametrize("kind", AUGMENTS)
def test_the_picture_is_drawn_and_fits_a_readme(kind, frames, tmp_path):
    views(CLIP, frames, -6.0, 3.0, AUGMENTS[kind], tmp_path / "views.png")
    height, width = imread(tmp_path / "views.png").shape[:2]
    assert 400 <= width <= 1300 and height <= 1700


def test_equal_data_give_equal_bytes_and_the_callers_draws_go_on(tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    views(CLIP, 100, -6.0, 3.0, AUGMENTS["crop"], tmp_path / "one.png")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    with rc_context({"font.size": 20, "lines.linewidth": 5, "axes.facecolor": "red", "savefig.dpi": 30}):
        views(CLIP, 100, -6.0, 3.0, AUGMENTS["crop"], tmp_path / "two.png")
    drawn = (tmp_path / "one.png").read_bytes()
    assert drawn == (tmp_path / "two.png").read_bytes()
    assert b"Software" not in drawn and b"tIME" not in drawn


def test_every_op_is_a_panel_and_does_something():
    panels = _panels(CLIP, 100, -6.0, 3.0, AUGMENTS["crop"])
    assert list(panels) == ["original", "view, no op", "weak", "strong", *OPS]
    plain = panels.pop("view, no op")
    assert panels.pop("original").shape == (32, 120)
    assert all(image.shape == (32, 64) and np.abs(image - plain).mean() > 0.01 for image in panels.values())


@pytest.mark.parametrize("augment, seconds", [
    (Augment(16, pool=(2, 3)), [1.2] + [0.48] * 15), (Augment(48, "fit"), [1.0] * 16),
])  # fmt: skip
def test_the_axes_are_seconds_of_the_clip_and_kilohertz(augment, seconds, tmp_path, monkeypatch):
    """Also where frames are averaged first, or a clip of 1 s of signal is stretched to a view."""
    shown, ticks, imshow, set_yticks = [], [], Axes.imshow, Axes.set_yticks
    monkeypatch.setattr(Axes, "imshow", lambda axes, x, **o: shown.append(o["extent"][1]) or imshow(axes, x, **o))
    monkeypatch.setattr(
        Axes, "set_yticks", lambda axes, at, *names, **o: ticks.append(names) or set_yticks(axes, at, *names, **o)
    )
    mel_hz = np.geomspace(60, 7800, 32)
    views(CLIP, 100, -6.0, 3.0, augment, tmp_path / "views.png", hop_seconds=0.01, mel_hz=mel_hz)
    assert shown == pytest.approx(seconds) and ticks.count((["0.1", "0.5", "2", "6"],)) == 4


def test_bands_that_are_averaged_have_the_mean_of_their_frequencies():
    assert _pooled(np.array([100.0, 200, 300, 500, 900]), Augment(16, pool=(2, 1))).tolist() == [150, 400]
