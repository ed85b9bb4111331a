"""How many views of each clip are embedded once."""

import pytest

from audioclust.views.embedded import affordable


def test_views_of_many_clips_are_as_few_as_there_is_room_for():
    assert affordable(6, 450, 512) == 6
    with pytest.warns(UserWarning, match=r"2 of 10 views: those of 1000000 clips would take 41 GB"):
        assert affordable(10, 1_000_000, 512) == 2
    with pytest.warns(UserWarning, match=r"4 of 10 views: those of 1000000 clips would take 20 GB"):
        assert affordable(10, 1_000_000, 512, kinds=1) == 4
    with pytest.warns(UserWarning):
        assert affordable(10, 10_000_000, 512) == 1
