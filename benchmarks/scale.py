"""Searches corpora of any size: build time, disk, memory, start-up, p50/p95, recall@10 and the time of adding a document.

    python benchmarks/scale.py FOLDER [--sizes 10000 100000 1000000] [--base 20000] [--questions 300] [--scratch FOLDER]

FOLDER holds real text (.md, .txt, .json, .jsonl, .csv). Its sentences are embedded once; a passage of the corpus is two to six
of them from one neighbourhood, and its vector is the mean of theirs by length, a little disturbed, since nobody embeds ten
million passages for a benchmark. The output says how near such vectors are to real ones. Questions are real (those in the
texts), truth is exact search over all. Goes through the product's own doors: write_passages, compact_partition, search.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import numpy as np  # noqa: E402

PARTITION = "scale"
BATCH = 10_000
NEIGHBOURHOOD = 40  # sentences around the first one that a passage takes its others from
NOISE = 0.15  # length of the disturbance beside a unit vector
DEPTH = 100  # what the product's search asks each side for
CHECKED = 300  # passages that are embedded for real, to see how near the made vectors are
TIMED = 200  # questions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--base", type=int, default=20_000, help="sentences that are embedded")
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument(
        "--scratch", type=Path, help="where indexes and embedded sentences go; kept, so that a second run is quick"
    )
    parser.add_argument("--no-lexical", action="store_true", help="passages without words: measures the vectors alone")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    setup(arguments.scratch)
    if arguments.measure:
        print(json.dumps(measure(arguments.scratch, arguments.measure)))
        return
    with tempfile.TemporaryDirectory(prefix="intramural-scale-") as temporary:
        scratch = arguments.scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        setup(scratch)
        source = Source(arguments.folder, scratch, arguments.base, arguments.questions)
        print(f"{len(source.sentences)} sentences and {len(source.questions)} questions; a made vector has a mean cosine of "
              f"{source.likeness():.3f} to the real one of its passage")  # fmt: skip
        for size in arguments.sizes:
            print(json.dumps(run(source, scratch, size, lexical=not arguments.no_lexical), indent=1), flush=True)


def setup(scratch: Path | None) -> None:
    import django
    from django.conf import settings

    django.setup()
    if scratch is not None:
        settings.INDEXES_DIR = scratch / "indexes"


class Source:
    """Real sentences with their vectors, and passages of any number made from them, the same for the same number."""

    def __init__(self, folder: Path, scratch: Path, base: int, questions: int) -> None:
        texts = list(read_texts(folder))
        asked = sorted({text for text in texts if text.endswith("?") and 20 < len(text) < 200 and "\n" not in text})
        self.questions = random.Random(1).sample(asked, min(questions, len(asked)))
        sentences = list(dict.fromkeys(sentence for text in texts for sentence in split(text)))
        start = max(0, (len(sentences) - base) // 2)
        step = max(1, len(sentences) // base)
        runs = [sentences[at : at + 200] for at in range(0, len(sentences), 200 * step)]  # whole neighbourhoods
        self.sentences = [sentence for run_ in runs for sentence in run_][:base] if step > 1 else sentences[start : start + base]
        self.vectors = embed_once(self.sentences, scratch)
        self.question_vectors = embed_once(self.questions, scratch)

    def batch(self, number: int, count: int) -> tuple[list[list[int]], Any]:
        """The sentences of `count` passages, and their vectors (count, dimension)."""
        rng = np.random.default_rng([7, number])
        chosen: list[list[int]] = []
        vectors = np.empty((count, self.vectors.shape[1]), np.float32)
        lengths = np.array([len(sentence) for sentence in self.sentences], np.float32)
        for row in range(count):
            first = int(rng.integers(len(self.sentences)))
            others = first + rng.integers(-NEIGHBOURHOOD, NEIGHBOURHOOD, size=int(rng.integers(1, 6)))
            members = [first, *np.clip(others, 0, len(self.sentences) - 1).tolist()]
            chosen.append(members)
            vectors[row] = lengths[members] @ self.vectors[members]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        noise = rng.standard_normal(size=vectors.shape, dtype=np.float32)
        vectors += NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        return chosen, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def text(self, members: Sequence[int]) -> str:
        return " ".join(self.sentences[member] for member in members)

    def likeness(self) -> float:
        from retrieval.embedders import get_embedder

        chosen, vectors = self.batch(0, CHECKED)
        real = get_embedder().embed_passages([self.text(members) for members in chosen])
        return float((real * vectors).sum(axis=1).mean())


def read_texts(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".md", ".txt", ".json", ".jsonl", ".csv") or not path.is_file():
            continue
        content = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".json":
            yield from strings_of(json.loads(content))
        elif path.suffix == ".jsonl":
            for line in content.split("\n"):
                yield from strings_of(json.loads(line)) if line.strip() else ()
        else:
            yield from content.split("\n\n")


def strings_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_of(item)


def split(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n{2,}", text) if 40 <= len(part.strip()) <= 400]


def embed_once(texts: Sequence[str], scratch: Path) -> Any:
    from retrieval.embedders import get_embedder

    embedder = get_embedder()
    digest = hashlib.sha256("\0".join([embedder.name, *texts]).encode()).hexdigest()[:16]
    path = scratch / f"embedded-{digest}.npy"
    if not path.exists():
        started = time.perf_counter()
        vectors = embedder.embed_passages(texts)
        print(f"{len(texts)} texts embedded in {time.perf_counter() - started:.0f} s", flush=True)
        np.save(path, vectors)
    return np.load(path)


def run(source: Source, scratch: Path, size: int, *, lexical: bool) -> dict[str, object]:
    """Build a corpus of `size` passages, then ask it in a process of its own."""
    from retrieval.indexing import compact_partition, drop_partition, write_passages
    from retrieval.passages import Passage

    drop_partition(PARTITION)
    questions = source.question_vectors
    best_ids = np.empty((len(questions), 0), np.int64)
    best_scores = np.empty((len(questions), 0), np.float32)
    written = 0.0
    for start in range(0, size, BATCH):
        chosen, vectors = source.batch(start // BATCH, min(BATCH, size - start))
        passages = [
            Passage(start + row, source.text(members) if lexical else f"p{start + row}") for row, members in enumerate(chosen)
        ]
        started = time.perf_counter()
        write_passages(PARTITION, add=passages, vectors=vectors)
        written += time.perf_counter() - started
        best_ids, best_scores = keep_best(best_ids, best_scores, questions @ vectors.T, start)
    started = time.perf_counter()
    while compact_partition(PARTITION):
        pass
    compacted = time.perf_counter() - started
    (scratch / "truth.json").write_text(json.dumps({"questions": source.questions, "truth": best_ids.tolist(), "size": size}))
    np.save(scratch / "questions.npy", questions)
    figures: dict[str, object] = {
        "passages": size,
        "write_s": round(written, 1),
        "compact_s": round(compacted, 1),
        "build_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "disk_mb": {name: round(folder_bytes(scratch / "indexes" / PARTITION, name) / 1e6) for name in ("dense", "lexical")},
    }
    for side in ("dense", "lexical", "all") if lexical else ("dense",):
        command = [sys.executable, __file__, str(scratch), "--scratch", str(scratch), "--measure", side]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        figures[side] = json.loads(done.stdout)
    return figures


def keep_best(ids: Any, scores: Any, new_scores: Any, start: int) -> tuple[Any, Any]:
    """The exact ten nearest of all batches so far."""
    ids = np.concatenate([ids, np.broadcast_to(np.arange(start, start + new_scores.shape[1]), new_scores.shape)], axis=1)
    scores = np.concatenate([scores, new_scores], axis=1)
    order = np.argsort(-scores, axis=1)[:, :10]
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)


def folder_bytes(folder: Path, part: str) -> int:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if (path.parent.name == "lexical") == (part == "lexical"))


def resident_mb() -> dict[str, int]:
    """The process's resident memory, and the part of it that is mapped files, which processes share and the kernel may drop."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssFile"))}
    return {"resident_mb": kb["VmRSS"] // 1024, "of_which_files_mb": kb["RssFile"] // 1024}


def measure(scratch: Path, side: str) -> dict[str, object]:
    """In a fresh process: open, ask, add. `side` is dense, lexical or all."""
    from retrieval.embedders import get_embedder
    from retrieval.indexing import write_passages
    from retrieval.lexical import open_lexical
    from retrieval.partitions import LEXICAL, open_dense, partition_folder
    from retrieval.passages import Passage
    from retrieval.search import search

    given = json.loads((scratch / "truth.json").read_text())
    vectors = np.load(scratch / "questions.npy")
    folder = partition_folder(PARTITION)
    dimension = get_embedder().dimension
    before = resident_mb()
    started = time.perf_counter()
    if side in ("dense", "all"):
        dense = open_dense(PARTITION)
        assert dense is not None
        dense.index.search(vectors[:1], DEPTH)
    if side in ("lexical", "all"):
        open_lexical(folder / LEXICAL)
    figures: dict[str, object] = {"open_s": round(time.perf_counter() - started, 2)}
    asked = given["questions"][:TIMED]
    if side == "dense":
        assert dense is not None
        times = timed(lambda row: dense.index.search(vectors[row : row + 1], DEPTH), len(asked))
        found = [[hit.id for hit in hits[:10]] for hits in dense.index.search(vectors, DEPTH)]
        shares = [len(set(ids) & set(truth)) / len(truth) for ids, truth in zip(found, given["truth"], strict=True)]
        figures["recall_at_10"] = round(float(np.mean(shares)), 4)
    elif side == "lexical":
        times = timed(lambda row: lexical_only(folder / LEXICAL, asked[row]), len(asked))
    else:
        times = timed(lambda row: search(asked[row], scope=[PARTITION]), len(asked))
    figures |= {f"p{level}_ms": round(float(np.percentile(times, level)), 2) for level in (50, 95)}
    figures |= {**resident_mb(), "before_opening_mb": before["resident_mb"]}
    if side == "all":
        rng = np.random.default_rng(3)
        added = []
        for attempt in range(5):
            new = rng.normal(size=(10, dimension)).astype(np.float32)
            new /= np.linalg.norm(new, axis=1, keepdims=True)
            ids = [10**12 + 10 * attempt + row for row in range(10)]
            passages = [Passage(number, f"kestrel{number} is a passage of the added document") for number in ids]
            started = time.perf_counter()
            write_passages(PARTITION, add=passages, vectors=new)
            result = search(f"kestrel{ids[3]}", scope=[PARTITION])
            dense = open_dense(PARTITION)
            assert result.lexical[0].id == ids[3] and dense is not None and dense.index.search(new[:1], 1)[0][0].id == ids[0]
            added.append(round(time.perf_counter() - started, 3))
        figures |= {"add_document_s": added, **resident_mb()}
    return figures


def lexical_only(folder: Path, question: str) -> None:
    from retrieval.lexical import open_lexical, scope_clauses
    from retrieval.terms import read_query

    snapshot = open_lexical(folder)
    assert snapshot is not None
    snapshot.search(scope_clauses([snapshot], read_query(question))[0], DEPTH)


def timed(ask: Any, count: int) -> list[float]:
    """Milliseconds of each question, after a tenth of them as a warm-up."""
    for row in range(count // 10):
        ask(row)
    times = []
    for row in range(count):
        started = time.perf_counter()
        ask(row)
        times.append((time.perf_counter() - started) * 1000)
    return times


if __name__ == "__main__":
    main()
