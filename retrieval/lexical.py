"""BM25 through tantivy, one index per partition: the texts' words, and their identifiers as written."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from retrieval.files import disk_full, is_disk_full, takes_no_more
from retrieval.lexical_files import META, Seen, verify_segments
from retrieval.partitions import index_corrupt
from retrieval.passages import Hit, Passage, best_first, without_surrogates
from retrieval.snapshots import Snapshots
from retrieval.terms import EXACT, PAIR_SLOP, TITLE, WORDS, Clause, analyser, camel_parts, exact_terms, normalised

ANALYSER = "intramural_en"
HEAP_BYTES = 50_000_000
FIELDS = frozenset({WORDS, EXACT, TITLE})
WORDS_FIRST = 300_000  # passages from which on pairs are looked for only among what words find: at a million 14 ms, not 23
DEEPER = 1.5  # times what is asked for: room for what pairs raise
Term = tuple[str, str]  # field, term


@cache
def _schema(fields: frozenset[str] = FIELDS) -> Any:
    from tantivy import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_integer_field("id", stored=False, indexed=True, fast=True)
    if fields != FIELDS:  # as an earlier version wrote it
        builder.add_text_field(WORDS, stored=False, tokenizer_name=ANALYSER, index_option="freq")
        return builder.build()
    builder.add_text_field(WORDS, stored=False, tokenizer_name=ANALYSER, index_option="position")
    builder.add_text_field(EXACT, stored=False, tokenizer_name="whitespace", index_option="freq")
    builder.add_text_field(TITLE, stored=False, tokenizer_name=ANALYSER, index_option="freq")
    return builder.build()


@dataclass(frozen=True, slots=True)
class LexicalSnapshot:
    """A verified commit. Searches may run side by side. `fields`: an index of an earlier version has words only, and no pairs."""

    searcher: Any
    sound_files: Seen
    fields: frozenset[str] = FIELDS

    def __len__(self) -> int:
        return int(self.searcher.num_docs)

    def document_frequencies(self, terms: Iterable[Term]) -> dict[Term, int]:
        return {term: int(self.searcher.doc_freq(*term)) for term in terms if term[0] in self.fields}

    def knows(self, clause: Clause) -> bool:
        return clause.field in self.fields and (len(clause.terms) == 1 or self.fields == FIELDS)

    def ids(self) -> set[int]:
        from tantivy import Query

        if not len(self):
            return set()
        found = self.searcher.search(Query.all_query(), limit=len(self), count=False)
        return {int(number) for number in self.searcher.fast_field_values("id", [address for _, address in found.hits])}

    def search(self, clauses: Sequence[Clause], top_k: int, only: Collection[int] | None = None) -> list[Hit]:
        """Passages with any of the clauses, of `only` these; each one's BM25 score (k1 = 1.2, b = 0.75, tantivy's) times its
        weight. In a large index pairs raise only the passages that the words alone put among the first."""
        if not clauses or not len(self):
            return []
        words = [clause for clause in clauses if len(clause.terms) == 1]
        if only is None and len(self) >= WORDS_FIRST and 0 < len(words) < len(clauses):
            first = self._ask(self._any(words), int(DEEPER * top_k))
            pairs = self._ask(self._among(first, [clause for clause in clauses if len(clause.terms) > 1]), len(first))
            found = {number: score + pairs.get(number, 0.0) for number, score in first.items()}
        else:
            found = self._ask(self._any(clauses) if only is None else self._only(clauses, only), top_k)
        return sorted((Hit(number, score) for number, score in found.items()), key=best_first)[:top_k]

    def _ask(self, query: Any, most: int) -> dict[int, float]:
        found = self.searcher.search(query, limit=most, count=False) if most else None
        if found is None or not found.hits:
            return {}
        ids = self.searcher.fast_field_values("id", [address for _, address in found.hits])
        return {int(number): float(score) for number, (score, _) in zip(ids, found.hits, strict=True)}

    def _any(self, clauses: Sequence[Clause]) -> Any:
        from tantivy import Occur, Query

        return Query.boolean_query([(Occur.Should, self._query(clause)) for clause in clauses])

    def _only(self, clauses: Sequence[Clause], ids: Collection[int]) -> Any:
        from tantivy import Occur, Query

        within = Query.const_score_query(Query.term_set_query(_schema(self.fields), "id", list(ids)), 0.0)
        return Query.boolean_query([(Occur.Must, self._any(clauses)), (Occur.Must, within)])

    def _among(self, ids: Collection[int], clauses: Sequence[Clause]) -> Any:
        """Any of the clauses in these passages. Each clause is narrowed by itself, since a union that is narrowed as a whole is
        read as a whole; and by single terms, of which a few hundred are quicker than a set."""
        from tantivy import Occur, Query

        schema = _schema(self.fields)
        these = Query.boolean_query([(Occur.Should, Query.term_query(schema, "id", number)) for number in ids])
        within = (Occur.Must, Query.const_score_query(these, 0.0))
        narrowed = [Query.boolean_query([within, (Occur.Must, self._query(clause))]) for clause in clauses]
        return Query.boolean_query([(Occur.Should, query) for query in narrowed])

    def _query(self, clause: Clause) -> Any:
        from tantivy import Query

        schema = _schema(self.fields)
        if len(clause.terms) == 1:
            query = Query.term_query(schema, clause.field, clause.terms[0], "freq")
        else:
            query = Query.phrase_query(schema, clause.field, list(clause.terms), PAIR_SLOP)
        return query if clause.weight == 1.0 else Query.boost_query(query, clause.weight)


def scope_clauses(snapshots: Sequence[LexicalSnapshot], clauses: Sequence[Clause]) -> list[list[Clause]]:
    """Per snapshot, the clauses that it can have, weighed: idf over all snapshots / idf in this one.

    BM25's idf counts the passages of one index, so scores of two partitions do not compare as they are. With these weights
    a term is as rare everywhere as it is in the whole scope. (Deleted passages that tantivy has not yet merged away still
    count in its own idf; the difference vanishes with the merge.) idf = ln(1 + (N - n + 0.5) / (n + 0.5)), of a pair the sum."""
    terms = {(clause.field, term) for clause in clauses for term in clause.terms}
    frequencies = [snapshot.document_frequencies(terms) for snapshot in snapshots]
    total = sum(len(snapshot) for snapshot in snapshots)
    overall = {term: _idf(total, sum(counts.get(term, 0) for counts in frequencies)) for term in terms}
    weighed = []
    for snapshot, counts in zip(snapshots, frequencies, strict=True):
        own: list[Clause] = []
        for clause in clauses:
            parts = [(clause.field, term) for term in clause.terms]
            if snapshot.knows(clause) and all(counts.get(part) for part in parts):
                ratio = sum(overall[part] for part in parts) / sum(_idf(len(snapshot), counts[part]) for part in parts)
                own.append(clause if len(snapshots) == 1 else replace(clause, weight=clause.weight * ratio))
        weighed.append(own)
    return weighed


def _idf(passages: int, having: int) -> float:
    return math.log(1.0 + (max(passages, having) - having + 0.5) / (having + 0.5))


def write_lexical(folder: Path, *, add: Sequence[Passage], remove: Iterable[int]) -> None:
    """Replace and remove passages in one commit; the caller is the partition's writer. Killed before the commit, nothing
    has changed. RetrievalError `index_corrupt` when the files that are there are damaged, `disk_full`."""
    from tantivy import Index, Query

    existing = open_lexical(folder)
    gone = sorted({*remove, *(passage.id for passage in add)})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        schema = _schema(existing.fields if existing is not None else FIELDS)
        index = Index(schema, path=str(folder))
        index.register_tokenizer(ANALYSER, analyser())
        writer = index.writer(heap_size=HEAP_BYTES, num_threads=1)
        if existing is not None and gone:
            writer.delete_documents_by_query(Query.term_set_query(schema, "id", gone))
        for passage in add:
            writer.add_document(_document(passage, existing.fields if existing is not None else FIELDS))
        writer.commit()
        writer.wait_merging_threads()  # else few commits live long enough to be merged
    except ValueError as error:
        raise (disk_full() if is_disk_full(error) or takes_no_more(folder) else index_corrupt()) from error


def _document(passage: Passage, fields: frozenset[str]) -> Any:
    from tantivy import Document

    text = normalised(without_surrogates(passage.searchable_text))
    document = Document()
    document.add_integer("id", passage.id)
    document.add_text(WORDS, text)
    if parts := camel_parts(text):
        document.add_text(WORDS, parts)
    if fields == FIELDS:
        document.add_text(EXACT, " ".join(exact_terms(text)))
        document.add_text(TITLE, normalised(without_surrogates(passage.context)))
    return document


def load_lexical(folder: Path, previous: LexicalSnapshot | None = None) -> LexicalSnapshot:
    """Read the last commit from disk and check its files. RetrievalError `index_corrupt`."""
    from tantivy import Index

    try:
        sound = verify_segments(folder, previous.sound_files if previous else frozenset())
        names = {entry["name"] for entry in json.loads((folder / META).read_bytes())["schema"]}
        return LexicalSnapshot(Index.open(str(folder)).searcher(), sound, FIELDS & names)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise index_corrupt() from error


_lexical: Snapshots[LexicalSnapshot] = Snapshots(META, load_lexical)


def open_lexical(folder: Path) -> LexicalSnapshot | None:
    """The last commit, cached in the process; None where nothing was committed. RetrievalError `index_corrupt`."""
    return _lexical.get(folder)
