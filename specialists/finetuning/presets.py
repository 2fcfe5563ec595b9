"""Recipes for the cases that people have: which questions a data set is about, in which shares its rows are made, and how it is
trained. The reasons are in docs/finetuning.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specialists.finetuning.mixing import SHARES
from specialists.finetuning.pairs import Pair
from specialists.finetuning.recipe import FinetuneRecipe

NOT_WANTED = "the recipe is about something else"
LEAST_LEADING = 5  # questions


@dataclass(frozen=True, slots=True)
class Preset:
    """`leading`: origins of the questions that it is about; questions of other origins are at most `beside` of all. `missing`:
    what to say where the documents hold none that it is about. `training`: what the form and the command begin with."""

    name: str
    label: str
    about: str
    shares: Mapping[str, float]
    training: FinetuneRecipe
    leading: frozenset[str] = frozenset()
    beside: float = 1.0
    missing: str = ""


_REVIEWED = frozenset({"example", "written"})
GENERAL = Preset(
    "general",
    "All that the documents give",
    "Every kind of question, in the shares that fit most corpora.",
    SHARES,
    FinetuneRecipe(),
)
PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        GENERAL,
        Preset(
            "policies", "Policies", "Headings, sections and tables of rules; more changed facts, since rules change.",
            {"near": 0.5, "altered": 0.1, "far": 0.15, "unanswerable": 0.25}, FinetuneRecipe(epochs=3),
            leading=frozenset({"faq", "heading", "table", "howto"}), beside=0.1,
            missing="The documents have no headings or tables to ask about. Add policies with headings, or take another recipe.",
        ),
        Preset(
            "support", "Support desk", "What customers wrote, and how it was resolved.",
            {"near": 0.65, "altered": 0.0, "far": 0.15, "unanswerable": 0.2}, FinetuneRecipe(epochs=3, learning_rate=1e-4),
            leading=frozenset({"ticket"}), beside=0.3,
            missing="The documents hold no tickets with a resolution. Upload them as CSV, JSON lines, .eml or .mbox files with "
            "columns such as subject, conversation and resolution, or take another recipe.",
        ),
        Preset(
            "code", "Code base", "How to do with the code what its docstrings, READMEs and tests say.",
            {"near": 0.6, "altered": 0.0, "far": 0.15, "unanswerable": 0.25},
            FinetuneRecipe(r=32, lora_alpha=64, learning_rate=1e-4, window=4096),
            leading=frozenset({"howto", "usage"}), beside=0.3,
            missing="The documents hold no functions with docstrings or comments. Upload source code, or take another recipe.",
        ),
        Preset(
            "contracts", "Contract review", "Which type a clause is and what risk it has, and what a contract says about it.",
            {"near": 0.5, "altered": 0.1, "far": 0.15, "unanswerable": 0.25},
            FinetuneRecipe(r=32, lora_alpha=64, learning_rate=1e-4, window=4096),
            leading=frozenset({"clause", "label"}), beside=0.3,
            missing="The documents hold no contracts whose clauses are named. Upload JSON in the form of CUAD, or a CSV with the "
            "columns clause, type and risk, or take another recipe.",
        ),
    )
}  # fmt: skip


def choose_pairs(pairs: Sequence[Pair], preset: Preset) -> tuple[list[Pair], int]:
    """The pairs that the recipe takes, in their order, and how many it leaves. What people have reviewed is always taken."""
    if not preset.leading:
        return list(pairs), 0
    own = sum(pair.origin in preset.leading | _REVIEWED for pair in pairs)
    room = int(own * preset.beside / (1 - preset.beside))
    kept = []
    for pair in pairs:
        if pair.origin in preset.leading | _REVIEWED:
            kept.append(pair)
        elif room:
            room -= 1
            kept.append(pair)
    return kept, len(pairs) - len(kept)


def lacks_its_subject(pairs: Sequence[Pair], preset: Preset) -> bool:
    return bool(preset.leading) and sum(pair.origin in preset.leading for pair in pairs) < LEAST_LEADING
