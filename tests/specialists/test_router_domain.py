from __future__ import annotations

import numpy as np

from specialists.router.domain import SpecialistScope, centroids_of, domain_from_centroids, domain_from_hits, specialist_for


def test_it_shares_a_question_among_the_corpora_of_its_hits() -> None:
    domain = domain_from_hits([4, 4, 9, 4], readable=[4, 9])
    assert [item.corpus for item in domain] == [4, 9]
    assert sum(item.share for item in domain) == 1.0
    assert domain[0].share > 0.7


def test_it_never_names_a_corpus_that_the_asker_may_not_read() -> None:
    assert [item.corpus for item in domain_from_hits([7, 7, 7, 4], readable=[4])] == [4]
    vector = np.array([1.0, 0.0], np.float32)
    centroids = {7: vector[None], 4: np.array([[0.0, 1.0]], np.float32)}
    assert [item.corpus for item in domain_from_centroids(vector, centroids, readable=[4])] == [4]
    assert domain_from_centroids(vector, centroids, readable=[]) == ()
    assert domain_from_hits([], readable=[4]) == ()


def test_it_finds_the_nearest_corpus_by_any_of_its_centroids() -> None:
    rng = np.random.default_rng(0)
    near, far = (rng.normal(size=(30, 8)).astype(np.float32) * 0.1 + centre for centre in (np.eye(8)[0], np.eye(8)[1]))
    vectors = np.concatenate([near, far]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    centroids = {1: centroids_of(vectors[:30], count=2), 2: centroids_of(vectors[30:], count=2)}
    domain = domain_from_centroids(vectors[3], centroids, readable=[1, 2])
    assert domain[0].corpus == 1
    assert domain[0].share > 0.9
    assert centroids_of(vectors, count=2).shape == (2, 8)
    assert centroids_of(np.empty((0, 8), np.float32)).shape == (0, 8)


def test_it_offers_a_specialist_only_to_who_may_read_all_it_learnt_from() -> None:
    domain = domain_from_hits([4, 4, 4, 9], readable=[4, 9])
    sales, both = SpecialistScope("sales", frozenset({4})), SpecialistScope("wide", frozenset({4, 11}))
    assert specialist_for(domain, [sales, both], readable=[4, 9]) == "sales"
    assert specialist_for(domain, [both], readable=[4, 9]) is None
    assert specialist_for(domain, [SpecialistScope("other", frozenset({9}))], readable=[4, 9]) is None
    assert specialist_for((), [sales], readable=[4]) is None
