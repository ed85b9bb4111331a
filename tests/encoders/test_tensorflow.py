"""TensorFlow checkpoints without TensorFlow: one is written here, byte by byte, and damaged in every way."""

import numpy as np
import pytest

from audioclust.encoders._tensorflow import MAGIC, tensors

ARRAYS = {
    "conv2d/bias": np.arange(200, dtype=np.float32),
    "conv2d/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8,
    "conv2d_1/kernel": np.full((1, 5), -2.5, np.float32),
    "power": np.float32(0.9),  # no axes: its shape is an empty message
}


def varint(value):
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def number(field, value):
    return varint(field << 3) + varint(value)


def message(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def block(pairs, every=16):
    """A block of sorted pairs, each without what its key shares with the one before; one in ``every`` is whole."""
    content, whole, before = b"", [], b""
    for i, (key, value) in enumerate(pairs):
        shared = 0
        if i % every == 0:
            whole.append(len(content))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        own = key[shared:]
        content += varint(shared) + varint(len(own)) + varint(len(value)) + own + value
        before = key
    return content + b"".join(n.to_bytes(4, "little") for n in [*(whole or [0]), len(whole or [0])])


def table(blocks, kind=0):
    """A table of blocks of pairs."""
    content, index = b"", []

    def add(body):
        nonlocal content
        handle = varint(len(content)) + varint(len(body))
        content += body + bytes([kind]) + b"sum."
        return handle

    for pairs in blocks:
        index.append((pairs[-1][0], add(block(pairs))))
    footer = add(block([])) + add(block(index, every=1))
    return content + footer.ljust(40, b"\0") + MAGIC


def entries(arrays, kind=1):
    """The pairs of arrays that lie one after the other in the data file."""
    pairs, offset = [], 0
    for name, array in sorted(arrays.items()):
        shape = b"".join(message(2, number(1, size)) for size in array.shape)
        place = (number(4, offset) if offset else b"") + number(5, array.nbytes)  # as zeros are, it is left out
        checksum = varint(6 << 3 | 5) + b"sum."
        pairs.append((name.encode(), number(1, kind) + message(2, shape) + place + checksum))
        offset += array.nbytes
    return pairs


HEADER = (b"", number(1, 1) + message(3, number(1, 1)))
DATA = b"".join(array.tobytes() for _, array in sorted(ARRAYS.items()))


def read(folder, index, data=DATA):
    (folder / ".index").write_bytes(index)
    (folder / ".data-00000-of-00001").write_bytes(data)
    return tensors(folder / ".index", folder / ".data-00000-of-00001")


def test_names_shapes_and_numbers(tmp_path):
    pairs = [HEADER, *entries(ARRAYS)]
    for blocks in ([pairs], [pairs[:2], pairs[2:]]):
        found = read(tmp_path, table(blocks))
        assert found.keys() == ARRAYS.keys()
        for name, array in found.items():
            assert array.dtype == np.float32 and array.shape == ARRAYS[name].shape
            np.testing.assert_array_equal(array, ARRAYS[name])


def test_keys_share_their_beginnings():
    assert len(block(entries(ARRAYS))) < len(block(entries(ARRAYS), every=1))  # so the test above has met both


@pytest.mark.parametrize(
    "index, data, rule",
    [
        (b"", DATA, "not that of a LevelDB table"),
        (b"<html>not found</html>" * 9, DATA, "not that of a LevelDB table"),
        (table([[HEADER, *entries(ARRAYS)]])[1:], DATA, ""),
        (bytes(40) + MAGIC, DATA, "a block at bytes 0 to 0"),
        (b"\xff" * 40 + MAGIC, DATA, ""),
        (table([[HEADER, *entries(ARRAYS)]], kind=1), DATA, r"compressed \(kind 1\)"),
        (table([[HEADER, *entries(ARRAYS)]]), DATA[:-1], "power of shape .* at bytes 916 to 920 of 919"),
        (table([[HEADER, *entries(ARRAYS, kind=9)]]), DATA, "has type 9; only float32"),
        (table([entries(ARRAYS)]), DATA, "no shards"),
        (table([[(b"", number(1, 2)), *entries(ARRAYS)]]), DATA, "2 shards"),
        (table([[(b"", number(1, 1) + number(2, 1)), *entries(ARRAYS)]]), DATA, "order of bytes 1"),
        (table([[HEADER, (b"a", varint(3))]]), DATA, "unknown wire type 3"),
        (table([[HEADER, (b"a", message(2, b"abc")[:-1])]]), DATA, "in the middle of a field"),
        (table([[HEADER, (b"\xff", entries(ARRAYS)[0][1])]]), DATA, "utf-8"),
    ],
)
def test_what_is_damaged_or_of_another_kind_is_a_value_error(tmp_path, index, data, rule):
    with pytest.raises(ValueError, match=rf"\.index: not readable as the index of a TensorFlow checkpoint: .*{rule}"):
        read(tmp_path, index, data)


def test_no_damaged_byte_ends_in_another_error(tmp_path):
    good = table([[HEADER, *entries(ARRAYS)]])
    refused = 0
    for i in range(len(good)):
        try:
            read(tmp_path, good[:i] + bytes([good[i] ^ 129]) + good[i + 1 :])
        except ValueError as error:
            assert "not readable as the index" in str(error)
            refused += 1
    assert refused > len(good) / 4  # the rest is names, checksums and what they share
