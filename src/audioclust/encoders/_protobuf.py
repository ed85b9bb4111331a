"""Protobuf messages, read without their library: numbered fields, each a tag (number and wire type) and a value."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
SIZES = {FIXED64: 8, FIXED32: 4}  # bytes


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that starts at ``at``, 7 bits a byte from the lowest, and where what follows begins.

    Raises:
        ValueError: it has no end.
    """
    value = 0
    for place, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a number without an end")


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of each field; values of a fixed size, and messages, as their bytes.

    Raises:
        ValueError: a field ends after the message, or is of an unknown wire type.
    """
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = varint(message, at)
        elif wire in (BYTES, *SIZES):
            size, at = varint(message, at) if wire == BYTES else (SIZES[wire], at)
            value, at = message[at : at + size], at + size
            if at > len(message):
                after = at - len(message)
                raise ValueError(
                    f"a message ends in the middle of a field: a field of {size} bytes ends {after} after it"
                )
        else:
            raise ValueError(f"unknown wire type {wire}, which protobuf 3 does not have")
        yield number, wire, value
