"""The model card that people read, made from card.json: what a specialist is, what made it, how good it is, its limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from specialists.encoders.bundle import Card, read_card, write_card

MODEL_CARD = "MODEL_CARD.md"
PURPOSES = {
    "reader": "reads a question with passages and points at the words that answer, or says that none do; its relevance head "
    "ranks the passages.",
    "reranker": "reads a question with a passage and says how likely the passage answers it, to order what a search found.",
    "grounding": "reads a sentence with the passage that it cites and says whether the passage supports it.",
}


def write_model_card(folder: Path, card: Card) -> None:
    (folder / MODEL_CARD).write_text(render_card(card), encoding="utf-8")


def record_figures(folder: Path, kind: str, name: str, measures: Mapping[str, Any]) -> None:
    """Write measures (with mean, low and high) into the specialist's card, under a name. Raises SpecialistError."""
    card = read_card(folder, kind)
    card = replace(card, figures={**card.figures, name: {label: asdict(value) for label, value in measures.items()}})
    write_card(folder, card)
    write_model_card(folder, card)


def render_card(card: Card) -> str:
    heads = ", ".join(f"{name} ({size})" for name, size in {**card.token_heads, **card.pair_heads}.items())
    recipe = {name: value for name, value in card.recipe.items() if value not in ("", None, [])}
    lines = [
        f"# {card.name}",
        "",
        f"A small specialist that {PURPOSES[card.kind]}",
        "",
        f"- Base: {card.base['name']} (sha256 {card.base['weights'][:16]}…).",
        f"- {card.layers} layers of {card.neurons} feed-forward neurons; window {card.window} tokens"
        + (f", answers of up to {card.answer_tokens} tokens." if card.answer_tokens else "."),
        f"- Heads: {heads}. Weights: float16, without the word embeddings, which are the base's and were not trained.",
        f"- sha256 of weights.safetensors: `{card.weights_sha256}`",
        f"- Made by `manage.py train_specialist {card.kind}` in {card.seconds / 60:.0f} minutes; loss {_losses(card)}.",
        f"- Recipe: {', '.join(f'{name} {value}' for name, value in recipe.items())}.",
        f"- Libraries: {', '.join(f'{name} {value}' for name, value in card.versions.items())}.",
        "",
        "## Data",
        "",
        *_data(card.data),
        "",
        *(line for parent in card.parents for line in _parent(parent)),
        *(f"- Licence: {licence}" for licence in _licences(card)),
        "",
        "## Figures",
        "",
        *(_figures(card.figures) or ["Not measured yet: `manage.py evaluate_specialist`."]),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card.limits or LIMITS[card.kind]),
        "",
    ]
    return "\n".join(lines)


def _data(data: Iterable[Mapping[str, Any]]) -> list[str]:
    return [f"- {item['name']}: sha256 {item['sha256'][:16]}…, share per epoch {item['share']:g}" for item in data]


def _parent(parent: Mapping[str, Any]) -> list[str]:
    recipe = parent["recipe"]
    epochs = "1 epoch" if recipe["epochs"] == 1 else f"{recipe['epochs']} epochs"
    said = f"{epochs} at {recipe['learning_rate']:g}"
    return [f"It went on from {parent['name']} ({said}), which was trained on", "", *_data(parent["data"]), ""]


def _licences(card: Card) -> list[str]:
    every = [licence for parent in card.parents for licence in parent["licences"]]
    return list(dict.fromkeys([*card.licences, *every]))


LIMITS = {
    "reader": [
        "English. It finds words that stand in a passage; it does not count, compare or conclude.",
        "A passage that is close to the question and does not answer it is its commonest trap: use the calibrated refusal.",
    ],
    "reranker": ["English. It orders passages beside the search's own order; alone it is worse on questions unlike its own."],
    "grounding": ["English. It judges one sentence against the passages cited, not whether the passages are true."],
}


def _losses(card: Card) -> str:
    return f"{card.losses[0]:.2f} → {card.losses[-1]:.2f}" if card.losses else "not recorded"


def _figures(figures: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, measured in figures.items():
        if not isinstance(measured, Mapping):
            lines += [f"{name}: {measured}", ""]
            continue
        lines += [f"{name}:", "", "| measure | % | 95 % interval |", "|---|---|---|"]
        for label, value in measured.items():
            lines.append(f"| {label} | {value['mean']:.1f} | {value['low']:.1f}–{value['high']:.1f} |")
        lines.append("")
    return lines
