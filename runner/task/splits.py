"""Which objects may appear together in which split.

All unordered pairs of objects are divided at random. A coin for each pair, whose falls follow
from the data version, keeps half of the pairs from training; a second coin, whose falls follow
from the secret salt, gives each of those to the validation or to the sealed split. Each share is
an undirected graph, and the objects of a scene are a clique of the graph of its split: every two
of them are joined.

Random graphs have no structure to decode: from one object of an evaluation scene, whoever knows
the public half learns that the others are among its neighbours, about half of all objects, and
nothing more. A division in regular groups (the lines of a finite plane, say) would give away far
more, as an object or two would tell the group.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from runner.task.dice import Dice

SPLITS = ("validation", "sealed")

Graph = npt.NDArray[np.bool_]
"""Shape (objects, objects), symmetric: which pairs there are. Nothing is joined to itself."""

HELD_OUT_PERCENT = 50


def held_out_graph(objects: int, version: str) -> Graph:
    """The pairs that are kept from training; the same on every machine."""
    dice = Dice(f"{version}/pairs".encode())
    graph = _no_pairs(objects)
    for one, other in combinations(range(objects), 2):
        graph[one, other] = graph[other, one] = dice.chance(HELD_OUT_PERCENT)
    return graph


def training_graph(held_out: Graph) -> Graph:
    """All other pairs."""
    graph = ~held_out
    np.fill_diagonal(graph, val=False)
    return graph


def split_graph(held_out: Graph, split: str, dice: Dice) -> Graph:
    """The half of the held-out pairs that belongs to an evaluation split.

    `dice` must be the same, and fresh, for both splits.
    """
    graph = _no_pairs(len(held_out))
    first = split == SPLITS[0]
    for one, other in np.argwhere(np.triu(held_out)):
        graph[one, other] = graph[other, one] = dice.chance(50) == first
    return graph


def random_clique(dice: Dice, graph: Graph, size: int) -> list[int] | None:
    """So many objects, in random order, of which every two are joined.

    Grown one by one, each chosen among all that are joined to those before it; None if it
    cannot be grown to `size`, which another call may well manage.
    """
    clique: list[int] = []
    open_to = np.ones(len(graph), dtype=np.bool_)
    while len(clique) < size:
        candidates = np.flatnonzero(open_to)
        if not len(candidates):
            return None
        clique.append(int(candidates[dice.below(len(candidates))]))
        open_to &= graph[clique[-1]]
    return dice.shuffled(clique)


def _no_pairs(objects: int) -> Graph:
    return np.zeros((objects, objects), dtype=np.bool_)
