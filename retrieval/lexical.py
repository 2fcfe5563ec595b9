"""BM25 through tantivy, one index per partition. Questions become plain terms, so no character of theirs is an operator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from retrieval.lexical_files import META, Seen, verify_segments
from retrieval.partitions import index_corrupt
from retrieval.passages import Hit, Passage, best_first, without_surrogates
from retrieval.snapshots import Snapshots

ANALYSER = "intramural_en"
MOST_TERMS = 64
MOST_CHARACTERS = 20_000  # of a question; 64 terms are found long before
HEAP_BYTES = 50_000_000
LONGEST_WORD = 60


@cache
def _analyser() -> Any:
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    filters = (Filter.remove_long(LONGEST_WORD), Filter.lowercase(), Filter.ascii_fold(), Filter.stopword("english"))
    builder = TextAnalyzerBuilder(Tokenizer.simple())
    for step in (*filters, Filter.stemmer("english")):
        builder = builder.filter(step)
    return builder.build()


@cache
def _schema() -> Any:
    from tantivy import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_integer_field("id", stored=False, indexed=True, fast=True)
    builder.add_text_field("body", stored=False, tokenizer_name=ANALYSER, index_option="freq")
    return builder.build()


def query_terms(question: str) -> list[str]:
    """The distinct terms of a question as they stand in the index, at most 64. Never fails, whatever the text."""
    terms = _analyser().analyze(without_surrogates(question[:MOST_CHARACTERS]))
    return list(dict.fromkeys(terms))[:MOST_TERMS]


@dataclass(frozen=True, slots=True)
class LexicalSnapshot:
    """A verified commit. Searches may run side by side."""

    searcher: Any
    sound_files: Seen

    def __len__(self) -> int:
        return int(self.searcher.num_docs)

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        return {term: int(self.searcher.doc_freq("body", term)) for term in terms}

    def ids(self) -> set[int]:
        from tantivy import Query

        if not len(self):
            return set()
        found = self.searcher.search(Query.all_query(), limit=len(self), count=False)
        return {int(number) for number in self.searcher.fast_field_values("id", [address for _, address in found.hits])}

    def search(self, weights: Mapping[str, float], top_k: int) -> list[Hit]:
        """Passages with any of the terms; each term's BM25 score (k1 = 1.2, b = 0.75, tantivy's) times its weight."""
        from tantivy import Occur, Query

        if not weights or not len(self):
            return []
        clauses = []
        for term, weight in weights.items():
            clause = Query.term_query(_schema(), "body", term, "freq")
            clauses.append((Occur.Should, clause if weight == 1.0 else Query.boost_query(clause, weight)))
        found = self.searcher.search(Query.boolean_query(clauses), limit=top_k, count=False)
        ids = self.searcher.fast_field_values("id", [address for _, address in found.hits])
        hits = (Hit(int(number), float(score)) for number, (score, _) in zip(ids, found.hits, strict=True))
        return sorted(hits, key=best_first)


def scope_weights(snapshots: Sequence[LexicalSnapshot], terms: Sequence[str]) -> list[dict[str, float]]:
    """Per snapshot, the weight of each term it has: idf over all snapshots / idf in this one.

    BM25's idf counts the passages of one index, so scores of two partitions do not compare as they are. With these weights
    a term is as rare everywhere as it is in the whole scope. (Deleted passages that tantivy has not yet merged away still
    count in its own idf; the difference vanishes with the merge.) idf = ln(1 + (N - n + 0.5) / (n + 0.5))."""
    frequencies = [snapshot.document_frequencies(terms) for snapshot in snapshots]
    if len(snapshots) == 1:
        return [{term: 1.0 for term, count in frequencies[0].items() if count}]
    total = sum(len(snapshot) for snapshot in snapshots)
    overall = {term: sum(counts[term] for counts in frequencies) for term in terms}
    return [
        {term: _idf(total, overall[term]) / _idf(len(snapshot), count) for term, count in counts.items() if count}
        for snapshot, counts in zip(snapshots, frequencies, strict=True)
    ]


def _idf(passages: int, having: int) -> float:
    return math.log(1.0 + (max(passages, having) - having + 0.5) / (having + 0.5))


def write_lexical(folder: Path, *, add: Sequence[Passage], remove: Iterable[int]) -> None:
    """Replace and remove passages in one commit; the caller is the partition's writer. Killed before the commit, nothing
    has changed. RetrievalError `index_corrupt` when the files that are there are damaged."""
    from tantivy import Document, Index, Query

    existing = open_lexical(folder)
    gone = sorted({*remove, *(passage.id for passage in add)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        index = Index(_schema(), path=str(folder))
        index.register_tokenizer(ANALYSER, _analyser())
        writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
        if existing is not None and gone:
            writer.delete_documents_by_query(Query.term_set_query(_schema(), "id", gone))
        for passage in add:
            document = Document()
            document.add_integer("id", passage.id)
            document.add_text("body", without_surrogates(passage.searchable_text))
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()  # else few commits live long enough to be merged
    except ValueError as error:
        raise index_corrupt() from error


def load_lexical(folder: Path, previous: LexicalSnapshot | None = None) -> LexicalSnapshot:
    """Read the last commit from disk and check its files. RetrievalError `index_corrupt`."""
    from tantivy import Index

    try:
        sound = verify_segments(folder, previous.sound_files if previous else frozenset())
        return LexicalSnapshot(Index.open(str(folder)).searcher(), sound)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise index_corrupt() from error


_lexical: Snapshots[LexicalSnapshot] = Snapshots(META, load_lexical)


def open_lexical(folder: Path) -> LexicalSnapshot | None:
    """The last commit, cached in the process; None where nothing was committed. RetrievalError `index_corrupt`."""
    return _lexical.get(folder)
