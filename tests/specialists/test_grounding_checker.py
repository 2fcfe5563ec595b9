from __future__ import annotations

from collections.abc import Sequence

from specialists.grounding.checker import RULES_ALONE, Claim, check_answer

LEAVE = "Leave\nStaff get 20 days of paid leave. Days that are left over expire on 31 March."
TRAVEL = "Travel\nThe company pays for second-class rail travel. A hotel may cost up to 120 euros a night."
PASSAGES = {1: LEAVE, 2: TRAVEL}


class WordHead:
    """Finds a claim supported when the passage has the word that it is told."""

    name = "grounding@test"
    threshold = 0.5

    def __init__(self, *words: str) -> None:
        self.words = words
        self.calls: list[list[tuple[str, str]]] = []

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.calls.append(list(pairs))
        return [0.9 if any(word in passage for word in self.words) else 0.1 for _, passage in pairs]


def test_it_keeps_a_quoted_sentence_without_asking_the_head() -> None:
    head = WordHead()
    answer = check_answer([Claim("Staff get 20 days of paid leave.", (1,))], PASSAGES, head=head)
    assert [(item.verdict, item.citations, item.score) for item in answer.sentences] == [("supported", (1,), 1.0)]
    assert head.calls == []
    assert not answer.is_refused and answer.note == ""


def test_it_moves_a_citation_to_the_passage_that_supports_and_drops_the_wrong_one() -> None:
    moved = check_answer([Claim("A hotel may cost up to 120 euros a night.", (1,))], PASSAGES).sentences[0]
    assert (moved.verdict, moved.citations) == ("moved", (2,))
    assert moved.reason == "Source 2 supports it; source 1 does not."
    kept = check_answer([Claim("A hotel may cost up to 120 euros a night.", (1, 2, 9))], PASSAGES).sentences[0]
    assert (kept.verdict, kept.citations) == ("supported", (2,))
    assert "Dropped: 1" in kept.reason


def test_it_gives_a_sentence_without_citation_the_source_that_it_has() -> None:
    found = check_answer([Claim("Staff get twenty days of paid leave.", ())], PASSAGES).sentences[0]
    assert (found.verdict, found.citations) == ("moved", (1,))
    lost = check_answer([Claim("Lunch is served at noon in the canteen.", ())], PASSAGES).sentences[0]
    assert (lost.verdict, lost.citations, lost.reason) == ("unsupported", (), "It cites nothing, and no passage supports it.")


def test_it_marks_what_the_passage_contradicts_and_refuses_when_nothing_is_left() -> None:
    wrong = Claim("Staff get 25 days of paid leave.", (1,))
    answer = check_answer([Claim("Here is what I found:", ()), wrong], PASSAGES)
    assert answer.is_refused
    assert answer.note == RULES_ALONE
    assert answer.sentences[1].verdict == "unsupported"
    assert answer.sentences[1].reason == "“25 days” is not in the cited passage, which says “20 days”."
    assert not check_answer([wrong, Claim("Staff get 20 days of paid leave.", (1,))], PASSAGES).is_refused


def test_it_does_not_refuse_an_answer_that_states_nothing() -> None:
    answer = check_answer([Claim("Do you mean annual leave or sick leave?", ())], PASSAGES)
    assert not answer.is_refused
    assert answer.sentences[0].reason == "It states nothing that needs a source."


def test_it_asks_the_head_about_all_sentences_at_once() -> None:
    head = WordHead("Leave")
    claims = [Claim("Staff may take paid leave of 20 days.", (1,)), Claim("Left over days expire by 31 March.", (1, 2))]
    answer = check_answer(claims, PASSAGES, head=head)
    assert [item.verdict for item in answer.sentences] == ["supported", "supported"]
    assert len(head.calls) == 1
    assert answer.sentences[1].citations == (1,)


def test_it_believes_the_head_where_the_rules_are_silent() -> None:
    claim = Claim("Staff may take paid leave of 20 days.", (1,))
    refused = check_answer([claim], {1: LEAVE}, head=WordHead("Nothing"))
    assert refused.is_refused
    assert refused.sentences[0].reason == "The source does not say this: 0.10, at least 0.50 is needed."
    assert check_answer([claim], {1: LEAVE}).sentences[0].verdict == "supported"


def test_it_lets_two_passages_support_a_sentence_together() -> None:
    claim = Claim("Staff get 20 days of paid leave and a hotel of up to 120 euros a night.", (1, 2))
    found = check_answer([claim], PASSAGES).sentences[0]
    assert (found.verdict, found.citations) == ("supported", (1, 2))
