from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.task.dice import Dice
from runner.task.splits import (
    SPLITS,
    Graph,
    held_out_graph,
    random_clique,
    split_graph,
    training_graph,
)

counts = st.integers(0, 60)


def graphs(objects: int, version: str, seed: bytes) -> tuple[Graph, Graph, Graph]:
    """Training, validation, sealed."""
    held_out = held_out_graph(objects, version)
    validation, sealed = (split_graph(held_out, split, Dice(seed)) for split in SPLITS)
    return training_graph(held_out), validation, sealed


@settings(max_examples=50)
@given(counts, st.text(max_size=5), st.binary(max_size=4))
def test_every_pair_belongs_to_exactly_one_split_in_either_order(
    objects: int, version: str, seed: bytes
) -> None:
    every = graphs(objects, version, seed)
    for graph in every:
        assert graph.shape == (objects, objects)
        assert np.array_equal(graph, graph.T)
    assert np.array_equal(sum(graph.astype(int) for graph in every), 1 - np.eye(objects, dtype=int))


@settings(max_examples=50)
@given(counts, st.integers(1, 6), st.binary(max_size=4))
def test_every_two_objects_of_a_clique_are_joined(objects: int, size: int, seed: bytes) -> None:
    graph = held_out_graph(objects, "v")
    clique = random_clique(Dice(seed), graph, size)
    if clique is not None:
        assert len(set(clique)) == size
        assert all(graph[one, other] for one, other in combinations(clique, 2))


def test_a_clique_that_cannot_be_is_not_found() -> None:
    triangle = np.zeros((4, 4), dtype=np.bool_)
    triangle[:3, :3] = ~np.eye(3, dtype=np.bool_)
    found = [random_clique(Dice(bytes([seed])), triangle, 3) for seed in range(40)]
    assert {frozenset(clique) for clique in found if clique is not None} == {frozenset({0, 1, 2})}
    assert None in found  # grown from the lonely fourth
    assert all(random_clique(Dice(bytes([seed])), triangle, 4) is None for seed in range(40))


def test_the_members_of_a_clique_come_in_any_order() -> None:
    graph = held_out_graph(30, "v")
    firsts = {
        cliq[0] for seed in range(300) if (cliq := random_clique(Dice(bytes(seed)), graph, 3))
    }
    assert len(firsts) == 30


@pytest.mark.parametrize("objects", [60, 200, 580])
def test_half_of_the_pairs_is_kept_from_training_and_halved_again(objects: int) -> None:
    training, validation, sealed = (
        graph.sum() / (objects * (objects - 1)) for graph in graphs(objects, "v", b"salt")
    )
    assert 0.45 < training < 0.55
    assert 0.2 < validation < 0.3
    assert 0.2 < sealed < 0.3


def test_another_version_keeps_other_pairs_and_another_salt_divides_them_otherwise() -> None:
    one, other = held_out_graph(200, "one"), held_out_graph(200, "other")
    assert 0.45 < (one ^ other)[np.triu_indices(200, 1)].mean() < 0.55
    mine, theirs = (split_graph(one, "sealed", Dice(salt)) for salt in (b"mine", b"theirs"))
    assert 0.45 < (mine ^ theirs)[one].mean() < 0.55
