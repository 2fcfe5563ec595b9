"""The groundedness head that comes with the product: it tells claims apart that it never saw, and says what it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from specialists.encoders.bundle import read_card
from specialists.encoders.export import prepare_specialist
from specialists.grounding.checker import Claim, check_answer
from specialists.grounding.evaluation import judge_rows, measure
from specialists.grounding.rows import read_rows
from specialists.grounding.serving import GroundingHead

ROOT = Path(__file__).parents[2]
HEAD = ROOT / "specialists" / "trained" / "grounding"
CLAIMS = ROOT / "specialists" / "grounding" / "data" / "own_words_held_out.jsonl"
LEAST_AUROC = 0.70  # 0.76 of all 1,200
PASSAGE = """Leave policy > Carry-over
Up to five unused days of annual leave move to the next year. They must be taken by 31 March. Days that are not taken by then are
lost, unless illness prevented it. Part-time staff carry over days in proportion to their hours."""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> GroundingHead:
    prepared = tmp_path_factory.mktemp("models") / "grounding"
    prepare_specialist(HEAD, "grounding", prepared)
    return GroundingHead(HEAD, prepared)


@pytest.mark.slow
def test_it_tells_claims_apart_that_it_never_saw(head: GroundingHead) -> None:
    judged = judge_rows(read_rows(CLAIMS)[:300], head)
    assert measure(judged, head.threshold).auroc >= LEAST_AUROC
    assert measure(judge_rows(read_rows(CLAIMS)[:300], None), None).auroc < LEAST_AUROC, "the rules alone do not"


@pytest.mark.slow
def test_it_decides_where_the_rules_see_nothing(head: GroundingHead) -> None:
    right = Claim("Days that were not taken by the end of March are gone, but not those lost to illness.", (1,))
    wrong = Claim("Carried days must be requested from the manager.", (1,))
    assert [item.verdict for item in check_answer([right, wrong], {1: PASSAGE}).sentences] == ["supported", "supported"]
    assert [item.verdict for item in check_answer([right, wrong], {1: PASSAGE}, head=head).sentences] == [
        "supported",
        "unsupported",
    ]


def test_it_says_what_it_was_made_from() -> None:
    card = read_card(HEAD, "grounding")
    assert 0 < card.figures["threshold"] < 1
    model_card = (HEAD / "MODEL_CARD.md").read_text()
    assert all(item["name"] in model_card for item in card.data)
    assert all(licence in model_card for licence in card.licences)
