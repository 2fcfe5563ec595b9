"""Limits, and what was used of them. The counts stay when a conversation is deleted, or deleting would lift the limit."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class Limit(models.Model):
    """What one person, each of a group, one token, or (with none of these) each person may use in a day. Null: no limit."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    group = models.OneToOneField(Group, null=True, on_delete=models.CASCADE, related_name="+")
    token = models.OneToOneField("assistant.ApiToken", null=True, on_delete=models.CASCADE, related_name="+")
    questions = models.PositiveIntegerField(null=True)
    tokens = models.PositiveBigIntegerField(null=True)  # read and written by models
    cost = models.DecimalField(null=True, max_digits=12, decimal_places=4)  # by the cost table

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(user=None, group=None)
                | models.Q(user=None, token=None)
                | models.Q(group=None, token=None),
                name="limit_of_one_subject",
            ),
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(user=None, group=None, token=None),
                name="one_limit_of_everyone",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.user or self.group or self.token or "Everyone")

    @property
    def is_closed(self) -> bool:
        """Whether it lets no question through: one 0 is enough."""
        return 0 in (self.questions, self.tokens, self.cost)


class DailyUse(models.Model):
    """What a person used on a day, by themselves (token null) or by one of their tokens."""

    day = models.DateField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.ForeignKey("assistant.ApiToken", null=True, on_delete=models.CASCADE, related_name="+")
    questions = models.PositiveIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=16, decimal_places=8, default=0)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["day", "user", "token"], name="one_use_per_token"),
            models.UniqueConstraint(fields=["day", "user"], condition=models.Q(token=None), name="one_use_without_token"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.user_id}"
