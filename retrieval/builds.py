"""Which embedder serves: one file beside the indexes, which every search reads anew. Each embedder but the settings' own has a
build of its own in every partition; promoting it is replacing that file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.conf import settings

from retrieval.embedders import Embedder, get_embedder, load_embedder
from retrieval.errors import RetrievalError
from retrieval.files import locked, write_atomically

FILE = "builds.json"
FLIP_LOCK = ".builds.lock"  # writers hold it together, who promotes holds it alone
TURN_LOCK = ".turn.lock"  # writers pass through it, who promotes holds it while they end: else one after another would overtake
WORK_LOCK = ".building.lock"
BASE = ""  # the build of the embedder that the settings name; it lies in the partition's own folder


@dataclass(frozen=True, slots=True)
class Build:
    """An embedder with its vectors of all partitions. `name`: of its folder in MODELS_DIR, and in each partition behind "build-";
    BASE for the settings' own. `embedder` is the name that its manifests say."""

    name: str = BASE
    embedder: str = ""

    def folder_in(self, partition: Path) -> Path:
        return partition / f"build-{self.name}" if self.name else partition

    @property
    def title(self) -> str:
        return self.name or "base"


@dataclass(frozen=True, slots=True)
class Builds:
    """What the file says: the one that serves, the one that served before it, and all."""

    serving: str = BASE
    previous: str = BASE
    builds: dict[str, str] = field(default_factory=dict)  # name → embedder; the base is always there and not listed

    def get(self, name: str) -> Build:
        """RetrievalError `build_unknown`."""
        if name and name not in self.builds:
            known = ", ".join(["base", *self.builds])
            raise RetrievalError("build_unknown", f"There is no build {name}. There are: {known}.", permanent=True)
        return Build(name, self.builds.get(name, ""))

    def all(self) -> list[Build]:
        return [Build(), *(Build(name, embedder) for name, embedder in self.builds.items())]


_read: dict[Path, tuple[tuple[int, int, int], Builds]] = {}


def read_builds() -> Builds:
    """The file as it is now; it is read again when it was replaced. RetrievalError `builds_corrupt`."""
    path = Path(settings.INDEXES_DIR) / FILE
    try:
        status = os.stat(path)
        signature = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = _read.get(path)
        if known is not None and known[0] == signature:
            return known[1]
        found = Builds(**json.loads(path.read_bytes()))
        found.get(found.serving)
    except FileNotFoundError:
        return Builds()
    except (ValueError, TypeError, RetrievalError) as error:
        message = f"{FILE} beside the indexes is damaged. An administrator must restore it, or delete it and build again."
        raise RetrievalError("builds_corrupt", message, permanent=True) from error
    _read[path] = (signature, found)
    return found


def serving_build() -> Build:
    builds = read_builds()
    return builds.get(builds.serving)


def embedder_of(build: Build) -> Embedder:
    """The build's embedder, loaded once per process. Raises the embedder's errors."""
    return load_embedder(model_folder(build.name)) if build.name else get_embedder()


def get_search_embedder() -> Embedder:
    """The embedder of the build that serves: of passages that are to be found and of questions that look for them. What was
    fitted on an embedder's vectors (router, composer, refusal) and the API stay with `get_embedder`."""
    return embedder_of(serving_build())


def model_folder(name: str) -> Path:
    return Path(settings.MODELS_DIR) / name


# --- Writing the file -------------------------------------------------------------------------------------------------


def _busy() -> RetrievalError:
    message = "Another process is building or promoting an embedder's index. Try again when it has finished."
    return RetrievalError("build_busy", message)


@contextmanager
def building() -> Iterator[None]:
    """Be the only one that builds, promotes or drops. RetrievalError `build_busy`."""
    with locked(Path(settings.INDEXES_DIR) / WORK_LOCK, wait_s=0, busy=_busy()):
        yield


@contextmanager
def not_flipping(wait_s: float) -> Iterator[None]:
    """While this is held the build that serves stays; writers hold it, each once. RetrievalError `index_busy`."""
    folder = Path(settings.INDEXES_DIR)
    busy = RetrievalError("index_busy", "The search index is moving to another embedding model. Try again in a minute.")
    with ExitStack() as held:
        with locked(folder / TURN_LOCK, wait_s=wait_s, busy=busy, is_shared=True):
            held.enter_context(locked(folder / FLIP_LOCK, wait_s=wait_s, busy=busy, is_shared=True))
        yield


@contextmanager
def flipping(wait_s: float) -> Iterator[None]:
    """No partition is written meanwhile: those that write now are waited for, and others wait. RetrievalError `index_busy`."""
    folder = Path(settings.INDEXES_DIR)
    message = f"Documents were still being written into the search index after {wait_s:.0f} seconds. Try again in a minute."
    busy = RetrievalError("index_busy", message)
    with locked(folder / TURN_LOCK, wait_s=wait_s, busy=busy), locked(folder / FLIP_LOCK, wait_s=wait_s, busy=busy):
        yield


def register(build: Build) -> None:
    """The caller holds `building`."""
    builds = read_builds()
    _write(Builds(builds.serving, builds.previous, {**builds.builds, build.name: build.embedder}))


def forget(build: Build) -> None:
    """The caller holds `building`. RetrievalError `build_serves`."""
    builds = read_builds()
    if build.name == builds.serving:
        raise RetrievalError("build_serves", f"{build.title} serves. Promote another build before you drop it.", permanent=True)
    previous = BASE if builds.previous == build.name else builds.previous
    _write(Builds(builds.serving, previous, {name: of for name, of in builds.builds.items() if name != build.name}))


def serve(build: Build) -> None:
    """The flip. The caller holds `building` and `flipping`, and the build is complete."""
    builds = read_builds()
    if builds.serving != build.name:
        _write(Builds(build.name, builds.serving, builds.builds))


def _write(builds: Builds) -> None:
    write_atomically(Path(settings.INDEXES_DIR) / FILE, (json.dumps(asdict(builds), indent=1) + "\n").encode())
