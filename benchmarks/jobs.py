"""Measures the jobs other than answering, each through the product's own code, in an empty data folder.

    python benchmarks/jobs.py [--classes FILE ...] [--contracts FOLDER] [--pages FOLDER] [--json]

--classes: messages with a class, as CSV (text, category) or as CLINC150's JSON. From a number of examples of each class the
product suggests the class of held-out messages: how many it names, how many of those rightly, and how many of all would be
right if it were never silent.
--contracts: a folder with CUAD's corpus.jsonl and questions.jsonl. The fields of a contract are read into a table; a cell is
right when its words lie in a clause that CUAD's lawyers marked for that field (or hold one), its quote when the two share at
least half of the shorter one's words, in order.
--pages: a folder of Markdown pages. Each is summarised; counted are the sentences that pass the groundedness check against the
passage that they cite, the citations whose quote stands at its place, and the sections that the summary cites. No person has
judged whether these are good summaries."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SETTINGS = ((10, 5), (10, 20), (20, 20), (77, 5))  # classes, examples of each: at most 400 are read
FIELDS = {  # the product's field and CUAD's category
    "Parties": "Parties", "Effective date": "Effective Date", "Term": "Expiration Date", "Governing law": "Governing Law",
    "Notice period": "Notice Period To Terminate Renewal", "Liability cap": "Cap On Liability",
}  # fmt: skip
LONGEST = 80_000  # characters of a contract
LEAST_SECTIONS = 4  # of a page that is summarised


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=Path, nargs="*", default=[])
    parser.add_argument("--messages", type=int, default=300, help="held-out messages that are asked for each row")
    parser.add_argument("--contracts", type=Path)
    parser.add_argument("--pages", type=Path)
    parser.add_argument("--documents", type=int, default=16, help="contracts, and pages; every n-th, so that there are so many")
    parser.add_argument("--first", type=int, default=0, help="which of the n is the first: other documents for choices")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="intramural-benchmark-") as scratch:
        set_up(Path(scratch), has_documents=bool(arguments.contracts or arguments.pages))
        figures: list[dict[str, Any]] = []
        for path in arguments.classes:
            figures += suggest_classes(path, arguments.messages)
        if arguments.contracts:
            figures += extract_fields(arguments.contracts, arguments.documents, arguments.first)
        if arguments.pages:
            figures.append(summarise_pages(arguments.pages, arguments.documents, arguments.first))
    if arguments.json:
        print(json.dumps(figures, indent=1))
    else:
        for row in figures:
            print(", ".join(f"{name} {value}" for name, value in row.items()))


def set_up(folder: Path, *, has_documents: bool) -> None:
    """An installation with the models of this one and nothing else."""
    installed = Path(os.environ.get("INTRAMURAL_DATA", ROOT / "var"))
    (folder / "models").symlink_to((installed / "models").resolve())
    os.environ |= {"INTRAMURAL_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "ERROR"}
    os.environ.pop("DATABASE_URL", None)

    import django
    from django.core.management import call_command

    django.setup()
    if has_documents:
        call_command("migrate", verbosity=0)


# --- Classes ----------------------------------------------------------------------------------------------------------


def suggest_classes(path: Path, most: int) -> list[dict[str, Any]]:
    by_class: dict[str, list[str]] = defaultdict(list)
    strange: list[str] = []
    if path.suffix == ".json":
        content = json.loads(path.read_text(encoding="utf-8"))
        for text, label in content["train"]:
            by_class[label].append(text)
        strange = [text for text, _ in content.get("oos_val", [])]
    else:
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
            by_class[row["category"]].append(row["text"])
    chooser = random.Random(path.stem)
    found = []
    for classes, examples in SETTINGS:
        chosen = chooser.sample(sorted(by_class), min(classes, len(by_class)))
        mixed = {label: chooser.sample(by_class[label], len(by_class[label])) for label in chosen}
        asked = [(text, label) for label in chosen for text in mixed[label][examples:]]
        learnt = {label: texts[:examples] for label, texts in mixed.items()}
        found.append(_suggest(path.stem, learnt, chooser.sample(asked, min(most, len(asked))), strange[:most]))
    return found


def _suggest(name: str, learnt: dict[str, list[str]], asked: Sequence[tuple[str, str]], strange: Sequence[str]) -> dict[str, Any]:
    from retrieval.embedders import get_embedder
    from specialists.classifying.nearest import classify

    embed = get_embedder().embed_passages
    labels = [label for label, texts in learnt.items() for _ in texts]
    vectors = embed([text for texts in learnt.values() for text in texts])
    named = right = always = 0
    confidence = 0.0
    for vector, (_, label) in zip(embed([text for text, _ in asked]), asked, strict=True):
        found = classify(vector, labels, vectors)
        assert found is not None
        always += labels[found.nearest[0]] == label  # those who voted for the first class, named or not
        named += bool(found.label)
        right += found.label == label
        confidence += found.confidence if found.label else 0.0
    row = {
        "set": name, "classes": len(learnt), "examples of each": len(labels) // len(learnt), "messages": len(asked),
        "silent": _share(len(asked) - named, len(asked)), "right of the named": _share(right, named),
        "mean confidence of the named": _share(confidence, named), "right if never silent": _share(always, len(asked)),
    }  # fmt: skip
    if strange:
        silent = [classify(vector, labels, vectors) for vector in embed(list(strange))]
        row["silent on messages of no class"] = _share(sum(not item.label for item in silent if item), len(silent))
    return row


def _share(part: float, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


# --- Tables -----------------------------------------------------------------------------------------------------------


def extract_fields(folder: Path, most: int, first: int) -> list[dict[str, Any]]:
    from assistant.jobs.extracting import work_extractions
    from assistant.jobs.extractions import start_extraction
    from assistant.jobs.fields import CONTRACT
    from assistant.jobs.models import Extraction
    from specialists.squad_metrics import normalise

    contracts = [row for row in _rows(folder / "corpus.jsonl") if len(row["text"]) <= LONGEST]
    chosen = _every(contracts, most, first)
    marked: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in _rows(folder / "questions.jsonl"):
        marked[row["doc_id"], row["category"]] += [clause["text"] for clause in row["clauses"]]
    names = {f"{number}.txt": row["_id"] for number, row in enumerate(chosen)}
    documents = _bring("Contracts", {name: row["text"] for name, row in zip(names, chosen, strict=True)})
    fields = [{"name": item.name, "question": item.question} for item in CONTRACT if item.name in FIELDS]
    started = time.perf_counter()
    start_extraction(user=documents[0].corpus.owner, documents=documents, fields=fields)
    work_extractions(slice_s=24 * 3600)
    seconds = time.perf_counter() - started
    counts: dict[str, list[int]] = {field["name"]: [0] * 5 for field in fields}
    for filled in Extraction.objects.get().rows.select_related("document"):
        assert not filled.problem, filled.problem
        for field, cell in zip(fields, filled.cells, strict=True):
            clauses = [normalise(text) for text in marked[names[filled.document.source_name], FIELDS[field["name"]]]]
            clauses = [text for text in clauses if text]
            value, quote = normalise(cell.get("value", "")), normalise(cell.get("quote", ""))
            is_right = any(_within(value, text) or _within(text, value) for text in clauses) if value else False
            has_quote = any(_shares(quote, text) for text in clauses) if value else False
            own = (bool(clauses), bool(value), is_right, has_quote, bool(value) and not clauses)
            counts[field["name"]] = [a + b for a, b in zip(counts[field["name"]], map(int, own), strict=True)]
    counts["all"] = [sum(column) for column in zip(*counts.values(), strict=True)]
    cells = len(fields) * len(documents)
    return [
        {
            "field": name, "contracts": len(documents), "marked by CUAD": there, "filled": filled,
            "right of the filled": _share(right, filled), "right of the marked": _share(right, there),
            "quote in the clause": _share(quoted, filled), "filled where CUAD marks nothing": wrong,
            **({"seconds a cell": round(seconds / cells, 2)} if name == "all" else {}),
        }
        for name, (there, filled, right, quoted, wrong) in counts.items()
    ]  # fmt: skip


def _within(words: str, text: str) -> bool:
    return bool(words) and f" {words} " in f" {text} "


def _shares(quote: str, clause: str) -> bool:
    """At least half of the shorter one's words stand in the other, in order."""
    one, other = quote.split(), clause.split()
    matched = sum(block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    return bool(one and other) and matched >= min(len(one), len(other)) / 2


# --- Summaries --------------------------------------------------------------------------------------------------------


def summarise_pages(folder: Path, most: int, first: int) -> dict[str, Any]:
    from assistant.models import Citation
    from assistant.services import Manner, create_answer
    from assistant.streams import run_now
    from ingestion.models import Chunk
    from specialists.grounding.checker import Claim, check_answer
    from specialists.grounding.serving import get_head

    texts = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md"))}
    long = {name: text for name, text in texts.items() if text.count("\n## ") >= LEAST_SECTIONS}
    documents = _bring("Pages", {name: long[name] for name in _every(sorted(long), most, first)})
    sentences = supported = citations = in_place = sections = covered = 0
    started = time.perf_counter()
    for document in documents:
        row = create_answer(user=document.corpus.owner, question="Summarise", manner=Manner(summary_of=document))
        run_now(row)
        row.refresh_from_db()
        cited: dict[int, Any] = {item.number: item for item in Citation.objects.filter(answer=row)}
        passages = {chunk.pk: chunk for chunk in Chunk.objects.filter(document=document, revision=document.revision)}
        claims = [Claim(item["text"], tuple(cited[number].passage_id for number in item["citations"])) for item in row.sentences]
        checked = check_answer(claims, {pk: chunk.text for pk, chunk in passages.items()}, head=get_head())
        sentences += len(claims)
        supported += sum(item.verdict == "supported" for item in checked.sentences)
        citations += len(cited)
        in_place += sum(document.content.text[item.start : item.end] == item.quote for item in cited.values())
        there = {tuple(chunk.heading_path[:2]) for chunk in passages.values()}
        sections += len(there)
        covered += len(there & {tuple(passages[item.passage_id].heading_path[:2]) for item in cited.values()})
    return {
        "pages": len(documents), "sentences": sentences, "supported by the passage they cite": _share(supported, sentences),
        "citations": citations, "quote at its place": _share(in_place, citations), "sections": sections,
        "sections cited": _share(covered, sections),
        "seconds a page": round((time.perf_counter() - started) / max(1, len(documents)), 1),
    }  # fmt: skip


def _bring(name: str, texts: dict[str, str]) -> list[Any]:
    """The documents of a new corpus, read and indexed, in the order of the texts."""
    from django.contrib.auth.models import User

    from ingestion.models import Document
    from ingestion.services import add_document, create_corpus
    from ingestion.worker import work_until_empty

    owner, _ = User.objects.get_or_create(username="olga")
    corpus = create_corpus(name=name, owner=owner)
    for source_name, text in texts.items():
        add_document(corpus=corpus, source_name=source_name, content=io.BytesIO(text.encode()), uploaded_by=owner)
    work_until_empty()
    documents = {item.source_name: item for item in Document.objects.filter(corpus=corpus, revision__gt=0)}
    assert documents.keys() == texts.keys(), texts.keys() - documents.keys()
    return [documents[source_name] for source_name in texts]


def _every(rows: Sequence[Any], most: int, first: int) -> list[Any]:
    step = max(1, len(rows) // most)
    return list(rows[first::step])[:most]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


if __name__ == "__main__":
    main()
