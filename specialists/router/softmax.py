"""Multinomial logistic regression with an L2 penalty, fitted by L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5).

Deterministic: full batches, a zero start, no random number."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from retrieval.passages import FloatMatrix

Vector = NDArray[np.float64]
Objective = Callable[[Vector], tuple[float, Vector]]
MEMORY = 8
ARMIJO = 1e-4
TOLERANCE = 1e-5


def fit_softmax(
    inputs: FloatMatrix,
    targets: FloatMatrix,
    *,
    penalty: float,
    iterations: int,
    report: Callable[[int, float], None] | None = None,
) -> FloatMatrix:
    """Weights (columns + 1, classes); the last row is the bias, which is not penalised.

    `targets`: (rows, classes), each row a distribution, times the row's weight. Loss: cross-entropy per row + penalty/2 |W|²."""
    rows, columns = inputs.shape
    classes = targets.shape[1]
    shape = (columns + 1, classes)
    weights = targets.sum(axis=1, keepdims=True)

    def objective(flat: Vector) -> tuple[float, Vector]:
        matrix = flat.reshape(shape).astype(np.float32)
        log_shares = log_softmax(inputs @ matrix[:-1] + matrix[-1])
        errors = np.exp(log_shares) * weights - targets
        gradient = np.empty(shape, np.float64)
        gradient[:-1] = inputs.T @ errors / rows + penalty * matrix[:-1]
        gradient[-1] = errors.sum(axis=0) / rows
        loss = -float((targets * log_shares).sum(dtype=np.float64)) / rows
        return loss + penalty / 2 * float((matrix[:-1].astype(np.float64) ** 2).sum()), gradient.ravel()

    found = minimise(objective, np.zeros(shape[0] * shape[1]), iterations=iterations, report=report)
    return found.reshape(shape).astype(np.float32)


def log_softmax(logits: FloatMatrix) -> FloatMatrix:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def minimise(
    objective: Objective, start: Vector, *, iterations: int, report: Callable[[int, float], None] | None = None
) -> Vector:
    """L-BFGS with backtracking; ends when the gradient or the step's gain is small."""
    point, steps = start, deque[tuple[Vector, Vector]](maxlen=MEMORY)
    value, gradient = objective(point)
    for iteration in range(1, iterations + 1):
        direction = -_two_loops(gradient, steps)
        slope = float(direction @ gradient)
        size, trial = 1.0 if steps else 1.0 / max(1.0, float(np.linalg.norm(gradient))), point
        for _ in range(20):
            trial = point + size * direction
            new_value, new_gradient = objective(trial)
            if new_value <= value + ARMIJO * size * slope:
                break
            size /= 2
        else:
            return point
        change, bend = trial - point, new_gradient - gradient
        if float(change @ bend) > 1e-12:
            steps.append((change, bend))
        gain = value - new_value
        point, value, gradient = trial, new_value, new_gradient
        if report:
            report(iteration, value)
        if float(np.abs(gradient).max()) < TOLERANCE or gain < 1e-7 * max(1.0, abs(value)):
            break
    return point


def _two_loops(gradient: Vector, steps: deque[tuple[Vector, Vector]]) -> Vector:
    direction, shares = gradient.copy(), []
    for change, bend in reversed(steps):
        share = float(change @ direction) / float(change @ bend)
        shares.append(share)
        direction -= share * bend
    if steps:
        change, bend = steps[-1]
        direction *= float(change @ bend) / float(bend @ bend)
    for (change, bend), share in zip(steps, reversed(shares), strict=True):
        direction += (share - float(bend @ direction) / float(change @ bend)) * change
    return direction
