"""Writes partitions: BM25 first, then a generation of vectors, under the partition's lock. Writing again repairs a crash."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from retrieval.builds import BASE, Build, embedder_of, serving_build
from retrieval.errors import RetrievalError
from retrieval.files import disk_errors, locked
from retrieval.indexes import check_rows, index_class
from retrieval.partitions import (
    LEXICAL,
    MANIFEST,
    DenseSnapshot,
    index_corrupt,
    is_partition_key,
    load_dense,
    open_dense,
    partition_folder,
    save_dense,
    weights_of,
    writing,
)
from retrieval.passages import FloatMatrix, Passage
from retrieval.words import are_written, check_words, discard_words, open_words, write_words

_DROPPED = ".dropped-"


def write_passages(
    partition: str, *, add: Sequence[Passage], vectors: FloatMatrix, remove: Sequence[int] = (), embedder: str = "",
    wait_s: float = 60,
) -> None:  # fmt: skip
    """Put passages into a partition, replacing those with the same ids, and take `remove` out, all at once.

    `vectors`: (len(add), dimension) unit rows in the order of `add`, by `embedder`; not named, by the one that serves. The
    partition is made when it does not exist. Write many passages at a time.
    Raises RetrievalError `index_corrupt` or `index_other_embedder` (drop it and write it anew), `index_busy` or
    `embedder_changed` (embed and try again); ValueError for ids given twice or vectors of another shape."""
    ids = np.array([passage.id for passage in add], np.int64)
    with writing(partition, wait_s=wait_s) as folder:
        build = serving_build()
        serving = embedder_of(build)
        if embedder and weights_of(embedder) != weights_of(serving.name):
            message = "The search index has moved to another embedding model meanwhile. The passages are embedded again."
            raise RetrievalError("embedder_changed", message)
        if len(ids):
            check_rows(ids, vectors, serving.dimension)
        current = _current(folder, build, open_dense(partition, build))
        if current is not None:
            current.check_embedder(serving.name)
        gone = set(remove)
        if not len(ids) and (not gone or current is None):
            return
        write_words(folder / LEXICAL, add=add, remove=gone)
        index = current.index if current else index_class().create(serving.dimension)
        index.remove(np.array(sorted(gone), np.int64))
        if len(ids):
            index.add(ids, vectors)
        own = build.folder_in(folder)
        own.mkdir(exist_ok=True)
        save_dense(own, index, embedder=serving.name, generation=current.manifest.generation + 1 if current else 1)
        if gone:
            _remove_from(folder, [other for other in builds_in(folder) if other != build.name], gone)


def stored_vectors(partition: str, ids: Sequence[int], *, embedder: str) -> dict[int, FloatMatrix]:
    """The vectors of those of these passages that are in the partition, by id, each (dimension,); none when it cannot be read
    or its vectors are not of this embedder."""
    try:
        snapshot = open_dense(partition) if ids else None
        if snapshot is None:
            return {}
        snapshot.check_embedder(embedder)
        found, vectors = snapshot.index.read(np.unique(np.array(ids, np.int64)))
        return dict(zip(found.tolist(), vectors, strict=True))
    except RetrievalError:
        return {}


def remove_passages(partition: str, ids: Sequence[int], *, wait_s: float = 60) -> None:
    """Take passages out; ids that are not there are ignored. Needs no embedder, so it works after the model was changed.

    Raises RetrievalError `index_corrupt` or `index_busy`."""
    with writing(partition, wait_s=wait_s) as folder:
        current = _current(folder, serving_build(), open_dense(partition))  # a damaged one is told before anything is changed
        if open_words(folder / LEXICAL) is not None and ids:
            write_words(folder / LEXICAL, add=(), remove=ids)
        if current is not None or ids:
            _remove_from(folder, builds_in(folder), set(ids))


def _remove_from(folder: Path, names: Iterable[str], ids: set[int]) -> None:
    """Out of the vectors of each of these builds: what was deleted stays in none, whether it serves or not."""
    for name in names:
        build = Build(name)
        try:
            current = _current(folder, build, open_dense(folder.name, build))
        except RetrievalError:
            if name == serving_build().name:
                raise
            continue  # it is written anew before it can serve
        if current is not None and current.index.remove(np.array(sorted(ids), np.int64)):
            manifest = current.manifest
            save_dense(build.folder_in(folder), current.index, embedder=manifest.embedder, generation=manifest.generation + 1)


def builds_in(folder: Path) -> list[str]:
    """The builds that have a folder in this partition; the base, too."""
    return [BASE, *(path.name.removeprefix("build-") for path in sorted(folder.glob("build-*")) if path.is_dir())]


def compact_partition(partition: str, *, build: Build | None = None, wait_s: float = 60) -> bool:
    """Merge segments of a partition where that makes searches quicker; False when there was nothing to do. Call it until then.

    Of the build that serves, or of another. The slow part runs without the writers' lock, beside searches and writes; one
    process at a time does it, others return False.

    Raises RetrievalError `index_corrupt`, `index_busy` or `disk_full`; the index is then as it was."""
    build = build if build is not None else serving_build()
    snapshot = open_dense(partition, build)
    if snapshot is None:
        return False
    folder = partition_folder(partition)
    other = RetrievalError("index_busy", "The search index is being compacted by another process.")
    try:
        with locked(folder.with_name(f"{partition}.compact.lock"), wait_s=0, busy=other), disk_errors():
            merged = snapshot.index.merge(build.folder_in(folder))
            return merged is not None and _adopt(partition, build, merged, wait_s)
    except RetrievalError as error:
        if error is other:
            return False
        raise


def _adopt(partition: str, build: Build, merged: Any, wait_s: float) -> bool:
    with writing(partition, wait_s=wait_s) as folder:
        current = _current(folder, build, open_dense(partition, build))
        if current is None or not current.index.adopt(merged):
            return False
        manifest = current.manifest
        own = build.folder_in(folder)
        save_dense(own, current.index, embedder=manifest.embedder, generation=manifest.generation + 1)
        return True


def drop_partition(partition: str, *, wait_s: float = 60) -> None:
    """Delete a partition, sound or not; readers find it empty at once. RetrievalError `index_busy`."""
    with writing(partition, wait_s=wait_s) as folder:
        if folder.exists():
            _discard(folder)
            folder.rename(folder.with_name(f"{_DROPPED}{uuid.uuid4().hex}"))
    for leftover in Path(settings.INDEXES_DIR).glob(f"{_DROPPED}*"):
        shutil.rmtree(leftover, ignore_errors=True)  # another process may be deleting it too


def _discard(folder: Path) -> None:
    """Free what vectors and words hold outside of the folder, if it can be told and reached."""
    with suppress(RetrievalError):
        discard_words(folder / LEXICAL)
    for name in builds_in(folder):
        discard_build(folder, Build(name))


def discard_build(folder: Path, build: Build) -> None:
    """The same of one build of a partition."""
    try:
        current = _current(folder, build)
    except RetrievalError:
        return
    if current is not None:
        current.index.discard()


def list_partitions() -> list[str]:
    """The keys of all partitions that have a folder, sorted."""
    root = Path(settings.INDEXES_DIR)
    return sorted(path.name for path in root.iterdir() if path.is_dir() and is_partition_key(path.name)) if root.is_dir() else []


def partition_ids(partition: str) -> tuple[set[int], set[int]]:
    """The passage ids in the vector index and in the BM25 index; both are empty for a partition that does not exist.

    Raises RetrievalError `index_corrupt`."""
    dense = open_dense(partition)
    lexical = open_words(partition_folder(partition) / LEXICAL)
    return (set(dense.index.ids().tolist()) if dense else set(), lexical.ids() if lexical else set())


def check_partition(partition: str) -> str | None:
    """Read all of a partition from disk, past every cache. None when it is sound or does not exist, else what is wrong.

    Raises the embedder's errors, which say nothing about the partition."""
    folder, build = partition_folder(partition), serving_build()
    embedder = embedder_of(build)
    try:
        current = _current(folder, build)
        check_words(folder / LEXICAL)
        if current is not None:
            current.check_embedder(embedder.name)
    except RetrievalError as error:
        return error.public_message
    return None


def _current(folder: Path, build: Build, open_already: DenseSnapshot | None = None) -> DenseSnapshot | None:
    """The build's generation on disk, in an instance that nobody else searches; None before the first one. Files that are open
    already and have not changed are not read again."""
    if not (build.folder_in(folder) / MANIFEST).exists():
        return None
    if not are_written(folder / LEXICAL):  # it is committed first, so it has been lost since
        raise index_corrupt()
    return load_dense(build.folder_in(folder), open_already)
