"""Views of a training: new ones in every step, or drawn from a few copies of each clip."""

import numpy as np
import pytest
import torch
from deep_fixture import killed_until_it_ends, sounds

from audioclust.pretext.byol import BYOL
from audioclust.pretext.simclr import SimCLR
from audioclust.threads import one_thread
from audioclust.views.augment import Augment
from audioclust.views.clips import Clips
from audioclust.views.maker import Maker

AUGMENT = {"width": 16, "length": "fit", "weak": ("crop", "gain"), "strong": ("crop", "tilt", "mixup", "time_mask")}
OFFLINE = Augment(**AUGMENT, copies=3)


def maker(augment: Augment, random_state: int = 0) -> Maker:
    return Maker(augment, Clips(sounds()[0]), random_state)


def test_online_views_are_those_of_augment():
    make, rows = maker(Augment(**AUGMENT)), torch.arange(10)
    torch.manual_seed(0)
    one, two = make(rows, make.augment.strong, make.augment.weak)
    torch.manual_seed(0)
    x, frames = make.clips[rows]
    assert torch.equal(one, make.augment.strong_view(x, frames))
    assert torch.equal(two, make.augment.weak_view(x, frames))


def test_offline_views_are_drawn_from_so_many_of_each_clip():
    make, rows = maker(OFFLINE), torch.arange(60)
    drawn = torch.stack([make(rows, OFFLINE.strong)[0] for _ in range(40)])
    different = [len(torch.unique(drawn[:, row].flatten(1), dim=0)) for row in rows]
    assert set(different) == {3}
    one, other = make(rows, OFFLINE.strong, OFFLINE.strong)
    equal = torch.tensor([torch.equal(a, b) for a, b in zip(one, other, strict=True)])
    assert 0.1 < equal.float().mean() < 0.6  # one in three
    assert one.dtype == torch.float32 and one.shape == (60, 1, 16, 16)
    assert (make(rows, OFFLINE.weak)[0] != one).any()


def test_copies_depend_on_the_random_state_alone():
    rows = torch.arange(60)
    torch.manual_seed(1)
    one = maker(OFFLINE)._copies(OFFLINE.strong)
    state = torch.get_rng_state()
    make = maker(OFFLINE)
    make(rows[:3], OFFLINE.weak)
    assert torch.equal(make._copies(OFFLINE.strong), one)
    torch.set_rng_state(state)
    assert not torch.equal(maker(OFFLINE, 1)._copies(OFFLINE.strong), one)
    assert torch.equal(torch.get_rng_state(), state)


@one_thread()
def test_a_training_on_copies_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    x, settings = sounds()[0], {"epochs": 4, "batch": 20, "channels": 8, "d": 16, "augment": OFFLINE}
    whole = SimCLR(**settings).fit(x).transform(x)
    online = SimCLR(**settings | {"augment": Augment(**AUGMENT)}).fit(x).transform(x)
    assert (online != whole).any()
    model, *_ = killed_until_it_ends(lambda run: SimCLR(**settings).fit(x, run=run), tmp_path, monkeypatch)
    np.testing.assert_array_equal(model.transform(x), whole)


def test_views_of_one_segment_are_no_copies():
    with pytest.raises(ValueError, match=r"augment\.copies = 3 draws each by itself: set augment\.copies = 0 or byol"):
        BYOL(segments="one", augment=OFFLINE, batch=20).fit(sounds()[0])
