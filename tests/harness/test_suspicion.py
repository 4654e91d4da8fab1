"""Failures in a row: whose fault they are."""

from __future__ import annotations

from harness.suspicion import FAILURES_IN_A_ROW, Suspicion, Verdict


def fail(suspicion: Suspicion, worker: str, place: str, row: str, times: int = FAILURES_IN_A_ROW) -> list[Verdict]:
    return [suspicion.failed(worker, place, row) for _ in range(times)]


def test_only_failures_in_a_row_count() -> None:
    suspicion = Suspicion()
    for _ in range(5):
        assert fail(suspicion, "w", "gpu 0", "fora", 2) == [Verdict.KEEP] * 2
        suspicion.succeeded("w", "gpu 0", "fora")


def test_a_place_where_others_succeed_is_replaced_once_and_then_retired() -> None:
    suspicion = Suspicion()
    suspicion.succeeded("good", "gpu 1", "fora")
    assert fail(suspicion, "w1", "gpu 0", "fora")[-1] is Verdict.REPLACE
    suspicion.gone("w1")
    assert fail(suspicion, "w2", "gpu 0", "fora") == [Verdict.KEEP, Verdict.KEEP, Verdict.RETIRE]


def test_a_success_after_the_replacement_clears_the_place() -> None:
    suspicion = Suspicion()
    suspicion.succeeded("good", "gpu 1", "fora")
    for worker in ("w1", "w2", "w3"):
        assert fail(suspicion, worker, "gpu 0", "fora")[-1] is Verdict.REPLACE
        suspicion.succeeded("next", "gpu 0", "fora")


def test_a_row_that_nobody_makes_costs_each_place_one_worker_and_no_place() -> None:
    suspicion = Suspicion()
    suspicion.succeeded("w1", "gpu 0", "original")
    verdicts = fail(suspicion, "w1", "gpu 0", "broken", 300) + fail(suspicion, "w2", "gpu 1", "broken", 300)
    assert verdicts.count(Verdict.REPLACE) == 2
    assert Verdict.RETIRE not in verdicts
    # Once somebody has made one after all, it speaks against the places again.
    suspicion.succeeded("w3", "gpu 2", "broken")
    assert fail(suspicion, "w1", "gpu 0", "broken")[-1] is Verdict.REPLACE
