"""What the answer path hands to a person by itself: who asked for one, and what a rule of the administrator sends to one.

A message that merely sounds sensitive is not sent anywhere without its author's wish: the answer card offers a person."""

from __future__ import annotations

from assistant.escalations.errors import EscalationError
from assistant.escalations.models import Escalation
from assistant.escalations.services import escalate
from assistant.models import Answer
from specialists.router.cascade import THRESHOLDS
from specialists.router.types import HUMAN, Decision


def hand_to_person(answer: Answer, decision: Decision) -> bool:
    """Send the answer's question on, without the conversation around it, which nobody offered. False when the asker has to do
    it, or too many of his questions wait already."""
    is_wished = decision.intent == HUMAN and decision.intent_probability >= THRESHOLDS["person"] and not decision.is_crisis
    if answer.conversation.is_internal or (decision.rule is None and not is_wished):
        return False
    reason = Escalation.Reason.ROUTED if decision.rule is not None else Escalation.Reason.WISHED
    try:
        escalate(answer=answer, asker=answer.conversation.user, reason=reason, why=decision.reason, has_turns=False)
    except EscalationError:
        return False
    return True
