"""BM25 in Milvus, beside the vectors there: one collection, a partition's passages under a key of their own.

Milvus is given the terms of retrieval/terms.py and no text: each is a token that its analyser leaves whole, so words,
identifiers, titles and pairs mean what they mean to tantivy. What differs: how rare a term is counts over all partitions, since
Milvus counts so; and a passage's length is that of all its tokens."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2s
from pathlib import Path
from typing import TypeVar

from retrieval.files import write_atomically
from retrieval.milvus_client import (
    LARGEST_TOP_K,
    READ_AT_ONCE,
    PartitionRows,
    load_collection,
    milvus,
    milvus_options,
    partition_schema,
)
from retrieval.partitions import index_corrupt
from retrieval.passages import Hit, Passage, best_first, without_surrogates
from retrieval.snapshots import Snapshots
from retrieval.terms import EXACT, PAIR_SLOP, TITLE, WORDS, Clause, analyser, camel_parts, exact_terms, normalised

POINTER = "milvus.json"
PARTS = 20  # of a clause's weight of 1: Milvus weighs a question's token by how often it stands there
ADDED_AT_ONCE = 500
LONGEST = 65_000  # characters of a passage's tokens, of Milvus's 65,535
T = TypeVar("T")
_KINDS = {WORDS: "w", EXACT: "e", TITLE: "t"}


@dataclass(frozen=True, slots=True)
class MilvusWords:
    """A partition's words in Milvus, as its pointer announces them."""

    collection: str
    key: str
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def _rows(self) -> PartitionRows:
        return PartitionRows(self.collection, self.key)

    def counted(self) -> int:
        """How many passages Milvus holds."""
        return self._rows.count()

    def ids(self) -> set[int]:
        return set(self._rows.ids())

    def search(self, clauses: Sequence[Clause], top_k: int, only: Collection[int] | None = None) -> list[Hit]:
        """Passages with any of the clauses, of `only` these, by Milvus's BM25 (k1 = 1.2, b = 0.75)."""
        question = " ".join(_asked(clauses))
        if not question or not self.count or top_k <= 0:
            return []
        among = [""] if only is None else [f" and id in {part}" for part in _batches(sorted(only), READ_AT_ONCE)]
        hits = [hit for part in among for hit in self._ask(question, self._rows.filter + part, min(top_k, LARGEST_TOP_K))]
        return sorted(hits, key=best_first)[:top_k]

    def _ask(self, question: str, condition: str, most: int) -> Iterator[Hit]:
        found = milvus().search(
            self.collection, data=[question], anns_field="bm25", filter=condition, limit=most, output_fields=["id", "key"],
            consistency_level="Strong",
        )  # fmt: skip
        for one in found[0]:
            if one["entity"]["key"] != self.key:
                raise index_corrupt()
            yield Hit(int(one["entity"]["id"]), abs(float(one["distance"])) / PARTS)  # milvus-lite tells it as a distance

    def write(self, add: Sequence[Passage], remove: Iterable[int]) -> MilvusWords:
        """Replace and remove passages; what is announced then."""
        self._rows.remove(sorted(remove))
        for passages in _batches(add, ADDED_AT_ONCE):
            rows = [
                {"row": self._rows.name(passage.id), "key": self.key, "id": passage.id, "tokens": passage_tokens(passage)}
                for passage in passages
            ]
            milvus().upsert(self.collection, rows)
        milvus().flush(self.collection)
        return MilvusWords(self.collection, self.key, self.counted())

    def discard(self) -> None:
        """Delete all of it; it is not used any more."""
        self._rows.remove_all()

    def save(self, path: Path) -> None:
        pointer = {"collection": self.collection, "key": self.key, "count": self.count}
        write_atomically(path, json.dumps(pointer).encode("ascii"))


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def new_words() -> MilvusWords:
    """An empty partition's, under a key of its own."""
    collection = f"{milvus_options()['collection']}_words"
    _make_collection(milvus_options()["uri"], collection)
    load_collection(collection)
    return MilvusWords(collection, uuid.uuid4().hex, 0)


def load_words(path: Path) -> MilvusWords:
    """What a pointer announces. RetrievalError `index_corrupt` when it is none."""
    try:
        pointer = json.loads(path.read_bytes())
        words = MilvusWords(str(pointer["collection"]), uuid.UUID(pointer["key"]).hex, int(pointer["count"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise index_corrupt() from error
    load_collection(words.collection)
    return words


_words: Snapshots[MilvusWords] = Snapshots(POINTER, lambda folder, _previous: load_words(folder / POINTER))


def open_words_in_milvus(folder: Path) -> MilvusWords | None:
    """What the folder's pointer announces, cached in the process; None where there is none. RetrievalError `index_corrupt`."""
    return _words.get(folder)


# --- Tokens -----------------------------------------------------------------------------------------------------------


def passage_tokens(passage: Passage) -> str:
    """The tokens of a passage, pairs last: a passage with too many loses of those first."""
    text = normalised(without_surrogates(passage.searchable_text))
    words = analyser().analyze(text)
    title = analyser().analyze(normalised(without_surrogates(passage.context)))
    tokens = [
        *(_token(WORDS, word) for word in (*words, *analyser().analyze(camel_parts(text)))),
        *(_token(EXACT, term) for term in exact_terms(text)),
        *(_token(TITLE, word) for word in title),
        *(_token(WORDS, first, second) for at, first in enumerate(words) for second in words[at + 1 : at + 2 + PAIR_SLOP]),
    ]
    joined = " ".join(tokens)
    return joined if len(joined) <= LONGEST else joined[:LONGEST].rpartition(" ")[0]


def _asked(clauses: Iterable[Clause]) -> Iterator[str]:
    for clause in clauses:
        yield from [_token(clause.field, *clause.terms)] * max(1, round(PARTS * clause.weight))


def _token(field: str, *terms: str) -> str:
    """Letters and digits alone, whatever the term's script or marks are, so that every analyser leaves it whole."""
    return _KINDS[field] + blake2s("\0".join(terms).encode(), digest_size=6).hexdigest()


@cache
def _make_collection(_uri: str, name: str) -> None:
    from pymilvus import DataType, Function, FunctionType, MilvusClient

    if milvus().has_collection(name):
        return
    schema = partition_schema()
    analysed = {"enable_analyzer": True, "analyzer_params": {"tokenizer": "standard"}}
    schema.add_field("tokens", DataType.VARCHAR, max_length=65_535, **analysed)
    schema.add_field("bm25", DataType.SPARSE_FLOAT_VECTOR)
    schema.add_function(
        Function(name="bm25", function_type=FunctionType.BM25, input_field_names=["tokens"], output_field_names=["bm25"])
    )
    index = MilvusClient.prepare_index_params()
    parameters = {"bm25_k1": 1.2, "bm25_b": 0.75}
    index.add_index("bm25", index_type="SPARSE_INVERTED_INDEX", metric_type="BM25", params=parameters)
    milvus().create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
