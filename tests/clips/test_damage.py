"""Damaged recordings of every container are refused, or nothing of them is missing or repeated."""

import pytest
from damage import FORMATS, TICKS, clock, encoded, outcomes, read, wrong

FILES = 200


@pytest.mark.parametrize("name", FORMATS)
def test_whole_recordings_are_read_whole(tmp_path, name):
    (tmp_path / "a").write_bytes(encoded(name))
    assert wrong(read(tmp_path / "a")) == 0


def test_the_clock_tells_what_is_missing_repeated_or_moved():
    x = clock()
    second = len(x) // 6
    assert wrong(x) == 0
    assert wrong(x[second:]) > 3 and wrong(x[:-second]) > 3
    assert wrong([*x[:second], *x]) > 3 and wrong([*x, *x[:second]]) > 3
    assert wrong(0 * x) == TICKS


def test_damaged_recordings_are_not_taken_for_others():
    found = outcomes(FILES, seed=1)
    assert {key: count for key, count in found.items() if key[2] == "taken wrong"} == {}
    assert {name for name, _, _ in found} == set(FORMATS)
    assert sum(found.values()) == FILES and sum(n for key, n in found.items() if key[2] == "refused") > FILES / 3
