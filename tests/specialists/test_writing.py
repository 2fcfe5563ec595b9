"""A written answer: what the passages support is said with its sources, the rest is left out, and a refusal is a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from specialists.composition.types import ComposedSentence, Evidence
from specialists.language_models.types import End, Message, Piece
from specialists.writing import Draft, write


class Scripted:
    """Says its pieces, whatever it is asked."""

    name, window = "scripted", 4096

    def __init__(self, *pieces: str, reason: str = "stop") -> None:
        self.pieces, self.reason = pieces, reason
        self.asked: list[Sequence[Message]] = []

    def generate(self, messages: Sequence[Message], *, most_tokens: int, adapter: str = "") -> Iterator[Piece | End]:
        self.asked.append(messages)
        yield from map(Piece, self.pieces)
        yield End(self.reason, 300, len(self.pieces))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


LEAVE = "Staff get 27 days of paid leave a year. Up to five unused days may be carried over until 31 March."
TRAVEL = "A hotel may cost up to 120 euros a night. Flights are booked by the office."
EVIDENCE = [
    Evidence(20, "Travel policy > Hotels", TRAVEL, ((0, 41), (42, len(TRAVEL)))),
    Evidence(10, "Leave policy > Annual leave", LEAVE, ((0, 39), (40, len(LEAVE)))),
]


def written(*pieces: str, reason: str = "stop") -> tuple[list[ComposedSentence], Draft]:
    writing = write(Scripted(*pieces, reason=reason), "How much leave?", EVIDENCE, None)
    told = []
    while True:
        try:
            told.append(next(writing))
        except StopIteration as end:
            return told, end.value


def test_a_supported_sentence_is_told_with_the_words_of_its_source() -> None:
    told, draft = written("Staff get 27 days ", "of paid leave a year [1]. Up to five unused days ", "may be carried over [1].")

    assert [sentence.text for sentence in told] == [
        "Staff get 27 days of paid leave a year.", "Up to five unused days may be carried over.",
    ]  # fmt: skip
    assert told == draft.sentences
    assert [(quote.passage, quote.text) for quote in draft.quotes] == [
        (10, "Staff get 27 days of paid leave a year."),
        (10, "Up to five unused days may be carried over until 31 March."),
    ]
    assert all(not sentence.is_quoted for sentence in told)
    assert (draft.support, draft.left_out, draft.end.tokens_in) == (1.0, 0, 300)


def test_a_citation_of_the_wrong_passage_is_moved() -> None:
    (told,), draft = written("Staff get 27 days of paid leave a year [2].")

    assert draft.quotes[told.quotes[0]].passage == 10


def test_what_no_passage_says_is_left_out() -> None:
    told, draft = written("Staff get 30 days of paid leave a year [1]. A hotel may cost up to 120 euros a night [2].")

    assert [sentence.text for sentence in told] == ["A hotel may cost up to 120 euros a night."]
    assert (draft.left_out, draft.support) == (1, 0.5)


def test_no_answer_tells_nothing() -> None:
    told, draft = written("NO ", "ANSWER.")

    assert told == []
    assert draft.is_declined
    assert draft.support == 0.0


def test_who_declines_and_goes_on_has_declined() -> None:
    told, draft = written("NO ANSWER. The passages only say that a hotel may cost up to 120 euros a night [2].")

    assert told == []
    assert (draft.is_declined, draft.support) == (True, 0.0)
    assert not written("No answer sheets leave the office. ")[1].is_declined


def test_an_answer_that_was_cut_says_so_and_has_no_half_sentence() -> None:
    told, draft = written("Staff get 27 days of paid leave a year [1]. Up to five unused days may be", reason="length")

    assert [sentence.text for sentence in told] == ["Staff get 27 days of paid leave a year."]
    assert draft.is_cut


def test_words_that_state_nothing_are_not_shown() -> None:
    told, draft = written("Here is what I found:\n- Staff get 27 days of paid leave a year [1]\n")

    assert [(sentence.text, sentence.layout) for sentence in told] == [("Staff get 27 days of paid leave a year", "item")]
    assert draft.left_out == 0


def test_without_room_for_a_passage_the_model_is_not_asked() -> None:
    model = Scripted("Anything.")
    model.window = 10  # type: ignore[misc]

    assert list(write(model, "How much leave?", EVIDENCE, None)) == []
    assert model.asked == []
