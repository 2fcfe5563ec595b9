"""Makes the build of another embedder beside the one that serves, brings it up to date, and lets it serve."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from django.conf import settings

from retrieval.builds import (
    BASE,
    Build,
    building,
    embedder_of,
    flipping,
    forget,
    model_folder,
    register,
    serve,
    serving_build,
)
from retrieval.embedders import Embedder, load_embedder
from retrieval.embedders.prepare import prepare_model
from retrieval.embedders.prepared import PREPARED
from retrieval.embedders.sources import find_source
from retrieval.errors import RetrievalError
from retrieval.files import disk_errors, fsync_path
from retrieval.indexes import index_class
from retrieval.indexing import compact_partition, discard_build, list_partitions
from retrieval.partitions import dense_folder, load_dense, open_dense, save_dense, writing
from retrieval.passages import IdArray, Passage

EMBEDDED_AT_ONCE = 256  # passages between two saves: what a kill may cost
LEFT_TO_THE_FLIP = 64  # passages that may be missing when the writers are stopped
ROUNDS = 20
ONNX = "retrieval.embedders.onnx.OnnxEmbedder"

PassagesOf = Callable[[Sequence[int]], Sequence[Passage]]  # the texts of these ids; of what is gone, none
Progress = Callable[[int, int], None]  # passages of the new build, and of the one that serves


def install_embedder(source: Path) -> Build:
    """Copy a sentence-transformers folder to where all processes find it, prepare it as the settings' own is prepared, and
    register its build, still empty. The same weights are the same build.

    Raises RetrievalError `embedder_unknown`, `embedder_unsupported`, `build_busy`, `disk_full`."""
    found = find_source(str(source))
    name = f"{found.slug[:40]}-{found.weights_sha256[:12]}"
    with building(), disk_errors():
        target = model_folder(name)
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=settings.MODELS_DIR, prefix=f".{name}-") as scratch:
                copy = Path(scratch) / name
                shutil.copytree(found.folder, copy, ignore=shutil.ignore_patterns("*.onnx", "*.bin", "*.pt", PREPARED, ".*"))
                fsync_path(copy / "model.safetensors")
                copy.rename(target)
        configured = cast("dict[str, Any]", settings.EMBEDDER)
        if configured["BACKEND"] == ONNX:
            prepare_model(str(target), target / PREPARED, configured["OPTIONS"].get("precision", "auto"))
        build = Build(name, load_embedder(target).name)
        register(build)
    return build


def complete(build: Build, passages_of: PassagesOf, progress: Progress) -> None:
    """Embed into the build what the one that serves has and it has not, and take out what that has not. Searches and writes go
    on. Killed and called again, it goes on where it was. RetrievalError `build_busy`, `index_corrupt`, `disk_full`."""
    with building():
        _bring_over_all(build, passages_of, progress)
        _compact(build)


def promote(build: Build, passages_of: PassagesOf, progress: Progress) -> None:
    """Bring the build up to date, and let it serve from the next search on. Going back is promoting the one before.

    What is written meanwhile is brought over, too: the last passages while writers wait. Killed at any point, either of the
    two serves, whole. RetrievalError `build_busy`, `index_busy` when a writer does not come to its end, `build_behind` when
    documents come in faster than they are embedded."""
    with building():
        for _ in range(ROUNDS):
            _bring_over_all(build, passages_of, progress)
            if sum(len(missing) for _, missing in _missing(build, passages_of)) <= LEFT_TO_THE_FLIP:
                break
        else:
            message = "Documents come in faster than they are embedded. Promote the build when fewer are added."
            raise RetrievalError("build_behind", message)
        _compact(build)
        with flipping(wait_s=60):
            _bring_over_all(build, passages_of, progress, is_flipping=True)
            serve(build)


def drop(build: Build) -> None:
    """Forget a build that does not serve, with its vectors and its copy of the model.

    Raises RetrievalError `build_serves`, `build_base` or `build_busy`."""
    if build.name == BASE:
        raise RetrievalError("build_base", "The build of the settings' own embedder is not dropped.", permanent=True)
    with building():
        forget(build)
        for key in list_partitions():
            with writing(key, wait_s=60) as folder:
                discard_build(folder, build)
                shutil.rmtree(build.folder_in(folder), ignore_errors=True)
        shutil.rmtree(model_folder(build.name), ignore_errors=True)


def missing_count(build: Build) -> int:
    """Passages that the build that serves has and this one has not, whether or not their texts are still there."""
    return sum(len(_without(key, build)) for key in list_partitions())


# --- Bringing over ----------------------------------------------------------------------------------------------------


def _bring_over_all(build: Build, passages_of: PassagesOf, progress: Progress, *, is_flipping: bool = False) -> None:
    """Of the build that serves there is nothing to do."""
    if build.name == serving_build().name:
        return
    embedder = embedder_of(build)
    keys = list_partitions()
    total = sum(len(_ids(key, serving_build())) for key in keys)
    done = total - missing_count(build)
    progress(done, total)
    for key in keys:
        _take_out(key, build, is_flipping)
        missing = _without(key, build)
        for start in range(0, len(missing), EMBEDDED_AT_ONCE):
            part = missing[start : start + EMBEDDED_AT_ONCE]
            _embed(key, build, embedder, passages_of(part.tolist()), is_flipping)
            done += len(part)
            progress(done, total)


def _embed(key: str, build: Build, embedder: Embedder, passages: Sequence[Passage], is_flipping: bool) -> None:
    if not passages:
        return
    ids = np.array([passage.id for passage in passages], np.int64)
    vectors = embedder.embed_passages([passage.searchable_text for passage in passages])
    with writing(key, wait_s=60, is_flipping=is_flipping) as folder:
        own = build.folder_in(folder)
        own.mkdir(exist_ok=True)
        snapshot = _snapshot(key, build, embedder)
        index = snapshot.index if snapshot else index_class().create(embedder.dimension)
        still = np.isin(ids, _ids(key, serving_build()))  # or it was deleted while it was embedded
        if still.any():
            index.add(ids[still], vectors[still])
            generation = snapshot.manifest.generation + 1 if snapshot else 1
            save_dense(own, index, embedder=embedder.name, generation=generation)


def _compact(build: Build) -> None:
    """So that the first search by it is as quick as the ones before the flip."""
    for key in list_partitions():
        while compact_partition(key, build=build):
            pass


def _take_out(key: str, build: Build, is_flipping: bool) -> None:
    gone = np.setdiff1d(_ids(key, build), _ids(key, serving_build()))
    if not len(gone):
        return
    with writing(key, wait_s=60, is_flipping=is_flipping) as folder:
        snapshot = _snapshot(key, build, embedder_of(build))
        if snapshot is not None and snapshot.index.remove(gone):
            manifest = snapshot.manifest
            save_dense(
                build.folder_in(folder), snapshot.index, embedder=manifest.embedder, generation=manifest.generation + 1
            )  # fmt: skip


def _snapshot(key: str, build: Build, embedder: Embedder) -> Any:
    """An instance of the writer's own; None where there is none, or one that cannot be trusted and is therefore written anew."""
    folder = dense_folder(key, build)
    opened = _opened(key, build)
    if opened is None:
        return None
    snapshot = load_dense(folder, opened)
    try:
        snapshot.check_embedder(embedder.name)
    except RetrievalError:
        return None
    return snapshot


def _ids(key: str, build: Build) -> IdArray:
    opened = _opened(key, build)
    return opened.index.ids() if opened is not None else np.empty(0, np.int64)


def _opened(key: str, build: Build) -> Any:
    """RetrievalError `index_corrupt` for the build that serves; another that is damaged or of another embedder counts as none."""
    try:
        opened = open_dense(key, build)
        if opened is not None and build.name != serving_build().name:
            opened.check_embedder(embedder_of(build).name)
    except RetrievalError:
        if build.name == serving_build().name:
            raise
        return None
    return opened


def _without(key: str, build: Build) -> IdArray:
    return np.setdiff1d(_ids(key, serving_build()), _ids(key, build))


def _missing(build: Build, passages_of: PassagesOf) -> list[tuple[str, Sequence[Passage]]]:
    return [(key, passages_of(_without(key, build).tolist())) for key in list_partitions()]
