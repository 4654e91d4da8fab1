"""Errors travel between processes and name the nearest match."""

from __future__ import annotations

import pickle

import pytest

from harness import discovery, errors

CLASSES = [
    value
    for value in (*vars(errors).values(), discovery.UnknownNameError)
    if isinstance(value, type) and issubclass(value, Exception)
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_survives_pickling_and_is_one_of_ours(kind):
    error = kind("suite.yaml:3: methods.0: wrong")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert isinstance(copy, errors.HarnessError)


def test_nearest_names_the_closest():
    assert errors.nearest("teacach", ["fora", "teacache", "pab"]) == "; did you mean 'teacache'?"


def test_nearest_lists_all_in_order_where_none_is_close():
    assert errors.nearest("zzzz", ["fora", "pab", "dit"]) == "; known: dit, fora, pab"
