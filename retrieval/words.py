"""One door to a partition's words: in its folder (tantivy), or in Milvus, to which a pointer in the folder leads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from retrieval.indexes import index_class
from retrieval.lexical import LexicalSnapshot, load_lexical, open_lexical, scope_clauses, write_lexical
from retrieval.lexical_files import META
from retrieval.lexical_milvus import POINTER, MilvusWords, load_words, new_words, open_words_in_milvus
from retrieval.passages import Hit, Passage
from retrieval.terms import read_query

Words = LexicalSnapshot | MilvusWords
IN_MILVUS = "milvus"  # suffix of the vectors beside which a new partition's words are


def open_words(folder: Path) -> Words | None:
    """What was committed last; None where nothing was. A pointer counts before files: it is put there when a copy is complete.
    RetrievalError `index_corrupt`."""
    in_milvus = open_words_in_milvus(folder)
    return open_lexical(folder) if in_milvus is None else in_milvus


def are_written(folder: Path) -> bool:
    return (folder / POINTER).exists() or (folder / META).exists()


def write_words(folder: Path, *, add: Sequence[Passage], remove: Iterable[int]) -> None:
    """Replace and remove passages where the partition's words are; a new partition's go where new vectors go. The caller is the
    partition's writer. RetrievalError `index_corrupt`, `disk_full` or `index_unreachable`."""
    existing = open_words(folder)
    if isinstance(existing, LexicalSnapshot) or (existing is None and index_class().suffix != IN_MILVUS):
        write_lexical(folder, add=add, remove=remove)
        return
    folder.mkdir(parents=True, exist_ok=True)
    words = new_words() if existing is None else existing
    if existing is None:
        words.save(folder / POINTER)  # before its rows: killed between, the next writer finds them
    words.write(add, remove).save(folder / POINTER)


def check_words(folder: Path) -> None:
    """Read them past every cache, or ask Milvus whether it is there. RetrievalError `index_corrupt` when they are not what was
    committed, `index_unreachable`."""
    if (folder / POINTER).exists():
        load_words(folder / POINTER).counted()
    elif (folder / META).exists():
        load_lexical(folder)


def search_words(question: str, snapshots: Sequence[Words], top_k: int, only: Collection[int] | None) -> list[list[Hit]]:
    """Per snapshot the best passages by BM25, of `only` these. Terms are as rare everywhere as in the whole scope, in Milvus as
    in all that it holds."""
    clauses = read_query(question)
    if not clauses or not snapshots:
        return []
    in_files = [snapshot for snapshot in snapshots if isinstance(snapshot, LexicalSnapshot)]
    found = [
        snapshot.search(own, top_k, only)
        for snapshot, own in zip(in_files, scope_clauses(in_files, clauses), strict=True)
    ]  # fmt: skip
    return found + [snapshot.search(clauses, top_k, only) for snapshot in snapshots if isinstance(snapshot, MilvusWords)]


def discard_words(folder: Path) -> None:
    """Free what they hold outside of the folder."""
    words = open_words_in_milvus(folder)
    if words is not None:
        words.discard()


# --- Copies, which nobody sees until they are complete -----------------------------------------------------------------


class WordsInMilvus:
    """A copy in Milvus of words that lie in `folder`, under a pointer that is not announced yet. An unfinished one goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / f"copying-{POINTER}"
        self._words = load_words(self._path) if self._path.exists() else new_words()
        self._words.save(self._path)  # before its rows, which an interrupted copy would leave behind

    def ids(self) -> set[int]:
        return self._words.ids()

    def write(self, add: Sequence[Passage], remove: Iterable[int]) -> None:
        self._words = self._words.write(add, remove)
        self._words.save(self._path)

    def publish(self) -> None:
        self._words.save(self._folder / POINTER)
        self._path.unlink(missing_ok=True)
        for file in self._folder.iterdir():
            if file.name != POINTER and file.is_file():
                file.unlink(missing_ok=True)


class WordsInFolder:
    """A copy in `folder` of words that are in Milvus, beside the pointer, which counts until it is taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def ids(self) -> set[int]:
        index = open_lexical(self._folder)
        return index.ids() if index else set()

    def write(self, add: Sequence[Passage], remove: Iterable[int]) -> None:
        write_lexical(self._folder, add=add, remove=remove)

    def publish(self) -> None:
        words = load_words(self._folder / POINTER)
        if not (self._folder / META).exists():
            write_lexical(self._folder, add=[], remove=[])
        (self._folder / POINTER).unlink()
        words.discard()
