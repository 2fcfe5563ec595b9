"""manage.py search, in this process."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

from tests.people import People


@pytest.mark.parametrize("query", ["", "   ", " \t\n"])
def test_it_asks_for_words_where_there_are_none(people: People, query: str) -> None:
    with pytest.raises(CommandError, match="Type the words to search for"):
        call_command("search", query, "--as", "ben", "--json")
