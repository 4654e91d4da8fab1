from __future__ import annotations

from harness.planning.plain import as_tuples, plain

FIELDS = {"ranges": ((1, 2.0), (3, 4.0)), "name": "ab", "nothing": None, "empty": (), "inner": {"x": (1,)}}
LISTS = {"ranges": [[1, 2.0], [3, 4.0]], "name": "ab", "nothing": None, "empty": [], "inner": {"x": [1]}}


def test_tuples_become_lists_at_any_depth_and_come_back():
    assert plain(FIELDS) == LISTS
    assert as_tuples(LISTS) == FIELDS
