"""Frames, as controllers send them."""

from __future__ import annotations

from liftlog.frames import compute_checksum, parse_frame, register_parser, split_stream, validate_frame


def test_it_parses_with_the_registered_parser() -> None:
    register_parser("K5", lambda data: {"floor": data[0]})
    assert parse_frame("K5", bytes([7])) == {"floor": 7}


def test_it_leaves_an_unfinished_frame_out() -> None:
    assert split_stream(b"ab~cd~e") == [b"ab", b"cd"]


def test_it_refuses_a_frame_with_a_wrong_checksum() -> None:
    total = compute_checksum(b"abc")
    assert validate_frame(b"abc" + bytes([total]))
