"""The router's model card for people, made from card.json: what it is, what made it, how good it is, its limits."""

from __future__ import annotations

from pathlib import Path

from retrieval.files import write_atomically
from specialists.router.storage import HeadCard, RouterCard

MODEL_CARD = "MODEL_CARD.md"


def write_router_card(folder: Path, card: RouterCard) -> None:
    write_atomically(folder / MODEL_CARD, render_router_card(card).encode())


def render_router_card(card: RouterCard) -> str:
    lines = [
        "# The router",
        "",
        "Linear heads that say what a question is, from its embedding and a sketch of its words and letters.",
        "",
        f"- Made by `manage.py train_specialist router --data {card.data} --seed {card.seed}`.",
        f"- Embeddings: {card.embedder}, {card.dimension} numbers; another precision of the same model will do.",
        *(f"- Licence of the data: {licence}" for licence in card.licences),
        "",
        "| head | labels | texts: train, choose, test | right on the test | 95 % interval | macro F1 | calibration error |",
        "|---|---|---|---|---|---|---|",
        *(_head_line(name, head) for name, head in card.heads.items()),
        "",
        *(line for name, head in card.heads.items() for line in _outside_line(name, head)),
        "## Recipe",
        "",
        "Multinomial logistic regression, L2 penalty, L-BFGS; penalty and temperature chosen on the texts to choose on, then",
        "fitted on both parts.",
        "",
        *(
            f"- {name}: strength {head.strength:g}, temperature {head.temperature:g}, data sha256 {head.data_sha256[:16]}…, "
            f"weights sha256 {head.sha256[:16]}…"
            for name, head in card.heads.items()
        ),
        "",
        "## Limits",
        "",
        *(f"- {limit}" for limit in card.limits),
        "",
    ]
    return "\n".join(lines)


def _head_line(name: str, head: HeadCard) -> str:
    figures, rows = head.figures, head.rows
    return (
        f"| {name} | {len(head.labels)} | {rows['train']}, {rows['dev']}, {rows['test']} | {figures['accuracy']:.1%} | "
        f"{figures['low']:.1%}–{figures['high']:.1%} | {figures['macro_f1']:.1%} | {figures['calibration_error']:.3f} |"
    )


def _outside_line(name: str, head: HeadCard) -> list[str]:
    figures = head.figures
    if "outside_recall" not in figures:
        return []
    recall = f"{figures['outside_recall']:.1%} are recognised ({figures['outside_low']:.1%}–{figures['outside_high']:.1%})"
    rest = f"at {figures['false_alarms']:.1%} false alarms; AUROC {figures['outside_auroc']:.3f}."
    return [f"Texts outside all labels of {name}: {recall} {rest}", ""]
