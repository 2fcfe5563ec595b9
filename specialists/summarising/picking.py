"""A summary without a language model: the sentences that carry each section, word for word, in the document's order.

A sentence carries its section when it is near the section's centroid and the document's (Radev et al. 2004); each one that is
taken makes those that are alike, and those of the same section, less wanted (maximal marginal relevance, Carbonell 1998).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specialists.composition.types import ComposedSentence, Composition, Evidence, Quote
from specialists.metadata_lines import is_metadata_line
from specialists.summarising.progress import Progress

PICKING_MODEL = "section-centroid-2"
MOST_SENTENCES = 12
LEAST_SENTENCES = 3
MOST_OF_A_SECTION = 40  # sentences that are embedded: the first ones
SHARE = 0.25  # of the document's sentences
LEAST_WORDS, MOST_WORDS = 5, 60
LEAST_WITHOUT_END = 8  # words: fewer without a full stop are a heading or a cell
ALIKE = 0.92  # the cosine of sentences of which one is enough
OPENS = 0.06  # what the first sentence of a section is preferred by
DANGLES = 0.12  # a sentence that needs the one before it
AGAIN, REPEATS = 0.15, 0.3  # for each sentence of the same section, for the likest one that is taken

_DANGLING = re.compile(
    r"^(?:it|this|that|these|those|they|he|she|such|however|therefore|otherwise|in (?:this|that|such) case|also|then|both|if so"
    r"|for example|e\.g\.)\b",
    re.IGNORECASE,
)

FloatRows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Candidate:
    evidence: Evidence
    start: int
    end: int
    section: int
    is_first: bool

    @property
    def text(self) -> str:
        return self.evidence.text[self.start : self.end]


def pick(evidence: Sequence[Evidence]) -> Generator[Progress, None, Composition]:
    """`evidence`: the document's passages in its order. Yields after each section. Without a sentence, nothing is answered: a
    sheet or a picture has none."""
    from retrieval.embedders import get_embedder

    sections = _sections(evidence)
    candidates: list[_Candidate] = []
    vectors: list[FloatRows] = []
    for number, section in enumerate(sections):
        yield Progress(number, len(sections))
        found = _candidates(number, section)
        if found:
            candidates += found
            vectors.append(get_embedder().embed_passages([f"{item.evidence.context}\n{item.text}" for item in found]))
    if not candidates:
        return Composition(is_answered=False, confidence=0.0, quotes=())
    chosen = _choose(candidates, np.concatenate(vectors), _scores(candidates, vectors))
    quotes = tuple(Quote(item.evidence.passage, item.start, item.end, item.text, score) for item, score in chosen)
    sentences = tuple(ComposedSentence(quote.text, (place,), layout="item") for place, quote in enumerate(quotes))
    return Composition(is_answered=True, confidence=1.0, quotes=quotes, sentences=sentences)


def _sections(evidence: Sequence[Evidence]) -> list[list[Evidence]]:
    """Neighbours below the same headings."""
    sections: list[list[Evidence]] = []
    for item in evidence:
        if not sections or sections[-1][-1].context != item.context:
            sections.append([])
        sections[-1].append(item)
    return sections


def _candidates(number: int, section: Sequence[Evidence]) -> list[_Candidate]:
    """Whole sentences that state something: no questions, scraps, headings or rows of a table, and not who owns the document."""
    found: list[_Candidate] = []
    for item in section:
        for start, end in item.sentences:
            text = item.text[start:end].strip()
            words = len(text.split())
            is_statement = "|" not in text and not text.endswith(("?", ":", ";"))
            is_whole = text.endswith((".", "!", ".”", '."', ".)")) or words >= LEAST_WITHOUT_END
            if LEAST_WORDS <= words <= MOST_WORDS and is_statement and is_whole and not is_metadata_line(text):
                found.append(_Candidate(item, start, end, number, is_first=not found))
    return found[:MOST_OF_A_SECTION]


def _scores(candidates: Sequence[_Candidate], vectors: Sequence[FloatRows]) -> NDArray[np.float64]:
    """How well each sentence stands for its section and the document. `vectors`: per section with candidates, in order."""
    centroids = [_unit(rows.mean(axis=0)) for rows in vectors]
    whole = _unit(np.mean(centroids, axis=0))
    near = [(rows @ centroid + rows @ whole) / 2 for rows, centroid in zip(vectors, centroids, strict=True)]
    form = [OPENS * item.is_first - DANGLES * bool(_DANGLING.match(item.text)) for item in candidates]
    return np.concatenate(near).astype(np.float64) + np.array(form)


def _choose(
    candidates: Sequence[_Candidate], vectors: FloatRows, scores: NDArray[np.float64]
) -> list[tuple[_Candidate, float]]:  # fmt: skip
    """One of each section as far as there is room, then further ones; in the document's order."""
    sections = len({item.section for item in candidates})
    wanted = min(MOST_SENTENCES, max(LEAST_SENTENCES, sections, round(SHARE * len(candidates))))
    of_section = np.array([item.section for item in candidates])
    likest = np.zeros(len(candidates))
    worth = scores.copy()
    chosen: list[int] = []
    while len(chosen) < wanted and np.isfinite(worth).any():
        best = int(np.argmax(worth - REPEATS * likest))
        chosen.append(best)
        likest = np.maximum(likest, vectors @ vectors[best])
        worth[of_section == candidates[best].section] -= AGAIN
        worth[likest >= ALIKE] = -np.inf
    return [(candidates[row], float(scores[row])) for row in sorted(chosen)]


def _unit(row: FloatRows) -> FloatRows:
    length = float(np.linalg.norm(row))
    return row / length if length else row
