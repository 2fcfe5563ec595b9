from __future__ import annotations

import numpy as np

from specialists.classifying.nearest import classify


def rows(*angles: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], dtype=np.float32)


def test_it_goes_by_the_nearest_and_says_how_often_that_is_right() -> None:
    vectors = rows(*np.linspace(0, 0.3, 10), *np.linspace(1.2, 1.5, 10))
    labels = ["leave"] * 10 + ["pay"] * 10

    found = classify(rows(0.1)[0], labels, vectors)

    assert found is not None
    assert (found.label, found.confidence, found.right, found.examples) == ("leave", 1.0, 1.0, 20)
    assert all(labels[place] == "leave" for place in found.nearest)


def test_it_names_none_where_the_classes_cannot_be_told_apart() -> None:
    angles = np.linspace(0, 1.5, 40)
    labels = [("a", "b", "c", "d")[number % 4] for number in range(40)]
    found = classify(rows(0.7)[0], labels, rows(*angles))
    assert found is not None
    assert found.label == ""


def test_it_needs_examples_of_more_than_one_class() -> None:
    assert classify(rows(0.1)[0], ["a"] * 20, rows(*np.linspace(0, 1, 20))) is None
    assert classify(rows(0.1)[0], ["a", "b"], rows(0.1, 0.2)) is None


def test_it_names_none_for_what_is_unlike_all_examples() -> None:
    vectors = rows(*np.linspace(0, 0.3, 10), *np.linspace(0.6, 0.9, 10))
    labels = ["leave"] * 10 + ["pay"] * 10

    found = classify(rows(2.2)[0], labels, vectors)

    assert found is not None
    assert (found.label, found.is_far) == ("", True)
