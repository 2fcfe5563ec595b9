from __future__ import annotations

import random

import pytest
from django.contrib.auth.models import Group, User

from assistant.models import Conversation, Door
from assistant.permissions import common_partitions, searchable_chunks, searchable_partitions
from ingestion.audiences import get_partition
from ingestion.models import Chunk, Corpus, Document, DocumentState
from ingestion.permissions import readable_partitions
from ingestion.services import create_corpus
from tests.people import People

pytestmark = pytest.mark.django_db


def keys(partitions: object) -> set[int]:
    return set(partitions.values_list("pk", flat=True))  # type: ignore[attr-defined]


def make_world(seed: int) -> tuple[list[User], list[Corpus], random.Random]:
    """Ten people in some of five groups, twelve corpora for some of them, partitions narrowed further."""
    chance = random.Random(seed)
    groups = [Group.objects.create(name=f"Group {number}") for number in range(5)]
    people = [User.objects.create(username=f"person-{number}", is_active=chance.random() > 0.1) for number in range(10)]
    for person in people:
        person.groups.set(chance.sample(groups, chance.randint(0, 3)))
    corpora = []
    for number in range(12):
        wide = None if chance.random() < 0.3 else chance.sample(groups, chance.randint(0, 3))
        corpus = create_corpus(
            name=f"Corpus {number}", owner=chance.choice(people), groups=wide, is_for_slack=chance.random() < 0.5
        )
        get_partition(corpus, None)
        get_partition(corpus, chance.sample(groups, chance.randint(1, 3)))
        corpora.append(corpus)
    return people, corpora, chance


@pytest.mark.parametrize("seed", range(3))
def test_it_opens_to_several_people_exactly_what_each_of_them_may_read(seed: int) -> None:
    people, corpora, chance = make_world(seed)
    for _ in range(15):
        some = chance.sample(people, chance.randint(1, 5))
        chosen = chance.sample(corpora, 4) if chance.random() < 0.5 else None
        expected = set.intersection(*(keys(readable_partitions(person, corpora=chosen)) for person in some))
        assert keys(common_partitions(some, corpora=chosen)) == expected


@pytest.mark.parametrize("seed", range(3))
def test_the_second_gate_lets_through_what_the_search_may_open_and_no_more(seed: int) -> None:
    people, corpora, chance = make_world(seed)
    chunks = [make_chunk(corpus, number) for corpus in corpora for number in range(2)]
    for door in (Door.WEB, Door.SLACK):
        conversation = Conversation.objects.create(user=people[0], title="A thread", is_common=True, door=door)
        for _ in range(5):
            conversation.readers.set(chance.sample(people, chance.randint(1, 3)))
            opened = keys(searchable_partitions(conversation))
            passed = searchable_chunks(conversation, [chunk.pk for chunk in chunks])
            assert {chunk.document.partition_id for chunk in passed} == opened & {chunk.document.partition_id for chunk in chunks}
            assert all(chunk.document.corpus.is_for_slack for chunk in passed) or door == Door.WEB


def test_without_a_reader_a_common_conversation_opens_nothing(people: People) -> None:
    get_partition(create_corpus(name="Handbook", owner=people.ada, is_for_slack=True), None)
    conversation = Conversation.objects.create(user=people.ben, title="A thread", is_common=True, door=Door.SLACK)
    assert keys(common_partitions([])) == set()
    assert keys(searchable_partitions(conversation)) == set()
    conversation.readers.add(people.ben)
    assert len(keys(searchable_partitions(conversation))) == 1


def make_chunk(corpus: Corpus, number: int) -> Chunk:
    partition = corpus.partitions.order_by("pk")[number]
    document = Document.objects.create(
        corpus=corpus, partition=partition, source_name=f"{number}.md", file="", sha256="0" * 64, size=1, revision=1,
        state=DocumentState.READY,
    )  # fmt: skip
    return Chunk.objects.create(document=document, revision=1, position=0, start=0, end=1, text="x")
