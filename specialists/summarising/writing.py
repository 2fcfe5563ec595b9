"""A summary that a language model writes: part by part, then from what it cited of each part, every sentence checked against the
document's own words. What the model wrote of a part is never a source: only the quotes behind it are."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from specialists.composition.types import ComposedSentence, Evidence, Quote
from specialists.grounding.checker import Head
from specialists.language_models.types import LanguageModel, Waiting
from specialists.prompting import PER_MESSAGE, SYSTEM, Source, render
from specialists.relaying import relay
from specialists.summarising.progress import Progress
from specialists.writing import MOST_TOKENS, Draft, write

MOST_PARTS = 40  # of a document that the model reads
MOST_ROUNDS = 3
WHOLE = "Summarise “{title}” in at most ten short sentences: what it is about, what applies to whom, and the figures and dates."
PART = "These passages are a part of “{title}”. Give its two to four main points in short sentences."


@dataclass(frozen=True, slots=True)
class _Notes:
    """What a round reads. `origins`: for each passage number of `evidence`, the document's passage and where in it the text
    begins."""

    evidence: list[Evidence]
    origins: dict[int, tuple[int, int]]


Writing = Generator[ComposedSentence | Waiting | Progress, None, Draft]


def write_summary(
    model: LanguageModel,
    title: str,
    evidence: Sequence[Evidence],
    head: Head | None,
    *,
    adapter: str = "",
    draft: Draft | None = None,
) -> Writing:
    """`evidence`: the document's passages in its order. Yields Progress before each part, and the summary's sentences as they are
    written, which `draft` holds where it is given. The draft's quotes are of the document's passages. Raises SpecialistError."""
    notes = _Notes(list(evidence), {item.passage: (item.passage, 0) for item in evidence})
    tokens_in = tokens_out = 0
    for _ in range(MOST_ROUNDS):
        parts = parts_of(WHOLE.format(title=title), notes.evidence, model.count_tokens, model.window)[:MOST_PARTS]
        if len(parts) < 2:
            break
        quotes: list[Quote] = []
        for number, part in enumerate(parts):
            at = Progress(number, len(parts))
            read = yield from _unheard(write(model, PART.format(title=title), part, head, adapter=adapter), at)
            quotes += [_in_document(quote, notes) for quote in read.quotes]
            tokens_in, tokens_out = tokens_in + read.end.tokens_in, tokens_out + read.end.tokens_out
        notes = _notes_of(quotes, evidence)
    whole, draft = Draft(), draft or Draft()

    def follow(told: ComposedSentence | Waiting) -> ComposedSentence | Waiting:
        draft.quotes, draft.sentences = [_in_document(quote, notes) for quote in whole.quotes], list(whole.sentences)
        return told

    yield from relay(write(model, WHOLE.format(title=title), notes.evidence, head, adapter=adapter, draft=whole), follow)
    draft.left_out, draft.is_declined, draft.is_cut = whole.left_out, whole.is_declined, whole.is_cut
    draft.end = replace(whole.end, tokens_in=tokens_in + whole.end.tokens_in, tokens_out=tokens_out + whole.end.tokens_out)
    return draft


def parts_of(
    question: str, evidence: Sequence[Evidence], count_tokens: Callable[[str], int], window: int
) -> list[list[Evidence]]:  # fmt: skip
    """The passages cut into runs that fit into one prompt each; one that fits nowhere is a part of its own, and cut."""
    frame = render(question, ()).messages[1].content
    room = window - MOST_TOKENS - 2 * PER_MESSAGE - count_tokens(SYSTEM) - count_tokens(frame)
    parts: list[list[Evidence]] = []
    left = 0
    for item in evidence:
        size = count_tokens(render("", [Source(item.passage, item.context, item.text)]).messages[1].content)
        if not parts or size > left:
            parts.append([])
            left = room
        parts[-1].append(item)
        left -= size
    return parts


def _notes_of(quotes: Sequence[Quote], evidence: Sequence[Evidence]) -> _Notes:
    """The quotes as passages, each once, in the document's order."""
    known = {item.passage: item for item in evidence}
    place = {item.passage: number for number, item in enumerate(evidence)}
    different = {(quote.passage, quote.start, quote.end): quote for quote in quotes}
    ordered = sorted(different.values(), key=lambda quote: (place[quote.passage], quote.start))
    notes = [
        replace(known[quote.passage], passage=number, text=quote.text, sentences=((0, len(quote.text)),))
        for number, quote in enumerate(ordered, start=1)
    ]
    return _Notes(notes, {number: (quote.passage, quote.start) for number, quote in enumerate(ordered, start=1)})


def _in_document(quote: Quote, notes: _Notes) -> Quote:
    passage, start = notes.origins[quote.passage]
    return replace(quote, passage=passage, start=start + quote.start, end=start + quote.end)


def _unheard(
    writing: Generator[ComposedSentence | Waiting, None, Draft], at: Progress
) -> Generator[Waiting | Progress, None, Draft]:  # fmt: skip
    """A part's sentences are for nobody to see: in their place it is told where the work stands, so that it can be stopped."""
    yield at
    return (yield from relay(writing, lambda told: told if isinstance(told, Waiting) else at))
