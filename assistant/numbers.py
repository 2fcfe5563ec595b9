"""What a form says of a number that it does not take: what to type instead."""

from __future__ import annotations

from decimal import Decimal


def number_errors(
    least: float, most: float, *, such_as: float | str, is_whole: bool = True, places: int = 4
) -> dict[str, str]:  # fmt: skip
    """`places`: after the point, of a DecimalField."""
    most_said = f"Type {plain(most)} at most."
    example = f"Type a {'whole ' if is_whole else ''}number, such as {such_as if isinstance(such_as, str) else plain(such_as)}."
    return {
        "required": example, "invalid": example, "min_value": f"Type {plain(least)} or more.",
        "max_value": most_said, "max_digits": most_said, "max_whole_digits": most_said,
        "max_decimal_places": f"Type at most {places} digits after the point.",
    }  # fmt: skip


def plain(number: float) -> str:
    """“0.000001”, “131,072”"""
    return f"{Decimal(str(number)):,f}".removesuffix(".0")
