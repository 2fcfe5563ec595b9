"""Rules and alarms."""

from __future__ import annotations

from liftlog.alarms import Rule, check_reading, escalate_alarm, mute_rule, raise_alarm


def test_a_muted_rule_is_never_broken() -> None:
    rule = Rule("vibration", 40)
    assert check_reading(rule, 41)
    mute_rule(rule)
    assert not check_reading(rule, 99)


def test_it_tells_the_engineer_on_duty() -> None:
    sent: list[str] = []
    raise_alarm("L1", Rule("heat", 70), sent.append)
    assert escalate_alarm(sent[0], minutes=15).startswith("ESCALATED")
