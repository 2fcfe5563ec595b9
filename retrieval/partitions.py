"""One folder per partition: a generation of vectors, the manifest that announces it, and the BM25 index beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings

from retrieval.builds import Build, not_flipping, serving_build
from retrieval.errors import RetrievalError
from retrieval.files import disk_errors, fsync_path, locked, sha256_of, write_atomically
from retrieval.indexes import VectorIndex, index_class_of
from retrieval.snapshots import Snapshots

MANIFEST = "manifest.json"
LEXICAL = "lexical"
LAYOUT = 1
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.json says. It is written last: what it does not name does not exist."""

    layout: int
    generation: int
    suffix: str
    sha256: str
    embedder: str
    dimension: int
    count: int

    @property
    def file(self) -> str:
        return f"vectors-{self.generation:08d}.{self.suffix}"


@dataclass(frozen=True, slots=True)
class DenseSnapshot:
    """A verified generation in memory."""

    manifest: Manifest
    index: VectorIndex

    def check_embedder(self, name: str) -> None:
        """Raise RetrievalError `index_other_embedder` unless the same weights made these vectors.

        The precision may differ: int8 agrees with float32 at a mean cosine of 0.98 or better, so a GPU may index what a
        processor searches."""
        if weights_of(self.manifest.embedder) != weights_of(name):
            message = "The search index was made with another embedding model. An administrator must rebuild it."
            raise RetrievalError("index_other_embedder", message, permanent=True)


def weights_of(name: str) -> str:
    """An embedder's name is model@revision:precision."""
    return name.partition(":")[0]


def is_partition_key(name: str) -> bool:
    return _KEY.fullmatch(name) is not None


def partition_folder(key: str) -> Path:
    """The folder of a partition, which need not exist. ValueError for a name that could leave INDEXES_DIR."""
    if not is_partition_key(key):
        raise ValueError(f"{key!r} is no partition key")
    return Path(settings.INDEXES_DIR) / key


def index_corrupt() -> RetrievalError:
    message = "A search index is damaged, so nothing was read from it. An administrator must rebuild it."
    return RetrievalError("index_corrupt", message, permanent=True)


@contextmanager
def writing(key: str, *, wait_s: float, is_flipping: bool = False) -> Iterator[Path]:
    """Be a partition's only writer, in all processes; gives its folder. RetrievalError `index_busy` after `wait_s` seconds,
    and `disk_full` when the disk takes no more. `is_flipping`: the caller holds `flipping`.

    The lock lies beside the folder and is never deleted, since a deleted lock file can be held by two at once."""
    folder = partition_folder(key)
    busy = RetrievalError("index_busy", "The search index is being written by another process. Try again in a minute.")
    staying = nullcontext() if is_flipping else not_flipping(wait_s)
    with staying, locked(folder.with_name(f"{key}.lock"), wait_s=wait_s, busy=busy), disk_errors():
        yield folder


def load_dense(folder: Path, previous: DenseSnapshot | None = None) -> DenseSnapshot:
    """Read the announced generation from disk and compare it with its manifest; what `previous` has open and did not change
    is taken over. RetrievalError `index_corrupt`."""
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_bytes()))
        path = folder / manifest.file
        backend = index_class_of(manifest.suffix)
        if manifest.layout != LAYOUT or sha256_of(path) != manifest.sha256:
            raise index_corrupt()
        earlier = previous.index if previous else None
        index = backend.load(path, earlier if isinstance(earlier, backend) else None)
    except (OSError, ValueError, TypeError) as error:
        raise index_corrupt() from error
    if len(index) != manifest.count or index.dimension != manifest.dimension:
        raise index_corrupt()
    return DenseSnapshot(manifest, index)


def save_dense(folder: Path, index: VectorIndex, *, embedder: str, generation: int) -> None:
    """Publish a generation; the caller is the writer. Killed at any point, readers have the old one or the new one."""
    manifest = Manifest(LAYOUT, generation, index.suffix, "", embedder, index.dimension, len(index))
    path = folder / manifest.file
    temporary = folder / f".{path.name}.tmp"
    index.save(temporary)
    fsync_path(temporary)
    digest = sha256_of(temporary)
    temporary.replace(path)
    fsync_path(folder)
    content = json.dumps({**asdict(manifest), "sha256": digest}, indent=1)
    write_atomically(folder / MANIFEST, content.encode())
    needed = {path.name, *index.files()}
    for old in (*folder.glob("vectors-*"), *folder.glob(".vectors-*.tmp"), *folder.glob("segment-*")):
        if old.name not in needed:
            old.unlink(missing_ok=True)


_dense: Snapshots[DenseSnapshot] = Snapshots(MANIFEST, load_dense)


def open_dense(key: str, build: Build | None = None) -> DenseSnapshot | None:
    """The newest generation of the build that serves, or of another, cached in the process; None for a partition that has none.

    Raises RetrievalError `index_corrupt`."""
    return _dense.get(dense_folder(key, build))


def dense_folder(key: str, build: Build | None = None) -> Path:
    """Where a partition's vectors by the build that serves, or by another, lie."""
    return (build if build is not None else serving_build()).folder_in(partition_folder(key))
