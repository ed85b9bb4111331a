"""The weights in an ONNX file, read without its library.

An ONNX file is one protobuf message. The numbers of the fields are those of onnx.proto
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np

from audioclust.encoders._protobuf import BYTES, VARINT, fields, varint

GRAPH = 7  # of a model
INITIALISER = 5  # of a graph
DIMS, DATA_TYPE, FLOAT_DATA, NAME, RAW_DATA = 1, 2, 4, 8, 9  # of a tensor
DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}

Message = dict[tuple[int, int], list]  # (number, wire type) -> values in their order


def initialisers(file: Path) -> dict[str, np.ndarray]:
    """Return the constant tensors of an ONNX file, name -> array.

    Raises:
        ValueError: the file is damaged, no ONNX file, or keeps a tensor in a way that is not read here.
    """
    try:
        (graph,) = _message(file.read_bytes())[GRAPH, BYTES] or [b""]
        tensors = _message(graph)[INITIALISER, BYTES]
        if not tensors:
            raise ValueError("no initialisers")
        return dict(map(_tensor, tensors))
    except (ValueError, OverflowError) as error:  # the latter from a shape beyond int64
        raise ValueError(f"{file}: not readable as an ONNX file: {error}") from error


def _tensor(data: bytes) -> tuple[str, np.ndarray]:
    """Return name and array of a TensorProto."""
    message = _message(data)
    name = b"".join(message[NAME, BYTES]).decode()
    shape = message[DIMS, VARINT] + [each for packed in message[DIMS, BYTES] for each in _varints(packed)]
    (kind,) = message[DATA_TYPE, VARINT] or [0]
    if kind not in DTYPES:
        raise ValueError(f"{name!r} has data type {kind}: only {', '.join(map(str, DTYPES))} are read")
    dtype = np.dtype(DTYPES[kind])
    # float_data has the bytes of raw_data, when its type is float32; other typed fields are seldom written.
    values = b"".join(message[RAW_DATA, BYTES] or message[FLOAT_DATA, BYTES])
    needed = math.prod(shape) * dtype.itemsize
    if len(values) != needed:
        raise ValueError(f"{name!r} has {len(values)} bytes; {needed} are needed for {shape} of {dtype}")
    return name, np.frombuffer(values, dtype).reshape(shape).copy()  # a copy can be written to


def _message(data: bytes) -> Message:
    """Return the fields of a message."""
    found: Message = defaultdict(list)
    for number, wire, value in fields(data):
        found[number, wire].append(value)
    return found


def _varints(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found
