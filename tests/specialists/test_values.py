from __future__ import annotations

import pytest

from specialists.composition.values import agree, differ, read_value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("20 days", "twenty days"),
        ("20 days", "20 working days"),
        ("EUR 1,200", "€1200"),
        ("2000 euros", "EUR 2,000"),
        ("two hundred fifty", "250"),
        ("31 March 2024", "March 31"),
        ("31 March 2024", "2024-03-31"),
        ("31.03.2024", "31 March 2024"),
        ("in 1998", "1998"),
        ("20", "20 days"),
        ("Priya Nair", "Priya Nair, head of support"),
        ("the regional sales director", "regional sales director"),
    ],
)
def test_it_sees_that_two_spans_say_the_same(one: str, other: str) -> None:
    assert agree(read_value(one), read_value(other))
    assert agree(read_value(other), read_value(one))
    assert not differ(read_value(one), read_value(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("20 days", "25 days"), ("GBP 140", "£105"), ("15 %", "20 percent"), ("May 2024", "June 2024"), ("31 March", "30 April")],
)
def test_it_sees_that_two_spans_contradict_each_other(one: str, other: str) -> None:
    assert differ(read_value(one), read_value(other))
    assert not agree(read_value(one), read_value(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("20 days", "20 weeks"), ("GBP 140", "EUR 160"), ("20", "25"), ("2024", "June 2025"), ("Priya Nair", "Els Vandamme"),
     ("EUR 8 or GBP 7", "EUR 9"), ("25 days", "5 hours")],
)  # fmt: skip
def test_it_does_not_compare_what_cannot_be_compared(one: str, other: str) -> None:
    assert not differ(read_value(one), read_value(other))
    assert not agree(read_value(one), read_value(other))


def test_it_finds_the_unit_behind_the_span() -> None:
    assert differ(read_value("20", " days of leave"), read_value("25", " days of leave"))
    assert not differ(read_value("20", " days of leave"), read_value("25", " weeks"))
