"""What the answer path hands to a person by itself: the question of who then asked for one, and what a rule of the administrator
sends to one.

A message that merely sounds sensitive is not sent anywhere without its author's wish: the answer card offers a person. Nor is a
wish before any question, which nobody could answer: its author is asked first what it is about."""

from __future__ import annotations

from assistant.escalations.errors import EscalationError
from assistant.escalations.models import Escalation
from assistant.escalations.services import escalate
from assistant.models import Answer
from specialists.router.cascade import THRESHOLDS
from specialists.router.types import HUMAN, SMALLTALK, Decision


def is_wish(decision: Decision) -> bool:
    """Whether the message only asks for a person. What a rule or someone in distress says is more than that."""
    is_sure = decision.intent == HUMAN and decision.intent_probability >= THRESHOLDS["person"]
    return is_sure and decision.rule is None and not decision.is_crisis


def has_question_before(answer: Answer) -> bool:
    """Whether the turns before say what a wish is about. Not when one of them is a matter of which nobody was to be told: they
    would go along."""
    earlier = Answer.objects.filter(conversation=answer.conversation_id, pk__lt=answer.pk).exclude(route=SMALLTALK)
    turns = [turn for turn in earlier.values_list("route", "refusal", "escalation") if not turn[1].get("is_wish")]
    is_private = any(refusal.get("is_crisis") or (route == HUMAN and sent is None) for route, refusal, sent in turns)
    return bool(turns) and not is_private


def hand_to_person(answer: Answer, decision: Decision) -> bool:
    """Send the answer's question on: a wish with the turns before it, which say what it is about; else without, since nobody
    offered them. False when the asker has to do it, or too many of his questions wait already."""
    is_wished = is_wish(decision)
    if answer.conversation.is_internal or (decision.rule is None and not (is_wished and has_question_before(answer))):
        return False
    reason = Escalation.Reason.WISHED if is_wished else Escalation.Reason.ROUTED
    try:
        has_turns = is_wished and not answer.conversation.is_common  # where others asked, their questions are not the wisher's
        escalate(answer=answer, asker=answer.asker, reason=reason, why=decision.reason, has_turns=has_turns)
    except EscalationError:
        return False
    return True
