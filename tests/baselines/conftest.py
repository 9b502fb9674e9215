"""Graphs here are tiny: the plain method of message passing compiles several times faster."""

import functools

import pytest

from symcere_jax.baselines import graph_training
from symcere_jax.graph import build_adjacency


@pytest.fixture(autouse=True)
def plain_propagation(monkeypatch):
    plain = functools.partial(build_adjacency, method="segment")
    monkeypatch.setattr(graph_training, "build_adjacency", plain)
