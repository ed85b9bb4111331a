"""ONNX files written by hand, whole and damaged."""

import struct

import numpy as np
import pytest

from audioclust.encoders._onnx import initialisers


def varint(value):
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor(name, array, kind=1):
    dims = b"".join(field(1, n) for n in array.shape)
    return dims + field(2, kind) + field(8, name.encode()) + field(9, array.tobytes())


def model(*tensors):
    """A node and a name besides the tensors; fields of fixed size before the graph."""
    graph = field(1, field(1, b"input") + field(4, b"Conv")) + field(2, b"graph")
    graph += b"".join(field(5, each) for each in tensors)
    fixed = varint(100 << 3 | 5) + struct.pack("<f", 1) + varint(101 << 3 | 1) + struct.pack("<d", 1)
    return field(1, 8) + field(2, b"by hand") + fixed + field(7, graph)


@pytest.fixture
def read(tmp_path):
    def write_and_read(data):
        (tmp_path / "x.onnx").write_bytes(data)
        return initialisers(tmp_path / "x.onnx")

    return write_and_read


KERNEL = np.arange(600, dtype=np.float32).reshape(100, 3, 2)  # its length takes a number of two bytes


def test_arrays_of_several_types(read):
    expected = {"kernel": (KERNEL, 1), "shape": (np.array([-1, 1, 76]), 7), "scalar": (np.array(-0.4, np.float32), 1),
                "empty": (np.zeros((0, 5)), 11)}  # fmt: skip
    found = read(model(*(tensor(name, array, kind) for name, (array, kind) in expected.items())))
    assert list(found) == list(expected)
    for name, (array, _) in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
        assert found[name].flags.writeable


def test_packed_shape_and_typed_values(read):
    dims = field(1, varint(100) + varint(3) + varint(2))
    found = read(model(dims + field(2, 1) + field(8, b"kernel") + field(4, KERNEL.tobytes())))
    np.testing.assert_array_equal(found["kernel"], KERNEL, strict=True)


def test_a_truncated_file_is_refused(read):
    whole = model(tensor("kernel", KERNEL[:2]))
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"x\.onnx: not readable as an ONNX file"):
            read(whole[:length])


def test_a_changed_byte_gives_another_array_or_a_value_error(read):
    whole = model(tensor("kernel", KERNEL[:2]), tensor("empty", np.zeros((0, 5)), 11))
    for place in range(len(whole)):
        for byte in (0, 0x7F, 0xFF):
            try:
                found = read(whole[:place] + bytes([byte]) + whole[place + 1 :])
            except ValueError as error:
                assert "x.onnx: not readable" in str(error)
            else:
                assert all(isinstance(value, np.ndarray) for value in found.values())


@pytest.mark.parametrize(
    "data, said",
    [
        (b"", "no initialisers"),
        (field(7, field(2, b"graph")), "no initialisers"),
        (b"\xff" * 20, "a number without an end"),
        (b"PK\x03\x04 a zip archive", "wire type 3"),
        (varint(7 << 3 | 2) + varint(60) + b"graph", "a field of 60 bytes ends 55 after"),
        (model(tensor("words", KERNEL, 8)), "'words' has data type 8"),
        (model(field(1, 7) + field(2, 1) + field(8, b"elsewhere")), "'elsewhere' has 0 bytes; 28 are needed"),
        (model(field(1, 0) + field(1, 2**64 - 1) + field(2, 1) + field(8, b"w")), "not readable"),
    ],
)
def test_what_is_wrong_is_said(read, data, said):
    with pytest.raises(ValueError, match=said):
        read(data)
