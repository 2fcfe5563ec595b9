"""What a text and a question are looked up by: stemmed words, identifiers as written, pairs of letters where no spaces are.

Questions become plain terms, so no character of theirs is an operator, and no text fails."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from retrieval.passages import without_surrogates

MOST_TERMS = 64
MOST_CHARACTERS = 20_000  # of a question; 64 terms are found long before
LONGEST_WORD = 60
WORDS, EXACT, TITLE = "body", "exact", "title"
TITLE_WEIGHT = 0.15  # of a word in the title or headings, which are among the words, too
PAIR_WEIGHT, PAIR_SLOP, MOST_PAIRS = 0.05, 3, 16  # two neighbours of the question, with at most three words between them

# ERR_4021, --dry-run, CVE-2021-44228, v1.2.3, config.yaml, § 4.2, getUserById
_CANDIDATE = re.compile(r"(?:§+\s?|--?|[$@#./])?\w+(?:[-_./:@+]+\w+)*")
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CAMEL = re.compile(r"(?<![^\W_])(?:[a-z]{2,}(?:[A-Z][a-z]+|[A-Z]+)+|(?:[A-Z][a-z]+){3,})(?![^\W_])")
_LEADING = "§-$@#./ \t\n\r"
_SPACELESS = re.compile(  # Thai to Burmese, Khmer, kana, Han, Hangul: words are not parted by spaces, or carry their endings
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]+"
)


@cache
def analyser() -> Any:
    """The words' analyser, tantivy's: parted at what is no letter or digit, folded, without English stop words, stemmed."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    filters = (Filter.remove_long(LONGEST_WORD), Filter.lowercase(), Filter.ascii_fold(), Filter.stopword("english"))
    builder = TextAnalyzerBuilder(Tokenizer.simple())
    for step in (*filters, Filter.stemmer("english")):
        builder = builder.filter(step)
    return builder.build()


def query_terms(question: str) -> list[str]:
    """The distinct words of a question as they stand in the index, at most 64. Never fails, whatever the text."""
    terms = analyser().analyze(without_surrogates(question[:MOST_CHARACTERS]))
    return list(dict.fromkeys(terms))[:MOST_TERMS]


def passage_terms(text: str) -> frozenset[str]:
    """The distinct words of a passage as they stand in the index, all of them."""
    return frozenset(analyser().analyze(without_surrogates(text)))


@dataclass(frozen=True, slots=True)
class Clause:
    """What BM25 looks for in a field: a term, or two that stand close to each other, in this order."""

    field: str
    terms: tuple[str, ...]
    weight: float = 1.0


def read_query(question: str) -> list[Clause]:
    """At most 64 words and 64 identifiers, in the order of the question, each word in titles, too, and the first pairs of words.

    The weights were chosen by docs/retrieval.md."""
    text = normalised(without_surrogates(question[:MOST_CHARACTERS]))
    words = query_terms(text)
    inside = [term for term in query_terms(camel_parts(text)) if term not in words]
    pairs = [pair for pair in pairwise(words) if len(words) <= MOST_TERMS // 2][:MOST_PAIRS]
    return [
        *(Clause(WORDS, (term,)) for term in (*words, *inside)),
        *(Clause(EXACT, (term,)) for term in list(dict.fromkeys(exact_terms(text)))[:MOST_TERMS]),
        *(Clause(TITLE, (term,), TITLE_WEIGHT) for term in words),
        *(Clause(WORDS, pair, PAIR_WEIGHT) for pair in pairs),
    ]


def normalised(text: str) -> str:
    """One way to write each letter: a composed é, plain digits for full-width ones (Unicode's NFKC)."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def camel_parts(text: str) -> str:
    """The words inside getUserById; JavaScript and iPhone are words of their own."""
    found = (_HUMPS.findall(name) for name in _CAMEL.findall(text))
    return " ".join(part for parts in found for part in parts if len(parts) > 1)


def exact_terms(text: str) -> list[str]:
    """The identifiers of a text as written but for their case, with and without what leads them (--dry-run, dry-run); and the
    pairs of letters of scripts without spaces."""
    terms = []
    for candidate in _CANDIDATE.findall(text):
        if _is_identifier(candidate):
            whole = "".join(candidate.casefold().split())
            terms += [whole] if whole[0].isalnum() else [whole, whole.lstrip(_LEADING)]
    for run in _SPACELESS.findall(text):
        terms += [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return [term for term in terms if term and len(term) <= LONGEST_WORD]


def _is_identifier(candidate: str) -> bool:
    """Written with a mark or a digit among letters, so that its parts alone say less than the whole."""
    core = candidate.lstrip(_LEADING)
    if candidate.startswith(("§", "--")) or "_" in core.strip("_"):
        return True
    joined = any(mark in core for mark in "-./:@+")
    has_digit = any(letter.isdigit() for letter in core)
    if has_digit:
        return joined or not core.isdecimal()
    return (joined and not re.fullmatch(r"\w+(?:[-/]\w+)*", core)) or bool(_CAMEL.search(core))
