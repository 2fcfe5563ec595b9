"""Units as the groundedness rules know them: each with its dimension and its size, so that two weeks are fourteen days."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    name: str
    dimension: str
    size: float


_TABLE: tuple[tuple[str, str, float, str], ...] = (
    ("second", "time", 1, "seconds? secs?"),
    ("minute", "time", 60, "minutes? mins?"),
    ("hour", "time", 3600, "hours? hrs?"),
    ("day", "time", 86400, "days?"),
    ("week", "time", 604800, "weeks?"),
    ("fortnight", "time", 1209600, "fortnights?"),
    ("month", "months", 1, "months?"),
    ("quarter", "months", 3, "quarters?"),
    ("year", "months", 12, "years? yrs?"),
    ("percent", "percent", 1, "% percent percents pct per_cent percentage_points?"),
    ("dollar", "dollars", 1, "[$] dollars? usd"),
    ("euro", "euros", 1, "€ euros? eur"),
    ("pound", "pounds", 1, "£ pounds? gbp"),
    ("cent", "cents", 1, "cents?"),
    ("millimetre", "length", 0.001, "mm millimet(?:re|er)s?"),
    ("centimetre", "length", 0.01, "cm centimet(?:re|er)s?"),
    ("metre", "length", 1, "met(?:re|er)s?"),
    ("kilometre", "length", 1000, "km kilomet(?:re|er)s?"),
    ("mile", "length", 1609.344, "miles?"),
    ("foot", "length", 0.3048, "feet foot ft"),
    ("inch", "length", 0.0254, "inch(?:es)?"),
    ("gram", "mass", 0.001, "grams? g"),
    ("kilogram", "mass", 1, "kg kilograms? kilos?"),
    ("tonne", "mass", 1000, "tonnes? tons?"),
    ("kilobyte", "data", 1, "kb kilobytes?"),
    ("megabyte", "data", 1000, "mb megabytes?"),
    ("gigabyte", "data", 1e6, "gb gigabytes?"),
    ("terabyte", "data", 1e9, "tb terabytes?"),
    ("degree Celsius", "celsius", 1, "°c degrees_celsius"),
    ("degree Fahrenheit", "fahrenheit", 1, "°f degrees_fahrenheit"),
    ("volt", "volts", 1, "volts? v"),
    ("watt", "watts", 1, "watts? w"),
    ("kilowatt", "watts", 1000, "kw kilowatts?"),
    ("hertz", "hertz", 1, "hz hertz"),
    ("millimetre of water", "water", 1, "mmh2o"),
    ("bar", "pressure", 1, "bars?"),
)
_FORMS = [
    (form.replace("_", " "), Unit(name, dimension, size)) for name, dimension, size, forms in _TABLE for form in forms.split()
]
_ALL = "|".join(form for form, _ in sorted(_FORMS, key=lambda item: -len(item[0])))
_BETWEEN = r"(?:consecutive|calendar|working|business|full|paid|unpaid|whole|additional|extra|straight|us|u\.s\.)"
_RANGE = r"(?:[ ]?(?:-|to|or|and)[ ]?[$€£]?(?:\d[\d.,]*|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty))?"
UNIT = re.compile(rf"(?:st|nd|rd|th)?{_RANGE}[ -]?(?:{_BETWEEN}[ -])?(?P<unit>{_ALL})(?![\w])", re.IGNORECASE)
SCALES = re.compile(r"[ -]?(hundred|thousand|million|billion|trillion|dozen|bn|k|m)(?![\w])", re.IGNORECASE)
_COMPILED = [(re.compile(form, re.IGNORECASE), unit) for form, unit in _FORMS]
WORDS = {name: unit for name, unit in ((form.rstrip("?"), unit) for form, unit in _FORMS) if name.isalpha()}


def unit_of(sign: str, text: str, end: int) -> Unit | None:
    """The unit of a number that ends at `end`: a currency sign before it, or what stands after it."""
    written = sign
    if not written:
        found = UNIT.match(text, end)
        written = found["unit"] if found else ""
    return next((unit for pattern, unit in _COMPILED if pattern.fullmatch(written)), None) if written else None
