"""The picture of one clip under every op: equal bytes, every op in it, and nothing of the caller's touched."""

import numpy as np
import pytest
import torch
from matplotlib import rc_context
from matplotlib.image import imread

from audioclust.report.views import _panels, views
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
