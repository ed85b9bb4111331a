"""The tensors of a TensorFlow checkpoint, read without TensorFlow.

A checkpoint is two files. The index is a LevelDB table (github.com/google/leveldb, doc/table_format.md), uncompressed:
blocks of sorted keys, of which each leaves out what it shares with the one before, and a footer that says where the
block of blocks lies. A value is a protobuf of TensorFlow's tensor_bundle.proto: type, shape, and place in the data
file, which holds the bare numbers. Checksums in both are left to whoever verifies the files whole.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audioclust.encoders._protobuf import fields, varint

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48  # bytes: two handles, filled up with zeros, and the magic number
TRAILER = 5  # bytes after a block: kind of compression, checksum
FLOAT = 1  # DT_FLOAT


def tensors(index: Path, data: Path) -> dict[str, np.ndarray]:
    """Return name -> float32 array of all tensors of a checkpoint in one shard; read-only views of one buffer.

    Raises:
        ValueError: the files are damaged, or of another kind: compressed, in several shards, not float32.
    """
    table, numbers = index.read_bytes(), data.read_bytes()
    try:
        entries = dict(_entries(table))
        _check_header(_fields(entries.pop(b"", b"")))
        return {name.decode(): _tensor(name.decode(), _fields(entry), numbers) for name, entry in entries.items()}
    except (ValueError, IndexError) as error:  # IndexError: a number reaches over the end
        raise ValueError(f"{index}: not readable as the index of a TensorFlow checkpoint: {error}") from error


def _check_header(header: dict) -> None:
    """Raise unless a BundleHeaderProto, 1 shards and 2 order of bytes, says one shard and the lowest byte first."""
    if header.get(1) != 1 or header.get(2, 0):
        raise ValueError(f"{header.get(1, 'no')} shards in order of bytes {header.get(2, 0)}; 1 in 0 is readable")


def _tensor(name: str, entry: dict, numbers: bytes) -> np.ndarray:
    """Return the array that a BundleEntryProto describes: 1 type, 2 shape, 4 offset, 5 size in bytes."""
    if entry.get(1) != FLOAT:
        raise ValueError(f"{name} has type {entry.get(1)}; only float32, type {FLOAT}, is readable")
    shape = [_fields(dim).get(1, 0) for dim in _repeated(entry.get(2, b""), 2)]
    start, size = entry.get(4, 0), entry.get(5, 0)
    if size != 4 * math.prod(shape) or start + size > len(numbers):
        raise ValueError(f"{name} of shape {shape} at bytes {start} to {start + size} of {len(numbers)}")
    return np.frombuffer(numbers, "<f4", size // 4, start).reshape(shape)


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table."""
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise ValueError("its end is not that of a LevelDB table")
    _, at = _handle(table, len(table) - FOOTER)  # of the block of metadata
    (start, size), _ = _handle(table, at)
    for _, value in _block(table, start, size):
        (begin, length), _ = _handle(value, 0)
        yield from _block(table, begin, length)


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a block: pairs, places where keys are whole, and the number of these."""
    end = start + size
    if end + TRAILER > len(table) or size < 4:
        raise ValueError(f"a block at bytes {start} to {end} of {len(table)}")
    if table[end]:
        raise ValueError(f"a block is compressed (kind {table[end]})")
    end -= 4 * (1 + int.from_bytes(table[end - 4 : end], "little"))
    if end < start:
        raise ValueError(f"the block at byte {start} ends before it begins")
    at, key = start, b""
    while at < end:
        shared, at = varint(table, at)
        own, at = varint(table, at)
        length, at = varint(table, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError(f"an entry reaches from byte {at} over the end of its block, {end}")
        key = key[:shared] + table[at : at + own]
        yield key, table[at + own : at + own + length]
        at += own + length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return start and size of a block, and where what follows begins."""
    start, at = varint(data, at)
    size, at = varint(data, at)
    return (start, size), at


def _fields(message: bytes) -> dict[int, int | bytes]:
    """Return number -> value of the fields of a protobuf message; the last of each number."""
    return {number: value for number, _, value in fields(message)}


def _repeated(message: bytes, number: int) -> list:
    """Return all values of one field of a protobuf message."""
    return [value for key, _, value in fields(message) if key == number]
