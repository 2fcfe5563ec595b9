from __future__ import annotations

import io
import random

import numpy as np
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection

from ingestion.models import Chunk, Corpus, Document, DocumentState
from ingestion.permissions import readable_chunks, readable_partitions
from ingestion.services import add_document, create_corpus
from ingestion.worker import work_until_empty
from retrieval.embedders import get_embedder
from retrieval.passages import Passage
from retrieval.search import question_vector, search

TRIPLES = 10_000
TOPICS = ["annual leave", "travel expenses", "password reset", "invoice approval", "server restart", "parental leave",
          "hotel limit", "discount rules", "contract termination", "release notes", "calibration", "salary bands"]  # fmt: skip

# Who may read which document, asked of the tables directly and in words of its own.
ORACLE = """
SELECT d.id FROM ingestion_document d
JOIN ingestion_corpus c ON c.id = d.corpus_id JOIN ingestion_partition p ON p.id = d.partition_id
JOIN auth_user u ON u.id = %(user)s
WHERE u.is_active AND (c.owner_id = u.id OR (
  EXISTS (SELECT 1 FROM ingestion_audience a WHERE a.id = c.audience_id AND (a.everyone OR EXISTS (
    SELECT 1 FROM ingestion_audience_groups g JOIN auth_user_groups ug ON ug.group_id = g.group_id
    WHERE g.audience_id = a.id AND ug.user_id = u.id)))
  AND (p.audience_id IS NULL OR EXISTS (
    SELECT 1 FROM ingestion_audience a WHERE a.id = p.audience_id AND (a.everyone OR EXISTS (
    SELECT 1 FROM ingestion_audience_groups g JOIN auth_user_groups ug ON ug.group_id = g.group_id
    WHERE g.audience_id = a.id AND ug.user_id = u.id))))))
"""


def _make_world(random_: random.Random) -> tuple[list[User], list[Corpus]]:
    groups = [Group.objects.create(name=f"Group {number}") for number in range(8)]
    people = [User.objects.create(username=f"person{number}", is_active=number % 12 != 5) for number in range(36)]
    for person in people:
        person.groups.set(random_.sample(groups, random_.choice([0, 1, 1, 2, 3])))
    corpora = []
    for number in range(14):
        audience = None if number % 5 == 0 else random_.sample(groups, random_.choice([0, 1, 2]))
        corpora.append(create_corpus(name=f"Corpus {number}", owner=random_.choice(people), groups=audience))
    for number in range(110):
        topic = random_.choice(TOPICS)
        text = f"# {topic}\n\nRule {number} on {topic} says that case {number * 7} needs {number} approvals of the {topic} team."
        narrowing = {"groups": random_.sample(groups, random_.choice([0, 1, 2]))} if random_.random() < 0.3 else {}
        add_document(
            corpus=random_.choice(corpora),
            source_name=f"{number}.md",
            content=io.BytesIO(text.encode()),
            uploaded_by=None,
            **narrowing,
        )
    work_until_empty()
    assert not Document.objects.exclude(state=DocumentState.READY).exists()
    return people, corpora


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_it_never_finds_a_passage_that_the_person_may_not_read() -> None:
    """…and the eight nearest that it finds are the eight nearest of all that the person may read."""
    random_ = random.Random(20261122)
    people, corpora = _make_world(random_)
    document_of = dict(Chunk.objects.values_list("pk", "document_id"))
    corpus_of = {document.pk: document.corpus for document in Document.objects.select_related("corpus")}
    chunks = list(Chunk.objects.all())
    places = [chunk.document_id for chunk in chunks]
    vectors = get_embedder().embed_passages([Passage(chunk.pk, chunk.text, chunk.context).searchable_text for chunk in chunks])
    found = forbidden = 0
    for number in range(TRIPLES):
        if number % 500 == 0:  # people change groups all the time; the next search must know
            person = random_.choice(people)
            person.groups.set(random_.sample(list(Group.objects.all()), random_.choice([0, 1, 2])))
        person = random_.choice(people)
        narrowed = random_.sample(corpora, random_.randint(0, 4)) if random_.random() < 0.5 else None
        with connection.cursor() as cursor:
            cursor.execute(ORACLE, {"user": person.pk})
            allowed = {row[0] for row in cursor.fetchall()}
        question = f"{random_.choice(TOPICS)} rule {random_.randint(0, 9)}"
        scope = [partition.key for partition in readable_partitions(person, corpora=narrowed)]
        result = search(question, scope=scope, top_k=8)
        hits = result.hits
        is_allowed = np.array([place in allowed and (narrowed is None or corpus_of[place] in narrowed) for place in places])
        truth = np.sort((vectors @ question_vector(question)[0])[is_allowed])[::-1][:8]
        assert [hit.score for hit in result.dense[:8]] == pytest.approx(truth.tolist(), abs=1e-5)
        reread = list(readable_chunks(person, [hit.id for hit in hits]))
        forbidden += sum(document_of[hit.id] not in allowed for hit in hits)
        forbidden += sum(chunk.document_id not in allowed for chunk in reread)
        found += len(hits)
    assert forbidden == 0
    assert found > TRIPLES, "the people of this world hardly find anything: the test would prove nothing"
