"""Measures what adapting the embedder gains on documents that it was not adapted on, and what it costs elsewhere.

    python benchmarks/adapting.py SET … --general SET … [--share 0.5] [--pairs 2000] [--epochs 2] [--rate 2e-5]

A SET is one of benchmarks/judged.py's. Its documents (titles) are parted in two: questions of one half are the pairs, those of
the other are judged, over the passages of both. Pairs, mining, training, int8 and measures are those of manage.py adapt_embedder.
Writes only to a temporary folder."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

PARTITION = "benchmark"


def main() -> None:
    parser = argparse.ArgumentParser(description="Before and after adapting the embedder.")
    parser.add_argument("sets", nargs="+", metavar="SET")
    parser.add_argument("--general", nargs="*", default=[], metavar="SET")
    parser.add_argument(
        "--share", type=float, nargs="+", default=[0.5], help="how far to go from the old weights to the trained ones"
    )
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--method", choices=["full", "lora"], default="full")
    parser.add_argument("--documents", type=int, default=0, help="of a set, at most so many; 0: all")
    parser.add_argument("--most-questions", type=int, default=600, help="judged questions of a set")
    arguments = parser.parse_args()

    import django

    django.setup()
    baseline: dict[str, Any] = {}
    for name in arguments.sets:
        with tempfile.TemporaryDirectory() as scratch:
            measure_set(name, Path(scratch), arguments, baseline)


def judged_of(name: str, most: int) -> Any:
    from benchmarks.judged import load_set
    from retrieval.comparing import JudgedQuestions
    from retrieval.passages import Passage

    loaded = load_set(name, most)
    passages = [Passage(at, text, context) for at, (text, context) in enumerate(zip(loaded.texts, loaded.contexts, strict=True))]
    return JudgedQuestions(passages, dict(zip(loaded.queries, loaded.qrels, strict=True)))


def scored(judged: Any, embedder: Any = None) -> Any:
    from retrieval.comparing import score
    from retrieval.embedders import get_embedder

    return score(judged, embedder or get_embedder())


def is_held_out(title: str) -> bool:
    return zlib.crc32(title.encode()) % 2 == 0


def title_of(passage: Any) -> str:
    return str(passage.context.split("\n")[0])


def some_documents(judged: Any, most: int) -> Any:
    """Every n-th document with its questions, so that there are at most `most`; 0 for all."""
    from retrieval.comparing import JudgedQuestions

    titles = list(dict.fromkeys(title_of(passage) for passage in judged.passages))
    kept = set(titles[:: -(-len(titles) // most)] if most else titles)
    passages = [passage for passage in judged.passages if title_of(passage) in kept]
    ids = {passage.id for passage in passages}
    return JudgedQuestions(passages, {question: grades for question, grades in judged.questions.items() if ids >= set(grades)})


def measure_set(name: str, scratch: Path, arguments: Any, baseline: dict[str, Any]) -> None:
    from retrieval.comparing import JudgedQuestions
    from retrieval.embedders.onnx import OnnxEmbedder
    from retrieval.embedders.prepare import prepare_model

    whole = some_documents(judged_of(name, 0), arguments.documents)
    titles = {passage.id: title_of(passage) for passage in whole.passages}
    pairs, asked = [], {}
    for question, grades in whole.questions.items():
        if all(is_held_out(titles[key]) for key in grades):
            asked[question] = grades
        elif not any(is_held_out(titles[key]) for key in grades):
            pairs.append((question, min(grades)))
    step = -(-len(pairs) // arguments.pairs)
    pairs = pairs[::step]
    judged = JudgedQuestions(whole.passages, dict(list(asked.items())[:: -(-len(asked) // arguments.most_questions)]))
    before = scored(judged)
    started = time.perf_counter()
    trained = train(whole.passages, titles, pairs, scratch, arguments)
    minutes = (time.perf_counter() - started) / 60
    print(
        f"\n{name}: {len(pairs)} pairs of {len(titles)} passages, {len(judged.questions)} questions, {minutes:.1f} minutes",
        flush=True,
    )
    for share, folder in trained:
        prepared = prepare_model(str(folder), scratch / f"prepared-{share}")
        embedder = OnnxEmbedder(folder=scratch / f"prepared-{share}")
        print(f"share {share}: {prepared.precision}, cosine to torch {prepared.agreement}", flush=True)
        tell("held out", before, scored(judged, embedder))
        for general in arguments.general:
            other = judged_of(general, 0)
            if general not in baseline:
                baseline[general] = scored(other)
            tell(Path(general).stem, baseline[general], scored(other, embedder))


def tell(label: str, old: Any, new: Any) -> None:
    from retrieval.comparing import change

    print(f"  {label:12} dense {change(old.dense, new.dense)}   fused {change(old.fused, new.fused)}", flush=True)


def train(passages: Sequence[Any], titles: dict[int, str], pairs: Sequence[Any], scratch: Path, arguments: Any) -> list[Any]:
    from django.conf import settings

    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.search import search
    from specialists.embedder.mining import LOOKED_AT, MinedPassage, mine
    from specialists.embedder.rows import write_rows
    from specialists.embedder.training import train_embedder
    from specialists.training.recipe import DataFile, Recipe, Run
    from specialists.training.reporting import ProgressBar

    settings.INDEXES_DIR = scratch / "indexes"
    documents = {title: number for number, title in enumerate(dict.fromkeys(titles.values()))}
    shown = [passage for passage in passages if not is_held_out(titles[passage.id])]
    write_passages(PARTITION, add=shown, vectors=get_embedder().embed_passages([passage.searchable_text for passage in shown]))
    mined = {passage.id: MinedPassage(passage.searchable_text, documents[titles[passage.id]]) for passage in shown}
    rows = mine(pairs, mined, lambda question: [hit.id for hit in search(question, scope=[PARTITION], top_k=LOOKED_AT).hits])
    write_rows(scratch / "rows.jsonl", rows)
    recipe = Recipe(
        method=arguments.method, epochs=arguments.epochs, batch=arguments.batch, learning_rate=arguments.rate, dropout=0.0
    )
    trained = []
    run = Run([DataFile(scratch / "rows.jsonl")], scratch / "training", recipe, ProgressBar(), print)
    first = train_embedder(run, share=1.0)
    for share in arguments.share:
        trained.append((share, first if share == 1.0 else mixed(first, share, scratch / f"share-{share}")))
    return trained


def mixed(folder: Path, share: float, target: Path) -> Path:
    """The same training with other shares of it, for the sweep."""
    import shutil

    from safetensors.torch import load_file, save_file

    from retrieval.embedders.sources import PACKAGED_MODEL, find_source

    shutil.copytree(folder, target)
    old, new = load_file(find_source(PACKAGED_MODEL).folder / "model.safetensors"), load_file(folder / "model.safetensors")
    between = {
        key: (old[key] + share * (new[key] - old[key])).contiguous() if old[key].is_floating_point() else old[key] for key in new
    }
    save_file(between, target / "model.safetensors", metadata={"format": "pt"})
    return target


if __name__ == "__main__":
    main()
