"""Questions with known answers, asked as people ask: searched, read and composed for real, then compared with the answers.

Three kinds: answerable; nearly answered (SQuAD 2.0's altered questions, whose article holds something similar); and
elsewhere, whose article is not in the index at all.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.fitting import LoadedArticles, find_evidence, load_articles, unload_articles
from assistant.squad_format import SquadArticle, SquadQuestion
from ingestion.parsers.base import ParsedDocument
from retrieval.files import text_lines
from specialists.composition.composing import compose_spans, rank, unranked
from specialists.composition.ranking import FloatArray, Found, Ranking, ranking_rows, with_cosines
from specialists.composition.types import Composition, Evidence
from specialists.composition.values import differ, read_value
from specialists.reader.decoding import Reading, Span
from specialists.refusal.features import gather
from specialists.refusal.fitting import Row
from specialists.squad_metrics import f1, holds

if TYPE_CHECKING:
    from retrieval.search import SearchResult

ANSWERABLE, NEARLY, ELSEWHERE = "answerable", "nearly answered", "elsewhere"
SHARES = {ANSWERABLE: 0.6, NEARLY: 0.2, ELSEWHERE: 0.2}
_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"})
LIKE_ENOUGH = 0.5  # token F1 of the marked words and a known answer


@dataclass(frozen=True, slots=True)
class Asked:
    article: SquadArticle
    question: SquadQuestion
    kind: str
    side: int  # of the index it is asked in

    @property
    def golds(self) -> list[str]:
        text = self.article.document.text
        return [text[start:end] for start, end in self.question.answers] if self.kind == ANSWERABLE else []


@dataclass(frozen=True, slots=True)
class Seen:
    """A question with what the search found for it."""

    asked: Asked
    evidence: list[Evidence]
    found: SearchResult


def choose_questions(articles: Sequence[SquadArticle], count: int, seed: int) -> list[Asked]:
    """`count` questions in the shares of SHARES, the articles lying in two indexes by turns."""
    random_ = random.Random(seed)
    pools: dict[str, list[Asked]] = {kind: [] for kind in SHARES}
    for place, article in enumerate(articles):
        for question in article.questions:
            kind = ANSWERABLE if question.answers else NEARLY
            pools[kind].append(Asked(article, question, kind, place % 2))
    for pool in pools.values():
        random_.shuffle(pool)
    wanted = {kind: min(round(count * share), len(pools[kind])) for kind, share in SHARES.items() if kind != ELSEWHERE}
    spare = pools[ANSWERABLE][wanted[ANSWERABLE] :][: round(count * SHARES[ELSEWHERE])]
    chosen = [item for kind, number in wanted.items() for item in pools[kind][:number]]
    chosen += [Asked(item.article, item.question, ELSEWHERE, 1 - item.side) for item in spare]
    random_.shuffle(chosen)
    return chosen


def read_asked(file: Path, folder: Path, *, is_whole: bool = True) -> list[SquadArticle]:
    """The Markdown pages of `folder` with the questions of `file` (JSON lines: question, answers, document): one article a page,
    and one without a text for each question that names no page. A question without answers may name the page it is close to.
    `is_whole`: with the pages that nothing is asked about, too.

    Raises ValueError, which names the line."""
    from ingestion.parsers.markdown import MarkdownParser

    asked: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, line in enumerate(text_lines(file), start=1):
        try:
            row = json.loads(line)
            place, row = row["document"], {"question": row["question"], "answers": row["answers"]}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: not a row with question, answers and document.") from error
        asked.setdefault(place, []).append((number, row))
    articles = []
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).as_posix()
        if name not in asked and not is_whole:
            continue
        document = MarkdownParser().parse(path)
        questions = [
            SquadQuestion(
                row["question"], _places(document.text, row["answers"], f"{file}, line {number}") if row["answers"] else ()
            )
            for number, row in asked.pop(name, [])
        ]
        if document.text.strip():
            articles.append(SquadArticle(document.title or path.stem, document, tuple(questions)))
    nowhere = ParsedDocument("", ())
    articles += [
        SquadArticle(f"no page, line {number}", nowhere, (SquadQuestion(row["question"], ()),))
        for number, row in asked.pop("", [])
    ]
    if asked:
        raise ValueError(f"{file}: {folder} has no page {next(iter(asked))}.")
    return articles


def _places(text: str, answers: Sequence[str], where: str) -> tuple[tuple[int, int], ...]:
    found = [
        match.span()
        for answer in answers
        for match in re.finditer(r"\s+".join(map(re.escape, answer.split())), text, re.IGNORECASE)
    ]
    if not found:
        raise ValueError(f"{where}: “{answers[0]}” does not stand in its page as it is read.")
    return tuple(found)


def all_questions(articles: Sequence[SquadArticle]) -> list[Asked]:
    """Every question of the articles, asked in one index."""
    return [
        Asked(article, question, ANSWERABLE if question.answers else NEARLY, 0)
        for article in articles
        for question in article.questions
    ]


@contextmanager
def loaded_side(articles: Sequence[SquadArticle], name: str) -> Iterator[LoadedArticles]:
    """One index of all articles."""
    loaded = load_articles(articles, name)
    try:
        yield loaded
    finally:
        unload_articles(loaded)


@contextmanager
def loaded_sides(articles: Sequence[SquadArticle], others: Sequence[SquadArticle], name: str) -> Iterator[list[LoadedArticles]]:
    """The two indexes. `others` lie in both and are asked nothing: they make the search as hard as it is."""
    with ExitStack() as stack:
        yield [stack.enter_context(loaded_side([*articles[side::2], *others], f"{name}-{side}")) for side in (0, 1)]


def look(asked: Asked, sides: Sequence[LoadedArticles]) -> Seen:
    evidence, found = find_evidence(asked.question.text, sides[asked.side])
    return Seen(asked, evidence, found)


class Readings:
    """The reader's work, which takes the time: done once, and kept in a file when one is given, to go on after an
    interruption. Raises ValueError for a file of another reader."""

    def __init__(self, file: Path | None, reader: str) -> None:
        self.file, self.known = file, dict[str, Reading]()
        if file and file.is_file():
            first, *lines = file.read_text(encoding="utf-8").splitlines() or [""]
            if _row(first, file) != {"reader": reader}:
                raise ValueError(f"{file} holds what another reader read. Delete it, or name another file.")
            for row in (_row(line, file) for line in lines):
                spans = tuple(Span(**span) for span in row["spans"])
                self.known[row["key"]] = Reading(spans, row["null"], {int(k): v for k, v in row["relevance"].items()})
        elif file:
            file.write_text(json.dumps({"reader": reader}) + "\n", encoding="utf-8")

    def of(self, seen: Seen) -> Reading:
        from specialists.reader.serving import ReaderPassage, read

        question = seen.asked.question.text
        texts = hashlib.sha256("\0".join(f"{item.context}\n{item.text}" for item in seen.evidence).encode()).hexdigest()
        key = json.dumps([seen.asked.kind, question, [item.passage for item in seen.evidence], texts])
        if key not in self.known:
            reading = read(question, [ReaderPassage(item.passage, item.text, item.context) for item in seen.evidence])
            self.known[key] = reading
            if self.file:
                row = {
                    "key": key,
                    "spans": [asdict(span) for span in reading.spans],
                    "null": reading.null_probability,
                    "relevance": reading.relevance,
                }
                with self.file.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(row) + "\n")
        return self.known[key]


def _row(line: str, file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} has a line that is not whole. Delete the file, or its last line.") from error


def mark(seen: Seen, reading: Reading) -> list[Found]:
    """The reader's spans, in its own order."""
    return with_cosines(seen.asked.question.text, unranked(reading, seen.evidence))


