"""Fits the extractive composer on questions with known answers, chooses its threshold on others, and writes composer.json."""

from __future__ import annotations

import json
import random
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from assistant.fitting import Example, LoadedArticles, load_articles, make_examples, unload_articles
from assistant.squad_format import read_squad
from specialists.calibration import Judged, choose_threshold, fit_logistic, risk_coverage
from specialists.extractive import FEATURES, PARAMETERS, Parameters, closeness, score

ALTERED = 150


class Command(BaseCommand):
    help = "Fit the composer. Weights come from the training file, the threshold from the development file (SQuAD 2.0 form)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("train", type=Path)
        parser.add_argument("dev", type=Path)
        parser.add_argument("--output", type=Path, default=PARAMETERS)
        parser.add_argument("--questions", type=int, default=1200, help="how many questions of each file, drawn at random")
        parser.add_argument(
            "--margin", type=float, default=0.8, help="how far below the best a further sentence may be, in log-odds"
        )
        parser.add_argument("--refuse", type=float, default=0.95, help="share of the unanswerable questions to refuse")
        parser.add_argument("--seed", type=int, default=7)

    def handle(self, *args: Any, train: Path, dev: Path, output: Path, **options: Any) -> None:
        fitting = _examples(train, options["questions"], options["seed"])
        rows = np.vstack([example.rows for example in fitting])
        labels = np.concatenate([example.labels for example in fitting])
        mean, scale, weights, bias = fit_logistic(rows, labels)
        parameters = Parameters(tuple(mean), tuple(scale), tuple(weights), bias, 0.0, options["margin"])
        judged = [_judge(example, parameters) for example in _examples(dev, options["questions"], options["seed"])]
        threshold = choose_threshold(judged, refuse=options["refuse"])
        altered = [_judge(example, parameters) for example in _examples(dev, ALTERED, options["seed"], altered=True)]
        report = {
            "features": list(FEATURES),
            "mean": [round(value, 6) for value in mean],
            "scale": [round(value, 6) for value in scale],
            "weights": [round(value, 6) for value in weights],
            "bias": round(bias, 6),
            "threshold": round(threshold, 4),
            "margin": options["margin"],
            "made_by": "manage.py fit_composer squad_train.json squad_dev.json",
            "data": "SQuAD 1.1 and 2.0 development articles (CC BY-SA 4.0)",
            "development": risk_coverage(judged, threshold),
            "development_altered": risk_coverage(altered, threshold),
        }
        output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        self.stdout.write(json.dumps({name: report[name] for name in ("threshold", "development", "development_altered")}))


def _judge(example: Example, parameters: Parameters) -> Judged:
    values = score(example.rows, parameters)
    best = int(values.argmax())
    return Judged(closeness(example.rows), bool(example.labels[best]), example.is_answerable)


def _examples(file: Path, count: int, seed: int, *, altered: bool = False) -> list[Example]:
    """Questions asked of the articles that answer them and, one in three, of other articles, which cannot.

    `altered`: instead SQuAD 2.0's questions that an article nearly answers, differing in a detail.
    """
    try:
        articles = read_squad(file)
    except (OSError, ValueError) as error:
        raise CommandError(str(error)) from error
    random_ = random.Random(seed)
    random_.shuffle(articles)
    loaded: list[LoadedArticles] = []
    try:
        loaded = [load_articles(articles[::2], f"fitting-{seed}-a"), load_articles(articles[1::2], f"fitting-{seed}-b")]
        asked = [
            (side, question)
            for side in (0, 1)
            for article in articles[side::2]
            for question in article.questions
            if bool(question.answers) is not altered
        ]
        random_.shuffle(asked)
        examples = []
        for number, (side, question) in enumerate(tqdm(asked[:count], desc=file.name, unit="question", file=sys.stderr)):
            examples += make_examples(question, loaded[1 - side] if number % 3 == 2 and not altered else loaded[side])
        return examples
    finally:
        for articles_ in loaded:
            unload_articles(articles_)
