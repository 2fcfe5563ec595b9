"""Audiences: who may read. The same set of groups is one row, so that a partition's name says what it is."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group
from django.db import transaction

from ingestion.models import Audience, Corpus, Partition

EVERYONE_KEY = "everyone"


@transaction.atomic
def get_audience(groups: Iterable[Group] | None) -> Audience:
    """The audience of these groups; None means everyone in the organization, an empty list means nobody but the owner."""
    if groups is None:
        return Audience.objects.get_or_create(key=EVERYONE_KEY, defaults={"everyone": True})[0]
    members = sorted({group.pk: group for group in groups}.values(), key=lambda group: group.pk)
    key = "groups:" + ",".join(str(group.pk) for group in members)
    audience, is_new = Audience.objects.get_or_create(key=key)
    if is_new:
        audience.groups.set(members)
    return audience


def get_partition(corpus: Corpus, groups: Iterable[Group] | None) -> Partition:
    """The partition of a corpus for documents narrowed to these groups; None: for documents that are not narrowed."""
    audience = None if groups is None else get_audience(groups)
    return Partition.objects.get_or_create(corpus=corpus, audience=audience)[0]
