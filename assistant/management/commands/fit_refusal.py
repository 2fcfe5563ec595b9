"""Fits the refusal calibrator on questions with known answers, or one corpus's own part of it on its judged answers."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from assistant.calibration.gathering import (
    ANSWERABLE,
    SHARES,
    Asked,
    Readings,
    Seen,
    all_questions,
    choose_questions,
    judge,
    loaded_side,
    loaded_sides,
    look,
    mark,
    read_asked,
    spans_to_rank,
)  # fmt: skip
from assistant.calibration.services import LEAST_JUDGED, learn
from assistant.fitting import LoadedArticles
from assistant.squad_format import SquadArticle, read_squad
from ingestion.models import Corpus
from retrieval.files import write_atomically
from specialists.composition.ranking import RANKING_FEATURES, Found, Ranking, fit_ranking, ranking_file
from specialists.errors import SpecialistError
from specialists.reader.decoding import Reading
from specialists.refusal.calibrator import as_json, calibration_file
from specialists.refusal.fitting import Row, fit_calibration, held_out_articles

LEAST_ARTICLES = 6  # two to test on, and enough others that each can be judged by the rest


class Command(BaseCommand):
    help = "Fit the calibrator that decides whether to answer, on a file in SQuAD 2.0's form, or a corpus's own with --corpus."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, help="questions that the reader was not trained on; split by article")
        parser.add_argument("--others", type=Path, action="append", default=[], help="articles that are searched and not asked")
        parser.add_argument("--asked", type=Path, help="questions about --documents, to move the calibration to such documents")
        parser.add_argument("--documents", type=Path, help="a folder of Markdown pages")
        parser.add_argument("--corpus", help="learn from this corpus's feedback and golden questions instead")
        parser.add_argument("--output", type=Path, default=calibration_file())
        parser.add_argument("--questions", type=int, default=2400)
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument("--ranking", type=Path, default=ranking_file())
        parser.add_argument("--readings", type=Path, help="keep what the reader read here, to go on after an interruption")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["corpus"]:
            self._learn(options["corpus"])
        elif options["data"]:
            self._fit(options)
        else:
            raise CommandError("Give --data with a file in SQuAD's form, or --corpus with a corpus's name.")

    def _learn(self, name: str) -> None:
        corpus = Corpus.objects.filter(name=name).first()
        if corpus is None:
            raise CommandError(f"There is no corpus named {name!r}.")
        learnt = learn(corpus=corpus)
        if learnt is None:
            raise CommandError(f"{name} has too few judged answers: {LEAST_JUDGED} are needed. Its calibration stays as it is.")
        self.stdout.write(
            json.dumps({"corpus": name, "judged": learnt.judged, "slope": learnt.slope, "intercept": learnt.intercept})
        )

    def _fit(self, options: dict[str, Any]) -> None:
        from specialists.reader.serving import get_reader

        own = _pages(options["asked"], options["documents"]) if options["asked"] else []
        articles = _articles(options["data"])
        if len(articles) < LEAST_ARTICLES:
            raise CommandError(f"There are too few articles: {LEAST_ARTICLES} are needed, to fit on some and test on others.")
        others = [article for file in options["others"] for article in _articles(file)]
        asked = choose_questions(articles, options["questions"], options["seed"])
        if own and len({article.title for article in own if article.questions}) < LEAST_ARTICLES:
            raise CommandError(f"--asked is about too few pages: {LEAST_ARTICLES} are needed.")
        try:
            reader = get_reader().name
        except SpecialistError as error:
            raise CommandError(error.public_message) from error
        about: dict[str, Any] = {"made_by": _command(options), "shares": SHARES}
        try:
            readings = Readings(options["readings"], reader)
        except ValueError as error:
            raise CommandError(str(error)) from error
        with loaded_sides(articles, others, f"fitting-{options['seed']}") as sides:
            general = _read(asked, sides, readings, "Questions")
        organisation = []
        if own:
            with loaded_side(own, "fitting-own") as side:
                organisation = _read(all_questions(own), [side], readings, "Own questions")
        try:
            ranking = _fit_ranking([general, organisation])
        except ValueError as error:
            raise CommandError(f"{error} Nothing can be fitted: ask more questions with --questions.") from error
        rows, own_rows = ([item.judged(ranking) for item in part] for part in (general, organisation))
        calibration = fit_calibration(rows, reader=reader, about=about, own=own_rows)
        weights = [round(weight, 6) for weight in ranking.weights]
        ranked = {"features": list(RANKING_FEATURES), "weights": weights, "reader": reader, "made_by": about["made_by"]}
        for file, content in ((options["ranking"], ranked), (options["output"], as_json(calibration))):
            write_atomically(file, (json.dumps(content) + "\n").encode())
        self.stdout.write(json.dumps({name: about[name] for name in ("figures", "organisation") if name in about}, indent=2))


@dataclass(frozen=True, slots=True)
class _Read:
    """A question that was searched and read, with the reader's spans."""

    seen: Seen
    reading: Reading
    spans: list[Found]

    def judged(self, ranking: Ranking) -> Row:
        return judge(self.seen, self.reading, self.spans, ranking)


def _read(asked: Sequence[Asked], sides: Sequence[LoadedArticles], readings: Readings, title: str) -> list[_Read]:
    found = []
    for item in tqdm(asked, desc=title, unit="question", file=sys.stderr):
        seen = look(item, sides)
        reading = readings.of(seen)
        found.append(_Read(seen, reading, mark(seen, reading)))
    return found


def _fit_ranking(parts: Sequence[Sequence[_Read]]) -> Ranking:
    """On the answerable questions about articles and pages that are not held out."""
    pairs = []
    for part in parts:
        apart = held_out_articles([item.seen.asked.article.title for item in part])
        pairs += [
            spans_to_rank(item.seen, item.reading, item.spans)
            for item in part
            if item.seen.asked.kind == ANSWERABLE and item.seen.asked.article.title not in apart
        ]
    return fit_ranking(pairs)


def _pages(file: Path, folder: Path | None) -> list[SquadArticle]:
    if folder is None or not folder.is_dir():
        raise CommandError("Give --documents with the folder of the pages that --asked is about.")
    try:
        return read_asked(file, folder)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error


def _command(options: dict[str, Any]) -> str:
    files = "".join(f" --others {file.name}" for file in options["others"])
    count, seed = options["questions"], options["seed"]
    own = f" --asked {options['asked'].name} --documents {options['documents'].name}" if options["asked"] else ""
    return f"manage.py fit_refusal --data {options['data'].name}{files}{own} --questions {count} --seed {seed}"


def _articles(file: Path) -> list[SquadArticle]:
    try:
        return read_squad(file)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error
