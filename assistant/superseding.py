"""Of two versions of a document the one in force is read: an earlier one's passage gives way to its counterpart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from ingestion.models import Chunk
from ingestion.versions import is_newer, read_edition

SAME_WORDS = 0.5  # of the shorter passage's words that both must have
LEAST_LETTERS = 4  # of a word that counts; numbers change between versions and do not
ASKS_FOR_EARLIER = re.compile(
    r"\b(old|older|earlier|former|formerly|previous|previously|past|superseded|archived?|history|used to|was|were|did|"
    r"before|until|back then|changed?|differences?|compared?)\b",
    re.IGNORECASE,
)


def in_force(question: str, chunks: Mapping[int, Chunk]) -> dict[int, Chunk]:
    """The passages without those that say of an earlier version what another one says of a newer version. A question that
    names a version, or asks about earlier times, keeps all."""
    gone = superseded(question, chunks.values())
    return {pk: chunk for pk, chunk in chunks.items() if pk not in gone}


def superseded(question: str, chunks: Iterable[Chunk]) -> dict[int, Chunk]:
    """The passages that give way, each with the one in force."""
    from retrieval.terms import passage_terms, query_terms

    of_a_family = [chunk for chunk in chunks if chunk.document.family]
    families = Counter((chunk.document.corpus_id, chunk.document.family) for chunk in of_a_family)
    several = [chunk for chunk in of_a_family if families[chunk.document.corpus_id, chunk.document.family] > 1]
    if not several or ASKS_FOR_EARLIER.search(question):
        return {}
    known = [(chunk, _words(chunk.text)) for chunk in several]
    asked = {term for term in query_terms(question) if not any(map(str.isdigit, term))}  # numbers change between versions
    found = {}
    for old, own in known:
        if _names(question, old.document.source_name):
            continue
        for new, words in known:
            if is_newer(new.document, old.document) and _are_alike(own, words):
                said = asked & passage_terms(old.text)  # by stems: what only the earlier version says of a “dog” is kept
                if said and said <= passage_terms(new.text):
                    found[old.pk] = new
                    break
    return found


def _are_alike(own: frozenset[str], words: frozenset[str]) -> bool:
    return len(own & words) >= SAME_WORDS * max(1, min(len(own), len(words)))


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in re.findall(r"[^\W\d_]+", text.casefold()) if len(word) >= LEAST_LETTERS)


def _names(question: str, source_name: str) -> bool:
    """Whether the question names the version, such as “2023” or “v6”."""
    plain = " ".join(re.sub(r"[^\w]", " ", question.casefold()).split())
    edition = read_edition(source_name)
    return any(re.search(rf"\b{re.escape(mark)}\b", plain) for mark in (*edition.marks, *edition.date[:1]))
