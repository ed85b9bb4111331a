"""Columns as they are packed, and the time of day in names."""

import base64

import numpy as np
import pytest

from audioclust.report.page import _packing
from audioclust.report.page._clock import UNKNOWN, hours


@pytest.mark.parametrize(
    ("values", "kind", "dtype"),
    [
        ([0, 255], "u8", "u1"),
        ([0, 40_000], "u16", "<u2"),
        ([-1, 9], "i16", "<i2"),
        ([0, 70_000], "i32", "<i4"),
        ([0.5, np.nan], "f32", "<f4"),
    ],
)
def test_the_smallest_type_that_holds_the_values(values, kind, dtype):
    found = _packing.packed(np.array(values))
    assert found["t"] == kind
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(found["b"]), dtype), values)


def test_equal_values_are_written_once():
    assert _packing.packed(np.full(9, 3)) == {"c": 3, "n": 9} and _packing.packed(np.empty(0, int))["b"] == ""


def test_places_take_three_bytes():
    found = base64.b64decode(_packing.places(np.array([[1, -1], [99_999, 0]]))["b"])
    assert list(found) == [1, 0, 0, 255, 255, 255, 0x9F, 0x86, 1, 0, 0, 0]


def test_names_take_over_what_they_share_with_the_one_before():
    found = _packing.names(["a/one.wav", "a/one2.wav", "b"])
    assert found["rest"] == ["a/one.wav", "2.wav", "b"]
    assert list(base64.b64decode(found["shared"]["b"])) == [0, 5, 0]


@pytest.mark.parametrize(
    ("path", "hour"),
    [
        ("20230501_053000.WAV", 5),
        ("site/2023-05-01T23-59-50.wav", 0),  # the clip starts 30 s later
        ("20230501053000.wav", 5),
        ("SMU01_2023-05-01_17.30.00_x.flac", 17),
        ("20230501_180000/part3.wav", 18),
        ("20230231_053000.wav", UNKNOWN),  # no such day
        ("20230501_253000.wav", UNKNOWN),
        ("7061-6-0-0.wav", UNKNOWN),
        ("120230501_0530009.wav", UNKNOWN),
    ],
)
def test_the_hour_that_a_name_tells(path, hour):
    found = hours(["20230501_010000.wav", path], np.array([0, 30.0]))
    assert found.tolist() == [1, hour]


def test_names_without_times_have_no_hours():
    assert hours(["a.wav", "1.wav"], np.zeros(2)) is None