def spans_to_rank(seen: Seen, reading: Reading, found: Sequence[Found]) -> tuple[FloatArray, FloatArray]:
    """The ranking features of the question's spans, and 1 for those that are right."""
    import numpy as np

    rows = ranking_rows(seen.asked.question.text, found, reading, seen.evidence)
    right = [float(says(item.text, item.words, seen.asked.golds)) for item in found]
    return rows, np.array(right)


def judge(seen: Seen, reading: Reading, found: Sequence[Found], ranking: Ranking) -> Row:
    """What the answer would be decided on, and whether it would be right."""
    question = seen.asked.question.text
    spans = rank(question, found, reading, seen.evidence, ranking)
    facts = gather(question, reading, spans, seen.evidence, seen.found)
    is_right = is_right_answer(compose_spans(question, spans), seen.asked.golds)
    return Row(seen.asked.article.title, seen.asked.kind, facts.features if facts else {}, is_right)


def is_right_answer(composition: Composition, golds: Sequence[str]) -> bool:
    """By the first sentence, which is the one that the decision is about."""
    if not composition.sentences:
        return False
    first = composition.sentences[0]
    marked = [first.text[start:end] for start, end in first.marks] or [first.text]
    return any(says(words, first.text, golds) for words in marked)


def _plain(text: str) -> str:
    """Typographic quotes and dashes as typed ones: “1 – 5” is “1-5”."""
    return re.sub(r"\s*[–—-]\s*", "-", text.translate(_QUOTES))


def says(words: str, sentence: str, golds: Sequence[str]) -> bool:
    """Whether the words are a known answer or much like one (and no other amount or date), or the sentence holds one that the
    words share something with."""
    if not golds:
        return False
    words, sentence, golds = _plain(words), _plain(sentence), [_plain(gold) for gold in golds]
    if any(f1(words, [gold]) >= LIKE_ENOUGH and not differ(read_value(words), read_value(gold)) for gold in golds):
        return True
    return any(holds(sentence, [gold]) and f1(words, [gold]) > 0 for gold in golds)
