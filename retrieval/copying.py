"""Copies a partition's vectors and words to another backend without embedding again. The old ones serve until the flip."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from retrieval.builds import serving_build
from retrieval.errors import RetrievalError
from retrieval.files import disk_errors, fsync_path, locked
from retrieval.indexes import VectorIndex
from retrieval.lexical_milvus import MilvusWords
from retrieval.partitions import (
    LEXICAL,
    DenseSnapshot,
    dense_folder,
    load_dense,
    open_dense,
    partition_folder,
    save_dense,
    writing,
)
from retrieval.passages import Passage
from retrieval.words import WordsInFolder, WordsInMilvus, open_words

COPIED_AT_ONCE = 20_000
WORDS_AT_ONCE = 5_000
FILE = "vectors"

Progress = Callable[[int], None]
ReadPassages = Callable[[Sequence[int]], list[Passage]]


def copy_partition(partition: str, target: type[VectorIndex], *, wait_s: float = 60, progress: Progress) -> bool:
    """Move a partition's vectors, of the build that serves, to the backend `target`; False when they are there already, or there
    are none.

    Copies beside searches and writes, notes how far it is after each 20,000 and goes on from there when it is called again;
    then, as the writer, brings over what was written meanwhile and publishes. `progress` is told how many were copied.
    Raises RetrievalError `index_corrupt`, `index_busy` (also while another copies), `disk_full`; the index stays as it was."""
    build = serving_build()
    snapshot = open_dense(partition, build)
    if snapshot is None or snapshot.manifest.suffix == target.suffix:
        return False
    folder = dense_folder(partition, build)
    work = folder / f"copying-{target.suffix}"
    other = RetrievalError("index_busy", "The search index is being copied by another process.")
    with locked(partition_folder(partition).with_name(f"{partition}.copy.lock"), wait_s=0, busy=other), disk_errors():
        work.mkdir(exist_ok=True)
        copy = _begun(work, target, snapshot)
        _bring_over(snapshot.index, copy, work, progress)
        with writing(partition, wait_s=wait_s):
            current = load_dense(folder, snapshot)
            _bring_over(current.index, copy, work, progress)
            _publish(folder, work, copy, current)
    return True


def copy_words(partition: str, *, to_milvus: bool, read: ReadPassages, wait_s: float = 60, progress: Progress) -> bool:
    """Move a partition's words to Milvus, or into its folder; False when they are there already, or there are none.

    `read` gives the passages of ids, fewer where they have gone. As with vectors, it runs beside searches and writes, goes on
    where it was, and brings over at the end what was written meanwhile. RetrievalErrors as above, and `index_unreachable`."""
    folder = partition_folder(partition) / LEXICAL
    source = open_words(folder)
    if source is None or isinstance(source, MilvusWords) == to_milvus:
        return False
    other = RetrievalError("index_busy", "The search index is being copied by another process.")
    with locked(partition_folder(partition).with_name(f"{partition}.copy.lock"), wait_s=0, busy=other), disk_errors():
        copy = WordsInMilvus(folder) if to_milvus else WordsInFolder(folder)
        _bring_words_over(source.ids(), copy, read, progress)
        with writing(partition, wait_s=wait_s):
            source = open_words(folder)
            if source is not None:
                _bring_words_over(source.ids(), copy, read, progress)
                copy.publish()
    return True


def _bring_words_over(ids: set[int], copy: WordsInMilvus | WordsInFolder, read: ReadPassages, progress: Progress) -> None:
    have = copy.ids()
    if have - ids:
        copy.write([], have - ids)
    missing = sorted(ids - have)
    done = len(ids) - len(missing)
    progress(done)
    for start in range(0, len(missing), WORDS_AT_ONCE):
        wanted = missing[start : start + WORDS_AT_ONCE]
        copy.write(read(wanted), [])
        done += len(wanted)
        progress(done)


def _begun(work: Path, target: type[VectorIndex], snapshot: DenseSnapshot) -> VectorIndex:
    """What an earlier call left, or an empty index."""
    try:
        return target.load(work / FILE)
    except (OSError, ValueError):
        copy = target.create(snapshot.index.dimension)
        copy.save(work / FILE)
        return copy


def _bring_over(source: VectorIndex, copy: VectorIndex, work: Path, progress: Progress) -> None:
    have = copy.ids()
    gone = np.setdiff1d(have, source.ids())
    if len(gone):
        copy.remove(gone)
    missing = np.setdiff1d(source.ids(), have)
    progress(len(source) - len(missing))
    for start in range(0, len(missing), COPIED_AT_ONCE):
        ids, vectors = source.read(missing[start : start + COPIED_AT_ONCE])
        copy.add(ids, vectors)
        copy.save(work / FILE)
        progress(min(len(source), len(source) - len(missing) + start + COPIED_AT_ONCE))


def _publish(folder: Path, work: Path, copy: VectorIndex, current: DenseSnapshot) -> None:
    copy.save(work / FILE)
    if len(copy) != len(current.index):
        message = "The copy of the search index does not hold what the index holds, so the index was left as it was."
        raise RetrievalError("copy_incomplete", message)
    for name in copy.files():
        (work / name).replace(folder / name)
    fsync_path(folder)
    manifest = current.manifest
    save_dense(folder, copy, embedder=manifest.embedder, generation=manifest.generation + 1)
    current.index.discard()
    shutil.rmtree(work)
