"""Fits one head: the penalty on the dev rows, the temperature and the outside score too; then anew on train and dev rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import FloatMatrix
from specialists.router.classifier import OUTSIDE_FEATURES, Classifier, Outsider, index_of
from specialists.router.features import fit_sketch
from specialists.router.rows import LabelledSet, Row
from specialists.router.softmax import fit_softmax, log_softmax

COLUMNS = 2048  # per view of the sketch
SKETCH_WEIGHT = 0.7
STRENGTHS = (10.0, 30.0, 100.0, 300.0)  # inverse penalties per row; the best on the dev rows is taken
MANY_ROWS = 5000  # with so many, each strength takes minutes, and the larger two were never best
ITERATIONS = 100
FALSE_ALARMS = 0.025  # aimed at on the dev rows, which their writers often repeat in train; for five in a hundred elsewhere
Report = Callable[[str], None]


class Embed(Protocol):
    def __call__(self, texts: Sequence[str], /) -> FloatMatrix: ...


@dataclass(frozen=True, slots=True)
class Part:
    """Rows with what the head sees of them. `targets`: the labels' numbers; empty for rows outside all labels."""

    vectors: FloatMatrix
    inputs: FloatMatrix
    targets: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fitted:
    classifier: Classifier
    strength: float
    dev_accuracy: float


@dataclass(frozen=True, slots=True)
class _Trial:
    """One strength on the dev rows: the loss is that at the best temperature."""

    loss: float
    strength: float
    temperature: float
    accuracy: float
    weights: FloatMatrix


def fit_head(labelled: LabelledSet, embed: Embed, report: Report) -> Fitted:
    """Deterministic for the same rows, embedder and number of processor threads."""
    labels = labelled.labels
    sketch = fit_sketch([row.text for row in labelled.train], columns=COLUMNS, weight=SKETCH_WEIGHT)

    def part(rows: Sequence[Row], *, is_inside: bool = True) -> Part:
        texts = [row.text for row in rows]
        vectors = embed(texts)
        numbers = index_of(labels, [row.label for row in rows]) if is_inside else np.empty(0, np.int64)
        return Part(vectors, np.concatenate([vectors, sketch.transform(texts)], axis=1), numbers)

    report(f"{labelled.name}: {len(labelled.train)} texts to train on, {len(labelled.dev)} to choose on, {len(labels)} labels.")
    train, dev = part(labelled.train), part(labelled.dev)
    best = _choose(labelled.name, train, dev, len(labels), report)
    outsider = _fit_outsider(best.weights, train, dev, part(labelled.outside_train, is_inside=False))
    whole = _joined(train, dev)
    weights = _fit(whole, len(labels), best.strength, lambda iteration, value: _say(report, labelled.name, iteration, value))
    return Fitted(Classifier(labels, sketch, _halved(weights), best.temperature, outsider), best.strength, best.accuracy)


def _joined(first: Part, second: Part) -> Part:
    return Part(
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.inputs, second.inputs]),
        np.concatenate([first.targets, second.targets]),
    )


def _say(report: Report, name: str, iteration: int, value: float) -> None:
    if iteration % 20 == 0:
        report(f"{name}: step {iteration}, loss {value:.4f}")


def _choose(name: str, train: Part, dev: Part, classes: int, report: Report) -> _Trial:
    tried = []
    for strength in STRENGTHS[:2] if len(train.targets) >= MANY_ROWS else STRENGTHS:
        weights = _fit(train, classes, strength, None)
        logits = dev.inputs @ weights[:-1] + weights[-1]
        temperature, loss = _fit_temperature(logits, dev.targets)
        accuracy = float((logits.argmax(axis=1) == dev.targets).mean())
        report(f"{name}: strength {strength:g}: {accuracy:.1%} of the dev texts are right, loss {loss:.3f}")
        tried.append(_Trial(loss, strength, temperature, accuracy, weights))
    return min(tried, key=lambda trial: trial.loss)


def _fit(part: Part, classes: int, strength: float, report: Callable[[int, float], None] | None) -> FloatMatrix:
    targets = np.eye(classes, dtype=np.float32)[part.targets]
    penalty = 1.0 / (strength * len(targets))
    return fit_softmax(part.inputs, targets, penalty=penalty, iterations=ITERATIONS, report=report)


def _halved(weights: FloatMatrix) -> FloatMatrix:
    """Rounded to what is stored, so that a head scores alike before and after it is saved."""
    return weights.astype(np.float16).astype(np.float32)


def _fit_temperature(logits: FloatMatrix, targets: NDArray[np.int64]) -> tuple[float, float]:
    """The divisor of the logits with the least loss (Guo et al. 2017), rounded, and that loss."""
    rows = np.arange(len(targets))
    choices = np.geomspace(0.25, 4.0, 81)
    losses = [-float(log_softmax(logits / choice)[rows, targets].mean()) for choice in choices.astype(np.float32)]
    best = int(np.argmin(losses))
    return round(float(choices[best]), 4), losses[best]


def _fit_outsider(weights: FloatMatrix, train: Part, dev: Part, outside: Part) -> Outsider:
    """With texts that belong to no label: a regression on them and the dev rows. Without: the standardised features' sum."""
    classes = weights.shape[1]
    centroids = np.stack([train.vectors[train.targets == label].mean(axis=0) for label in range(classes)])
    plain = Outsider(
        centroids=_halved(centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-6)),
        mean=np.zeros(len(OUTSIDE_FEATURES), np.float32),
        spread=np.ones(len(OUTSIDE_FEATURES), np.float32),
        slopes=np.ones(len(OUTSIDE_FEATURES), np.float32),
        intercept=0.0,
        threshold=0.0,
    )

    def features(part: Part) -> FloatMatrix:
        return plain.features(part.inputs @ weights[:-1] + weights[-1], part.vectors)

    inside = features(dev)
    scaled = replace(plain, mean=inside.mean(axis=0), spread=np.maximum(inside.std(axis=0), 1e-4))
    if len(outside.vectors):
        scaled = _regressed(scaled, inside, features(outside))
    scores = ((inside - scaled.mean) / scaled.spread) @ scaled.slopes + scaled.intercept
    return replace(scaled, threshold=round(float(np.quantile(scores, 1 - FALSE_ALARMS)), 4))


def _regressed(scaled: Outsider, inside: FloatMatrix, outside: FloatMatrix) -> Outsider:
    """Both sides weigh the same, however many rows each has."""
    standard = (np.concatenate([inside, outside]) - scaled.mean) / scaled.spread
    targets = np.zeros((len(standard), 2), np.float32)
    targets[: len(inside), 0] = len(standard) / (2 * len(inside))
    targets[len(inside) :, 1] = len(standard) / (2 * len(outside))
    found = fit_softmax(standard.astype(np.float32), targets, penalty=0.01, iterations=ITERATIONS)
    slopes = found[:, 1] - found[:, 0]
    return replace(scaled, slopes=slopes[:-1], intercept=round(float(slopes[-1]), 4))
