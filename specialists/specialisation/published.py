"""Figures that others published, to stand beside ours and labelled as theirs. Nothing here was measured by this product."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A claim with its source: before and after are the source's own measure, on the source's own data."""

    what: str
    before: str
    after: str
    source: str


SPECIALISATION = (
    Published(
        "LoRA-tuned open models of 7B, 31 tasks, against their bases and GPT-4",
        "34 points below on average",
        "10 points above GPT-4 on average",
        "LoRA Land, arXiv 2405.00732",
    ),
    Published(
        "Hallucination detector of 17M on its own domain, F1; large models 79.8–83.7",
        "not given",
        "90.9",
        "TinyLettuce model card",
    ),
    Published(
        "Span hallucination detector of 149–395M on RAGTruth, F1; GPT-4 63.4",
        "not given",
        "76.8–79.2",
        "LettuceDetect, arXiv 2502.17125",
    ),
    Published(
        "Extractive reader of 22M outside its training domains (MRQA), F1",
        "53.3",
        "71.1 within them",
        "model card of VMware/minilmv2-l6-h384 (MRQA)",
    ),
)
