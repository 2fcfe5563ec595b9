"""What the answer path hands to a person by itself: what a rule of the administrator sends to one, and nothing else.

A message that merely sounds sensitive, or only asks for a person, is not sent anywhere: its author is offered the form, which
says who gets it and what would go with it."""

from __future__ import annotations

from assistant.escalations.errors import EscalationError
from assistant.escalations.models import Escalation
from assistant.escalations.services import escalate
from assistant.models import Answer
from specialists.router.cascade import THRESHOLDS
from specialists.router.types import HUMAN, Decision


def is_wish(decision: Decision) -> bool:
    """Whether the message only asks for a person. What a rule or someone in distress says is more than that."""
    is_sure = decision.intent == HUMAN and decision.intent_probability >= THRESHOLDS["person"]
    return is_sure and decision.rule is None and not decision.is_crisis


def hand_to_person(answer: Answer, decision: Decision) -> bool:
    """Send the answer's question on, alone, since nobody offered to send the turns before it. False when the asker has to do it,
    or too many of his questions wait already."""
    if answer.conversation.is_internal or decision.rule is None:
        return False
    try:
        escalate(answer=answer, asker=answer.asker, reason=Escalation.Reason.ROUTED, why=decision.reason)
    except EscalationError:
        return False
    return True
