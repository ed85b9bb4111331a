"""The ten colours of either page are told apart with any colour vision."""

from itertools import combinations

import numpy as np
import pytest

from audioclust.report.page._content import DARK
from audioclust.report.plots import COLOURS

# Machado, Oliveira and Fernandes 2009, https://doi.org/10.1109/TVCG.2009.113: what is seen without one kind of cone.
VISION = {
    "all cones": np.eye(3),
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
APART = 14  # CIE 1976; 2.3 is just noticeable side by side


def linear(colour):
    values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    x, y, z = np.cbrt(np.maximum(xyz / [0.9505, 1, 1.089], 0.0089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("colours", [COLOURS, DARK], ids=["light", "dark"])
def test_no_two_colours_are_taken_for_each_other(vision, colours):
    seen = [lab(np.clip(np.array(VISION[vision]) @ linear(colour), 0, 1)) for colour in colours]
    assert len(colours) == 10 and min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > APART
