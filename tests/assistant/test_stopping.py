from __future__ import annotations

import pytest

from assistant.api.stopping import Stopper


def through(stopper: Stopper, *pieces: str) -> str:
    return "".join(stopper.feed(piece) for piece in pieces) + stopper.finish()


@pytest.mark.parametrize("cut", range(1, 11))
def test_it_ends_before_the_sequence_wherever_the_pieces_are_cut(cut: int) -> None:
    stopper = Stopper(["END"])
    assert through(stopper, "wordEND more"[:cut], "wordEND more"[cut:]) == "word"
    assert stopper.is_stopped


def test_it_takes_the_first_of_several() -> None:
    assert through(Stopper(["later", "early"]), "an early and a later") == "an "


def test_it_lets_through_what_only_began_like_a_sequence() -> None:
    stopper = Stopper(["END"])
    assert stopper.feed("the EN") == "the "
    assert stopper.feed("D of") == ""
    assert through(Stopper(["END"]), "the EN", "tire text E") == "the ENtire text E"


def test_it_changes_nothing_without_sequences() -> None:
    assert through(Stopper([""]), "all ", "of it") == "all of it"
