"""Everything that can change an answer, by part, so that a run can say what has changed since the one before.

The parts: `model` (weights of the embedder and of the trained specialists), `prompt` (the code and texts by which an answer
is found and put together), `threshold` (fitted thresholds, rules and calibrations), `index` (the corpus's documents with
their revisions and partitions).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from assistant.calibration.models import CorpusCalibration
from assistant.golden.models import Trigger
from assistant.reranking.using import is_reranked
from ingestion.models import Corpus, Document, DocumentState
from retrieval.builds import read_builds
from retrieval.embedders.sources import model_slug
from retrieval.files import sha256_of
from specialists.models import RoutingRule

PARTS = (Trigger.MODEL, Trigger.PROMPT, Trigger.THRESHOLD, Trigger.INDEX)
_CODE = (
    "assistant/answering.py", "assistant/tiers.py", "assistant/composing.py", "assistant/followups.py",
    "assistant/superseding.py", "assistant/reranking/using.py", "assistant/calibration/services.py", "specialists/**/*.py",
    "retrieval/*.py", "ingestion/chunking.py", "ingestion/versions.py",
)  # fmt: skip
_NOT_ANSWERING = ("training", "management", "migrations", "data", "models.py", "apps.py", "evaluation.py")
_NOT_WEIGHTS = ("checkpoint.safetensors", "MODEL_CARD.md", "card.json", "refusal.json", "ranking.json")  # figures may change
_THRESHOLD_FILES = ("specialists/*.json",)
_THRESHOLD_ROWS = ("specialists.RoutingRule", "assistant.CorpusCalibration")  # where their apps have such rows


def fingerprint_of(corpus: Corpus) -> dict[str, str]:
    return {
        Trigger.MODEL: _model(),
        Trigger.PROMPT: _digest(_files(_CODE)),
        Trigger.THRESHOLD: _digest([*_files(_THRESHOLD_FILES), *_calibrations(), *_rows(corpus)]),
        Trigger.INDEX: _index(corpus),
    }


def what_changed(before: Mapping[str, str], now: Mapping[str, str]) -> Trigger | None:
    """The first part that differs, the weightiest first; None when nothing does."""
    return next((part for part in PARTS if before.get(part) != now.get(part)), None)


def is_settled(corpus: Corpus) -> bool:
    """No document of the corpus waits or is being worked on; before that, a run would measure a state that passes."""
    return not corpus.documents.exclude(state__in=[DocumentState.READY, DocumentState.FAILED]).exists()


def _model() -> str:
    folder = Path(settings.MODELS_DIR) / model_slug(settings.EMBEDDING_MODEL)
    weights = [line for line in _below(Path(settings.SPECIALISTS_DIR), ["**/[!.]*"]) if _name_in(line) not in _NOT_WEIGHTS]
    weights += _below(Path(settings.DATA_DIR) / "router" / "learnt", ["*"])
    chosen = json.dumps([settings.EMBEDDING_MODEL, settings.EMBEDDER, read_builds().serving, _language_model()], sort_keys=True)
    return _digest([chosen, *_hashed(Path(settings.MODELS_DIR), folder.glob("manifest.json")), *weights])


def _language_model() -> list[object]:
    """What it is called by, and the size and time of its files, which are too large to be read again and again."""
    options = settings.LANGUAGE_MODEL["OPTIONS"]
    names = {name: options[name] for name in ("url", "model", "folder", "window", "quantisation") if name in options}
    folder = options.get("folder")
    files = [(path.name, path.stat()) for path in sorted(Path(folder).glob("*")) if path.is_file()] if folder else []
    return [names, [(name, stat.st_size, stat.st_mtime_ns) for name, stat in files]]


def _name_in(line: str) -> str:
    return line.rpartition(" ")[0].rpartition("/")[2]


def _calibrations() -> list[str]:
    return _below(Path(settings.SPECIALISTS_DIR), ["*/refusal.json", "*/ranking.json"])


def _index(corpus: Corpus) -> str:
    rows = Document.objects.filter(corpus=corpus, revision__gt=0).order_by("pk").values_list("pk", "revision", "partition_id")
    return _digest(f"{pk}:{revision}:{partition}" for pk, revision, partition in rows)


def _rows(corpus: Corpus) -> list[str]:
    """The administrator's rules, whether the corpus is reranked, and its own calibration; rounded, since fitting again
    may differ in the last digit."""
    rules = RoutingRule.objects.values_list("position", "condition", "value", "tier")
    names = ("risk", "slope", "intercept", "threshold", "base")
    own = CorpusCalibration.objects.filter(corpus=corpus).values_list(*names)
    order = f"reranked: {is_reranked(corpus)}"
    rounded = [[round(value, 4) if isinstance(value, float) else value for value in row] for row in own]
    return [repr(row) for row in (*rules, *rounded)] + [order]


def _files(patterns: Iterable[str]) -> list[str]:
    return _below(settings.BASE_DIR, patterns)


def _below(root: Path, patterns: Iterable[str]) -> list[str]:
    return _hashed(root, (path for pattern in patterns for path in root.glob(pattern)))


def _hashed(root: Path, paths: Iterable[Path]) -> list[str]:
    """“name sha256” of each file, in the order of their names."""
    kept = [path for path in paths if path.is_file() and not set(path.relative_to(root).parts) & set(_NOT_ANSWERING)]
    return sorted(f"{path.relative_to(root)} {content}" for path in kept if (content := _content(path)))


def _content(path: Path) -> str:
    """Its sha256; empty for a file that has vanished meanwhile, as temporary ones do."""
    try:
        stat = path.stat()
        return _sha256(str(path), stat.st_size, stat.st_mtime_ns)
    except FileNotFoundError:
        return ""


@lru_cache(maxsize=2000)
def _sha256(path: str, _size: int, _mtime_ns: int) -> str:
    """A file is read again only when its size or time has changed: weights are large, and this is asked every minute."""
    return sha256_of(Path(path))


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
