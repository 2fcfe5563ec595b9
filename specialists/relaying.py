"""Passes on what a generator yields, and keeps what it returns."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

Told = TypeVar("Told")
Passed = TypeVar("Passed")
Result = TypeVar("Result")


def relay(telling: Generator[Told, None, Result], change: Callable[[Told], Passed]) -> Generator[Passed, None, Result]:
    """Yields each item as `change` makes it. However this ends, so does `telling`."""
    with closing(telling):
        while True:
            try:
                told = next(telling)
            except StopIteration as end:
                result: Result = end.value
                return result
            yield change(told)


def drained(telling: Generator[object, None, Result]) -> Result:
    """What is returned in the end; nobody hears what is yielded before."""
    while True:
        try:
            next(telling)
        except StopIteration as end:
            result: Result = end.value
            return result
