"""Adapts the embedder to the organization's documents: pairs → hard negatives → training → int8 → before and after → proposal."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.db.models import QuerySet

from assistant.embedders.questions import DocumentPairs, document_pairs, judged_questions, searchable
from ingestion.connections import lend_connection
from ingestion.models import Corpus
from retrieval.builds import get_search_embedder
from retrieval.comparing import Change, JudgedQuestions, Scores, change, score
from retrieval.embedders import Embedder, load_embedder
from retrieval.embedders.prepare import prepare_model
from retrieval.embedders.prepared import PREPARED
from retrieval.files import write_atomically
from retrieval.passages import Passage
from specialists.embedder.mining import LOOKED_AT, MinedPassage, mine
from specialists.embedder.rows import EmbedderRow, write_rows
from specialists.errors import DataError, SpecialistError
from specialists.finetuning.mixing import hold_out
from specialists.training.recipe import DataFile, Recipe, Run, fingerprint

PLAN, ROWS, REPORT = "plan.json", "rows.jsonl", "report.json"
LEAST_JUDGED = 20
Bar = Callable[[int, int, str], None]  # done, of how many, what


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What is asked for. `general`: BEIR folders on which the embedder shall not lose more than `margin` points."""

    corpora: QuerySet[Corpus]
    output: Path
    recipe: Recipe
    share: float
    most_pairs: int
    general: Sequence[Path]
    margin: float
    run: Run


@dataclass(frozen=True, slots=True)
class Report:
    """`held_out` and `general` say what the search gives, dense and words fused; `dense` what the vectors give alone."""

    folder: str
    pairs: int
    held_out: Change
    dense: Change
    general: dict[str, Change]
    is_proposed: bool
    verdict: str


def adapt(wanted: Adaptation, bar: Bar) -> Report:
    """Everything, from where an interrupted call left it. Raises DataError, SpecialistError and RetrievalError.

    The rows and the checkpoint hold the documents' words; both are deleted at the end."""
    found = document_pairs(wanted.corpora)
    seed = wanted.recipe.seed
    plan = _begin(wanted, found)
    held_out = frozenset(plan["held_out"])
    judged = judged_questions(found, held_out=held_out, seed=seed)
    if len(judged.questions) < LEAST_JUDGED:
        raise DataError(
            f"{len(judged.questions)} questions of documents that are held out are too few to judge by. It takes {LEAST_JUDGED}; "
            "add documents with headings, or review more examples."
        )
    rows = wanted.output / ROWS
    if not rows.is_file():
        # all that a question may have been shown with: a hard negative is in the weights, too
        plan["trained_on"] = sorted({section.document for section in found.sections.values()} - held_out)
        _write_json(wanted.output / PLAN, plan)
        write_rows(rows, _mined(found, held_out, _train_pairs(found, held_out, wanted.most_pairs), bar))
    folder = _train(wanted, rows, plan)
    report = _judge(wanted, folder, judged, bar, pairs=plan["pairs"])
    _write_json(wanted.output / REPORT, asdict(report))
    rows.unlink()
    return report


def _begin(wanted: Adaptation, found: DocumentPairs) -> dict[str, Any]:
    """What an earlier call of the same kind noted: documents that came since are not held out, where others were trained on.

    SpecialistError `other_training` where it was of another kind."""
    asked = {
        "recipe": fingerprint(wanted.recipe, []), "share": wanted.share, "most_pairs": wanted.most_pairs,
        "corpora": sorted(wanted.corpora.values_list("slug", flat=True)),
    }  # fmt: skip
    path = wanted.output / PLAN
    wanted.output.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.is_file():
        chosen = hold_out({(section.unit[0], 0) for section in found.sections.values()}, seed=wanted.recipe.seed)
        held_out = {section.document for section in found.sections.values() if (section.unit[0], 0) in chosen}
        return {"asked": asked, "held_out": sorted(held_out), "trained_on": [], "pairs": 0}
    plan: dict[str, Any] = json.loads(path.read_bytes())
    if plan["asked"] != asked or (wanted.output / REPORT).is_file():
        message = f"{wanted.output} holds an embedder already, or an unfinished one with other settings. Give another --output."
        raise SpecialistError("other_training", message, permanent=True)
    return plan


def _train_pairs(found: DocumentPairs, held_out: frozenset[int], most: int) -> list[tuple[str, int]]:
    """Question and passage; documents in turn."""
    pairs = [pair for pair in found.pairs if pair.section.document not in held_out][:most]
    return [(pair.question, pair.section.chunk) for pair in pairs]


