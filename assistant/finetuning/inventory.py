"""All models of this installation: what each is made of, how good it was found to be, how large it is, and where it is loaded, as
far as this process knows: in itself, or on a server. Shows no passage and no address; adapters only of specialists that the
viewer manages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.text import capfirst

from assistant.finetuning.folders import adapter_folder
from assistant.finetuning.models import SmallerModel, SpecialistVersion, VersionState
from assistant.finetuning.permissions import managed_specialists, withdrawn_versions
from specialists.errors import SpecialistError
from specialists.finetuning.gate import LABELS
from specialists.language_models.folders import ModelFolder, read_model_folder
from specialists.language_models.selecting import get_judge_model, get_language_model

if TYPE_CHECKING:
    from retrieval.builds import Build

TRAINED = {
    "reader": "Marks the words of a passage that answer, or says that none do.",
    "reranker": "Puts the passages that a search found into a better order.",
    "grounding": "Says whether a sentence follows from the passage that it cites.",
}
ROUTER = "Says what a question is: its intent, tone and urgency."
EMBEDDER = "Turns passages and questions into vectors, by which they are found."
NOT_LOADED = "not loaded yet"
KEPT = (VersionState.CANDIDATE, VersionState.PROMOTED, VersionState.RETIRED)


@dataclass(frozen=True, slots=True)
class ShownModel:
    """`size` in bytes, None where it is not known. `made_of`, `figures`: lines. `where`: this process, a host, or nothing."""

    kind: str
    name: str
    purpose: str
    state: str = ""
    size: int | None = None
    where: str = ""
    made_of: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    problem: str = ""
    url: str = ""


def every_model(viewer: User) -> list[ShownModel]:
    return [*_language_models(), *_adapters(viewer), *_smaller(viewer), *_small(), _router(), *_embedders()]


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _size(folder: Path) -> int | None:
    """None where there is no such folder."""
    return folder_bytes(folder) if folder.is_dir() else None


def _language_models() -> Iterator[ShownModel]:
    purpose = "Writes answers in its own words, each sentence with its source."
    try:
        model = get_language_model()
    except SpecialistError as error:
        yield ShownModel("Language model", "Cannot be used", purpose, problem=error.public_message)
        model = None
    if model is not None:
        options = settings.LANGUAGE_MODEL["OPTIONS"]
        folder = _folder(options.get("folder", ""))
        place = getattr(model, "loaded_on", None)
        yield ShownModel(
            "Language model", model.name, purpose, "In use", folder.stored_bytes if folder else None,
            f"a server, {urlsplit(options['url']).hostname}" if "url" in options else _place(place),
            tuple(_of_folder(folder, options.get("quantisation", ""))) if folder else (),
        )  # fmt: skip
    base = _folder(settings.FINETUNING_BASE)
    if base is not None and settings.LANGUAGE_MODEL["OPTIONS"].get("folder") != settings.FINETUNING_BASE:
        yield ShownModel(
            "Base model", base.path.name, "Specialists are trained on it.", "", base.stored_bytes, "", tuple(_of_folder(base, ""))
        )
    try:
        judge = get_judge_model()
    except SpecialistError as error:
        yield ShownModel("Judge", "Cannot be used", "", problem=error.public_message)
        return
    if judge is not None:
        host = urlsplit(settings.JUDGE_MODEL["OPTIONS"]["url"]).hostname
        yield ShownModel(
            "Judge",
            judge.name,
            "Says whether answers are right while a specialist is judged.",
            "In use",
            where=f"a server, {host}",
        )


def _folder(path: str) -> ModelFolder | None:
    try:
        return read_model_folder(Path(path)) if path else None
    except SpecialistError:
        return None


def _of_folder(folder: ModelFolder, quantisation: str) -> Iterator[str]:
    yield f"{folder.parameters / 1e9:.2f} billion numbers" if folder.parameters >= 1e8 else f"{folder.parameters:,} numbers"
    if folder.quantised_by or quantisation:
        yield f"Quantised: {folder.quantised_by or quantisation}"


def _place(loaded_on: str | None) -> str:
    return f"this process, {loaded_on}" if loaded_on else NOT_LOADED


def _is_loaded(is_loaded: bool) -> str:
    return "this process" if is_loaded else NOT_LOADED


def _place_of_adapters() -> Callable[[str], str]:
    """Where this process knows an adapter of this name to be loaded. A server has those that it serves from its start, too."""
    try:
        model = get_language_model()
    except SpecialistError:
        model = None
    if model is None:
        return lambda _: ""
    url = settings.LANGUAGE_MODEL["OPTIONS"].get("url", "")
    there = set(model.adapters if url else getattr(model, "loaded_adapters", ()))
    place = f"a server, {urlsplit(url).hostname}" if url else _place(getattr(model, "loaded_on", None))
    return lambda name: place if name in there else NOT_LOADED


def _adapters(viewer: User) -> Iterator[ShownModel]:
    place_of = _place_of_adapters()
    versions = list(
        SpecialistVersion.objects.filter(specialist__in=managed_specialists(viewer), state__in=KEPT)
        .select_related("specialist", "data_set", "incumbent__specialist").order_by("specialist__name", "-number")
    )  # fmt: skip
    gone = withdrawn_versions(versions)
    for version in versions:
        folder = adapter_folder(version)
        made_of = [f"Base: {version.base_name}", _trained_on(version)]
        if version.incumbent is not None:
            made_of.append(f"Judged against version {version.incumbent.number}")
        yield ShownModel(
            "Adapter", f"{version.specialist}, version {version.number}", version.specialist.description,
            "Withdrawn" if version.pk in gone else version.get_state_display(), _size(folder),
            place_of(version.adapter_name), tuple(made_of), (version.verdict,) if version.verdict else (),
            "" if folder.is_dir() else "Its folder is not on this host.",
            reverse("assistant:version", args=[version.specialist.slug, version.number]),
        )  # fmt: skip


def _smaller(viewer: User) -> Iterator[ShownModel]:
    for row in SmallerModel.objects.filter(specialist__in=managed_specialists(viewer)).select_related("specialist", "data_set"):
        path = Path(row.path)
        is_there = path.exists()
        old, new = row.figures["tokens_per_second"]
        yield ShownModel(
            "Smaller model", path.name, f"Of the specialist {row.specialist}.", "Kept" if row.is_kept else "Loses too much",
            row.figures["bytes"][1] if is_there else None, "", (f"Of: {row.parent}", capfirst(", ".join(row.made_by))),
            (row.verdict, f"{old:g} → {new:g} tokens a second", *map(_compared, row.figures["comparisons"])),
            "" if is_there else "It is not on this host any more.",
        )  # fmt: skip


def _compared(item: Mapping[str, Any]) -> str:
    label = LABELS.get(item["name"], item["name"])
    return f"{label[0].upper()}{label[1:]}: {100 * item['incumbent']:.1f} % → {100 * item['candidate']:.1f} %"


def _trained_on(version: SpecialistVersion) -> str:
    return f"Data set {version.data_set.number}, {version.document_count} document{'' if version.document_count == 1 else 's'}"


def _small() -> Iterator[ShownModel]:
    from retrieval.files import remembered_sha256_of
    from specialists.encoders.bundle import read_card
    from specialists.grounding.serving import get_head
    from specialists.reader.serving import get_reader
    from specialists.reranker.serving import get_reranker

    loaders = {"reader": get_reader, "reranker": get_reranker, "grounding": get_head}
    for kind, purpose in TRAINED.items():
        folder = Path(settings.SPECIALISTS_DIR) / kind
        try:
            card = read_card(folder, kind, remembered_sha256_of)
        except SpecialistError as error:
            yield ShownModel(kind.capitalize(), "Cannot be used", purpose, size=_size(folder), problem=error.public_message)
            continue
        data = ", ".join(str(item["name"]) for item in card.data)
        licences = (f"Licence: {line}" for line in card.licences)
        made_of = (f"Base: {card.base['name']}", f"Trained on {len(card.data)} files", f"The files: {data}", *licences)
        yield ShownModel(
            kind.capitalize(), card.name, purpose, "In use", folder_bytes(folder),
            _is_loaded(loaders[kind].cache_info().currsize > 0), made_of, tuple(_figures(card.figures)),
        )  # fmt: skip


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    """Of an evaluated set, its measures with their 95 % intervals, in points."""
    for name, measures in figures.items():
        found = measures.items() if isinstance(measures, dict) else ()
        shown = [
            f"{label} {value['mean']:.1f} ({value['low']:.1f} to {value['high']:.1f})"
            for label, value in found
            if isinstance(value, dict) and {"mean", "low", "high"} <= value.keys()
        ]
        if shown:
            yield f"{name}: {', '.join(shown[:3])}"


def _router() -> ShownModel:
    from specialists.router.serving import installed_folder, load_router

    folder = Path(settings.SPECIALISTS_DIR) / "router"
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        figures = [
            f"{name}: right for {100 * head['figures']['accuracy']:.1f} % of {head['rows']['test']} held-out texts"
            for name, head in card["heads"].items()
        ]
    except (OSError, ValueError, KeyError):
        problem = "Its card cannot be read. Train it again."
        return ShownModel("Router", "Cannot be used", ROUTER, size=_size(folder), problem=problem)
    made_of = (f"Base: {card['embedder']}", *(f"Licence: {line}" for line in card["licences"]))
    is_own = installed_folder() != folder  # learnt here: which of the two is loaded is not known
    where = "" if is_own else _is_loaded(load_router.cache_info().currsize > 0)
    return ShownModel("Router", "router", ROUTER, "In use", folder_bytes(folder), where, made_of, tuple(figures))


def _embedders() -> Iterator[ShownModel]:
    from retrieval.builds import model_folder, read_builds
    from retrieval.embedders import is_loaded
    from retrieval.errors import RetrievalError

    try:
        known = read_builds()
    except RetrievalError as error:
        yield ShownModel("Embedder", "Cannot be used", EMBEDDER, problem=error.public_message)
        return
    for build in known.all():
        name = build.embedder or Path(settings.EMBEDDING_MODEL).name
        state = "In use" if build.name == known.serving else "Before it" if build.name == known.previous else "Built beside"
        where = _is_loaded(is_loaded(model_folder(build.name) if build.name else None))
        yield ShownModel("Embedder", name, EMBEDDER, state, _size(_embedder_folder(build)), where, (f"Build: {build.title}",))


def _embedder_folder(build: Build) -> Path:
    """What was prepared for processors, else the model itself."""
    from retrieval.builds import model_folder
    from retrieval.embedders.sources import model_slug, source_folder

    prepared = model_folder(build.name or model_slug(settings.EMBEDDING_MODEL))
    return prepared if build.name or prepared.is_dir() else source_folder(settings.EMBEDDING_MODEL)
