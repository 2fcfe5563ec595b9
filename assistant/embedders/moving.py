"""From one embedder to another, blue/green: build beside, compare, promote, go back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assistant.embedders.judging import compare_builds
from assistant.embedders.questions import golden_questions, questions_of_documents
from ingestion.models import Document
from ingestion.passages import passages_of
from retrieval.building import Progress, complete, install_embedder, missing_count, promote
from retrieval.builds import Build, embedder_of, model_folder, read_builds, serving_build
from retrieval.comparing import Change
from retrieval.errors import RetrievalError
from retrieval.files import write_atomically

COMPARED = "compared.json"  # in the build's model folder
PASSAGE_TOKENS = 200  # of a passage, as chunk_document cuts them
CARD = "adapted.json"


@dataclass(frozen=True, slots=True)
class Comparison:
    """`against`: the build that served. None: there was nothing to ask."""

    against: str
    golden: Change | None
    documents: Change | None

    @property
    def is_worse(self) -> bool:
        return any(item is not None and item.high < 0 for item in (self.golden, self.documents))


def build_index(folder: Path, progress: Progress) -> Build:
    """The whole build of the model in `folder`. Run again, it goes on. Raises RetrievalError."""
    build = install_embedder(folder)
    if build.name == serving_build().name:
        raise RetrievalError("build_serves", f"{build.title} serves already.", permanent=True)
    complete(build, passages_of, progress)
    return build


def compare(build: Build, ticks: Callable[[], object]) -> Comparison:
    """With the one that serves, on golden questions and on questions that documents give; kept beside the model."""
    old = serving_build()
    trained = set(_card(build).get("trained_on", ()))
    comparison = Comparison(
        old.title,
        compare_builds(golden_questions(), old=old, new=build, progress=ticks),
        compare_builds(questions_of_documents(trained_on=trained), old=old, new=build, progress=ticks),
    )
    write_atomically(model_folder(build.name) / COMPARED, json.dumps(asdict(comparison), indent=1).encode())
    return comparison


def promote_build(name: str, progress: Progress, *, is_worse_accepted: bool = False) -> Build:
    """Let a build serve. RetrievalError `build_worse` where it was found to be worse and that is not accepted."""
    build = read_builds().get(name)
    known = compared(build)
    if known is not None and known.is_worse and known.against == serving_build().title and not is_worse_accepted:
        message = (
            f"{build.title} was worse than {known.against}, beyond the interval. Promote it with --although-worse, or drop it."
        )
        raise RetrievalError("build_worse", message, permanent=True)
    promote(build, passages_of, progress)
    return build


def roll_back(progress: Progress) -> Build:
    """Let the one before serve again, with what came in since."""
    builds = read_builds()
    if builds.previous == builds.serving:
        raise RetrievalError("no_previous", "No other build has served before.", permanent=True)
    build = builds.get(builds.previous)
    promote(build, passages_of, progress)
    return build


def compared(build: Build) -> Comparison | None:
    path = model_folder(build.name) / COMPARED
    if not build.name or not path.is_file():
        return None
    known = json.loads(path.read_bytes())
    golden, documents = (Change(**known[part]) if known[part] else None for part in ("golden", "documents"))
    return Comparison(known["against"], golden, documents)


def describe(build: Build) -> list[str]:
    """Lines for a person: what serves, what is missing, what it was compared with, what it was trained on and is gone."""
    builds = read_builds()
    missing = missing_count(build)
    state = "serves" if build.name == builds.serving else f"{missing} passages behind" if missing else "complete"
    lines = [f"{build.title}: {state}"]
    known = compared(build)
    if known is not None:
        for what, item in (("golden questions", known.golden), ("questions of documents", known.documents)):
            if item is not None:
                lines.append(f"  {what}, against {known.against}: {item}")
    trained = _card(build).get("trained_on", [])
    gone = len(trained) - Document.objects.filter(pk__in=trained).count()
    if gone:
        lines.append(f"  {gone} of the {len(trained)} documents that it was trained among were deleted. Adapt anew.")
    return lines


def shortfall(build: Build) -> str:
    """What a person should know of a model that reads less of a passage than passages have; empty where it reads all."""
    tokens = embedder_of(build).max_tokens
    return f"It reads {tokens} tokens of a passage; passages have up to {PASSAGE_TOKENS}." if tokens < PASSAGE_TOKENS else ""


def _card(build: Build) -> dict[str, Any]:
    path = model_folder(build.name) / CARD
    card: dict[str, Any] = json.loads(path.read_bytes()) if build.name and path.is_file() else {}
    return card
