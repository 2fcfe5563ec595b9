"""Frames that controllers send: reading and writing them."""

from __future__ import annotations

from collections.abc import Callable

PARSERS: dict[str, Callable[[bytes], dict[str, int]]] = {}
END = 0x7E


def register_parser(kind: str, parser: Callable[[bytes], dict[str, int]]) -> None:
    """Register a parser for a type of controller. The last one registered for a type wins."""
    PARSERS[kind] = parser


def parse_frame(kind: str, data: bytes) -> dict[str, int]:
    """Parse a frame of a controller of this type. Raises KeyError where no parser is registered."""
    return PARSERS[kind](data)


def split_stream(data: bytes) -> list[bytes]:
    """Split a stream of bytes into frames at the end mark. An unfinished frame is left out."""
    return data.split(bytes([END]))[:-1]


def compute_checksum(data: bytes) -> int:
    """Compute the checksum of a frame: the sum of its bytes, of which the lowest eight bits count."""
    return sum(data) & 0xFF


def validate_frame(data: bytes) -> bool:
    """Validate a frame by comparing its last byte with the checksum of the others."""
    return len(data) > 1 and compute_checksum(data[:-1]) == data[-1]