def _mined(
    found: DocumentPairs, held_out: frozenset[int], pairs: Sequence[tuple[str, int]], bar: Bar
) -> list[EmbedderRow]:  # fmt: skip
    """Nothing of a document that is held out is shown, as a wrong passage either."""
    from retrieval.search import search

    scope = [partition.key for partition in found.partitions]
    passages = {
        key: MinedPassage(searchable(section), section.document)
        for key, section in found.sections.items()
        if section.document not in held_out
    }
    lend_connection()
    rows: list[EmbedderRow] = []
    for row in mine(
        pairs,
        passages,
        lambda question: [hit.id for hit in search(question, scope=scope, top_k=LOOKED_AT).hits],
    ):
        rows.append(row)
        bar(len(rows), len(pairs), "looking for passages that are close and wrong")
    return rows


def _train(wanted: Adaptation, rows: Path, plan: dict[str, Any]) -> Path:
    from specialists.embedder.training import CARD, train_embedder

    folder = wanted.output / "model"
    if not (folder / CARD).is_file():
        run = Run(
            data=[DataFile(rows)], output=wanted.output, recipe=wanted.recipe, report=wanted.run.report, say=wanted.run.say,
            checkpoint_s=wanted.run.checkpoint_s,
        )  # fmt: skip
        train_embedder(run, share=wanted.share)
        card = json.loads((folder / CARD).read_bytes())
        plan["pairs"] = card["pairs"]
        _write_json(folder / CARD, {**card, "trained_on": plan["trained_on"]})
        _write_json(wanted.output / PLAN, plan)
    prepare_model(str(folder), folder / PREPARED)
    return folder


def _judge(wanted: Adaptation, folder: Path, judged: JudgedQuestions, bar: Bar, *, pairs: int) -> Report:
    """The new one as it would be served, in int8 where that agrees with torch, against the one that serves."""
    old, new = get_search_embedder(), load_embedder(folder)
    before, after = _scored(judged, old, bar, "before"), _scored(judged, new, bar, "after")
    general = {}
    for path in wanted.general:
        read = read_beir(path)
        name = path.name
        general[name] = change(_scored(read, old, bar, f"{name}, before").fused, _scored(read, new, bar, f"{name}, after").fused)
    held_out = change(before.fused, after.fused)
    is_proposed, verdict = _verdict(held_out, general, wanted.margin)
    return Report(str(folder), pairs, held_out, change(before.dense, after.dense), general, is_proposed, verdict)


def _scored(judged: JudgedQuestions, embedder: Embedder, bar: Bar, what: str) -> Scores:
    return score(judged, embedder, progress=lambda done: bar(done, len(judged.passages), f"embedding, {what}"))


def _verdict(held_out: Change, general: dict[str, Change], margin: float) -> tuple[bool, str]:
    lost = [name for name, item in general.items() if item.low < -margin]
    if held_out.low <= 0:
        return False, "It is not proposed: on documents that it was not trained on it is not better beyond the interval."
    if lost:
        return False, f"It is not proposed: on {', '.join(lost)} it may have lost more than {margin:g} points."
    if not general:
        return True, "It is proposed. No general set was given, so what it has forgotten was not measured."
    return (
        True,
        f"It is proposed: better on documents that it was not trained on, and less than {margin:g} points lost elsewhere.",
    )


def read_beir(folder: Path) -> JudgedQuestions:
    """A set in BEIR's form, in qrels.tsv or qrels/test.tsv. DataError with what is missing or wrong."""
    from retrieval.beir_format import read_corpus, read_qrels, read_queries

    qrels = next((path for path in (folder / "qrels.tsv", folder / "qrels" / "test.tsv") if path.is_file()), None)
    if qrels is None or not (folder / "corpus.jsonl").is_file() or not (folder / "queries.jsonl").is_file():
        raise DataError(f"{folder} is no BEIR folder. It takes corpus.jsonl, queries.jsonl and qrels.tsv.")
    try:
        documents, texts, grades = (
            list(read_corpus(folder / "corpus.jsonl")),
            read_queries(folder / "queries.jsonl"),
            read_qrels(qrels),
        )
    except ValueError as error:
        raise DataError(f"{error}.") from error
    numbers = {document.id: number for number, document in enumerate(documents)}
    questions = {
        texts[query]: {numbers[name]: grade for name, grade in found.items() if name in numbers}
        for query, found in grades.items()
        if query in texts
    }
    passages = [Passage(numbers[document.id], document.text, document.title) for document in documents]
    return JudgedQuestions(passages, {question: found for question, found in questions.items() if found})


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
