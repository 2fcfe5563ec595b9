from __future__ import annotations

from assistant.wording import Wording


def test_it_puts_sentences_into_paragraphs_and_lists_with_their_numbers() -> None:
    wording = Wording()
    pieces = [
        wording.add("First.", [1]),
        wording.add("Second.", [1, 2]),
        wording.add("apples", [3], lead="There are two:", is_item=True),
        wording.add("2. pears", [3], is_item=True),
        wording.add("Last.", []),
    ]
    assert "".join(pieces) == wording.text
    assert wording.text == "First. [1] Second. [1] [2]\n\nThere are two:\n\n- apples [3]\n2. pears [3]\n\nLast."
    assert [wording.text[mark.start : mark.end] for mark in wording.markers] == ["[1]", "[1]", "[2]", "[3]", "[3]"]
