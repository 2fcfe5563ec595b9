"""A small training file: short texts, each with a question that it answers, some with one that it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DEPARTMENTS = ("Finance", "Legal", "Sales", "Design", "Security", "Logistics", "Quality", "Research", "Support", "Facilities")
ROOMS = ("north hall", "blue room", "old library", "roof studio", "garden office", "south wing")


def squad(*, departments: int = 10, rooms: int = 6) -> dict[str, Any]:
    """departments × rooms paragraphs of one answerable question each, every third with an unanswerable one."""
    articles = []
    for place, department in enumerate(DEPARTMENTS[:departments]):
        paragraphs = []
        for number, room in enumerate(ROOMS[:rooms]):
            desks = 10 * place + number + 3
            text = f"The {department} team meets in the {room} every week. It has {desks} desks and one printer."
            questions = [answerable(f"{place}-{number}", f"How many desks does the {department} team have?", text, str(desks))]
            if number % 3 == 0:
                question = f"Who pays for the coffee of the {department} team?"
                questions.append({"id": f"{place}-{number}-none", "question": question, "answers": [], "is_impossible": True})
            paragraphs.append({"context": text, "qas": questions})
        articles.append({"title": department, "paragraphs": paragraphs})
    return {"version": "v2.0", "data": articles}


def answerable(number: str, question: str, text: str, answer: str) -> dict[str, Any]:
    found = [{"text": answer, "answer_start": text.index(answer)}]
    return {"id": number, "question": question, "answers": found, "is_impossible": False}


def write_squad(path: Path, content: dict[str, Any] | None = None) -> Path:
    path.write_text(json.dumps(content or squad()), encoding="utf-8")
    return path
