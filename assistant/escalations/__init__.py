"""Questions that go to a person: the owner of the nearest corpus answers them in the product."""
