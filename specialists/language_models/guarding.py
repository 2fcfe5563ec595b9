"""What every backend does around an answer: a place in line, and a rest for a model that has failed several times."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing

from specialists.errors import SpecialistError
from specialists.language_models.breaker import Breaker
from specialists.language_models.line import Line
from specialists.language_models.types import End, Piece, Waiting

ITS_OWN_FAULTS = frozenset({"model_unreachable", "model_broken", "out_of_memory"})
Pieces = Generator[Piece | End, None, None]


def guarded(line: Line, breaker: Breaker, answer: Callable[[], Pieces]) -> Iterator[Waiting | Piece | End]:
    """The pieces of `answer`, which is begun once there is a place, and has ended before the place is given on."""
    with line.turn() as waiting:
        has_waited = False
        for before in waiting:
            has_waited = True
            yield Waiting(before)
        if has_waited:
            yield Waiting(None)
        if not breaker.may_try():
            rest = f"{breaker.seconds_left():.0f} s"
            message = f"The language model failed several times and is left alone for {rest}. Its log says why."
            raise SpecialistError("model_unreachable", message)
        report = breaker.released  # until the model has shown something
        try:
            with closing(answer()) as pieces:
                for piece in pieces:
                    report = breaker.succeeded
                    yield piece
        except SpecialistError as error:
            report = breaker.failed if error.code in ITS_OWN_FAULTS else breaker.released
            raise
        finally:
            report()
