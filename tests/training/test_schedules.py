"""Schedules: the official numbers, and their limits."""

from pathlib import Path

import numpy as np
import pytest

from audioclust.training.schedules import cosine, warmup_cosine

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(("case", "start", "end", "steps", "warmup"), [
    (0, 4e-4, 4e-4, 70, 14), (1, 5e-4, 1e-6, 60, 15), (2, 0.996, 1.0, 24, 0),
])  # fmt: skip
def test_schedules_are_temis(case, start, end, steps, warmup):
    """``cosine_scheduler`` of TEMI's utils.py (golden/methods/temi_schedules)."""
    expected = np.load(GOLDEN / "schedules.npz")[f"temi_case{case}"]
    values = warmup_cosine(start, end, steps, warmup)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12)
    assert all(type(value) is float for value in values)
    assert warmup or values == cosine(start, end, steps)


def test_a_schedule_as_short_as_its_warm_up():
    assert warmup_cosine(1.0, 0.5, 3, 3) == [0.0, 0.5, 1.0]
    assert cosine(1.0, 0.0, 0) == [] and cosine(1.0, 0.0, 1) == [1.0]
    with pytest.raises(ValueError, match="warmup=4 of 3 steps"):
        warmup_cosine(1.0, 0.5, 3, 4)
