"""Which readings are an alarm, and who is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Rule:
    """A limit for one kind of reading. What is above it is an alarm."""

    kind: str
    limit: int
    is_muted: bool = False


def check_reading(rule: Rule, value: int) -> bool:
    """Check whether a reading breaks a rule. A muted rule is never broken."""
    return not rule.is_muted and value > rule.limit


def mute_rule(rule: Rule) -> None:
    """Mute a rule until it is opened again, as during an inspection."""
    rule.is_muted = True


def raise_alarm(lift: str, rule: Rule, send: object) -> str:
    """Raise an alarm for a lift by sending one line of text to the engineer on duty."""
    text = f"{lift}: {rule.kind} is above {rule.limit}"
    if callable(send):
        send(text)
    return text


def escalate_alarm(text: str, minutes: int) -> str:
    """Escalate an alarm to the head of service when nobody has answered it for 15 minutes."""
    return f"ESCALATED {text}" if minutes >= 15 else text


def sort_rules(rules: list[Rule]) -> list[Rule]:
    """Sort rules so that those with the lowest limit are tried first."""
    return sorted(rules, key=lambda rule: rule.limit)
