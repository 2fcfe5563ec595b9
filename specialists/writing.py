"""An answer that a language model writes from passages: prompt → pieces → sentences → each one checked before anybody sees it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from specialists.citing import CitedSentence, SentenceParser
from specialists.composition.types import ComposedSentence, Evidence, Quote
from specialists.grounding.checker import Claim, Head, check_answer
from specialists.grounding.words import containment
from specialists.language_models.types import CUT, End, LanguageModel, Piece, Waiting
from specialists.prompting import NO_ANSWER, Source, fit

MOST_TOKENS = 512


@dataclass(slots=True)
class Draft:
    """What has been written and has a source. `sentences` point to `quotes`, the words of the passages that come closest to
    them. `left_out`: sentences that no passage supports. `is_declined`: the model says that the passages do not answer, whatever
    else it says. `is_cut`: it had more to say."""

    quotes: list[Quote] = field(default_factory=list)
    sentences: list[ComposedSentence] = field(default_factory=list)
    left_out: int = 0
    is_declined: bool = False
    is_cut: bool = False
    end: End = field(default_factory=lambda: End("stop"))

    @property
    def support(self) -> float:
        """The share of the sentences that have a source; 0 when there is none, or the model declined."""
        if self.is_declined:
            return 0.0
        return len(self.sentences) / ((len(self.sentences) + self.left_out) or 1)


def write(
    model: LanguageModel,
    question: str,
    evidence: Sequence[Evidence],
    head: Head | None,
    *,
    adapter: str = "",
    draft: Draft | None = None,
) -> Generator[ComposedSentence | Waiting, None, Draft]:
    """Yields the sentences one by one, as soon as each is written and found to be supported; returns them all, in `draft` where
    it is given, which holds what has been yielded at any time. Sentences without
    support are left out, and so are those that state nothing, since no source says them. `evidence`: best first. Raises
    SpecialistError. While others are before it in the model's line, it yields Waiting."""
    sources = [Source(item.passage, item.context, item.text) for item in evidence]
    prompt = fit(question, sources, count_tokens=model.count_tokens, window=model.window, most_tokens=MOST_TOKENS)
    known = {item.passage: item for item in evidence}
    bench = _Bench({number: known[passage] for number, passage in prompt.numbers.items()}, head)
    draft, parser = draft or Draft(), SentenceParser(prompt.numbers)
    if not bench.passages:
        return draft
    pieces = model.generate(prompt.messages, most_tokens=MOST_TOKENS, adapter=adapter)
    for piece in pieces:
        if isinstance(piece, Waiting):
            yield piece
            continue
        if isinstance(piece, Piece):
            finished = parser.feed(piece.text)
        else:
            draft.end, draft.is_cut = piece, piece.reason == CUT
            finished = parser.close(is_cut=draft.is_cut)
        for sentence in finished:
            if _declines(sentence):
                draft.is_declined = True
                return draft
            kept = bench.keep(sentence, draft)
            if kept is not None:
                yield kept
    draft.is_cut = draft.is_cut or parser.is_full
    return draft


def _declines(sentence: CitedSentence) -> bool:
    return sentence.text.upper().strip(" .!\"'*") == NO_ANSWER


class _Bench:
    """Checks sentences against the passages by the numbers that the model knows them by."""

    def __init__(self, passages: dict[int, Evidence], head: Head | None) -> None:
        self.passages = passages
        self.head = head
        self.texts = {number: f"{item.context}\n{item.text}" for number, item in passages.items()}

    def keep(self, sentence: CitedSentence, draft: Draft) -> ComposedSentence | None:
        """Put the sentence into the draft with the places that support it; None when it has none."""
        claim = Claim(sentence.text, sentence.citations)
        checked = check_answer([claim], self.texts, head=self.head).sentences[0]
        if checked.verdict == "unsupported":
            draft.left_out += 1
        if not checked.citations:
            return None
        places = []
        for number in checked.citations:
            quote = nearest_words(sentence.text, self.passages[number], checked.score)
            if quote not in draft.quotes:
                draft.quotes.append(quote)
            places.append(draft.quotes.index(quote))
        layout = "item" if sentence.is_item else "plain"
        kept = ComposedSentence(sentence.text, tuple(dict.fromkeys(places)), layout=layout, is_quoted=False)
        draft.sentences.append(kept)
        return kept


def nearest_words(claim: str, evidence: Evidence, score: float) -> Quote:
    """The passage's sentence that has most of the claim's words, as the place where a reader should look."""
    spans = evidence.sentences or ((0, len(evidence.text)),)
    start, end = max(spans, key=lambda span: containment(claim, evidence.text[span[0] : span[1]]))
    return Quote(evidence.passage, start, end, evidence.text[start:end], score)
