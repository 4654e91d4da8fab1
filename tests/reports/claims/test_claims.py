"""DisCa's six claims on records in which all hold, and on records in which one part of one does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.suite import load_suite
from reports.claims import (
    at_speed,
    caches_lose_more,
    disca_beats_caches,
    discover,
    gan_helps,
    judge,
    memory_of_one_state,
    speedups_agree,
)
from reports.claims.verdict import Outcome
from reports.published.disca import TABLE_7
from tests.reports.claims.records import ROWS, like, results

SUITES = Path(__file__).parents[3] / "suites"


@pytest.fixture(scope="module")
def verdicts():
    """Of the records in which all hold."""
    return judge(results())


def outcome(letter, **changed):
    return judge(results(**changed))[letter].outcome


def findings(letter, **changed):
    return {finding.said: finding for finding in judge(results(**changed))[letter].findings}


def test_there_are_six_in_the_papers_order():
    assert list(discover()) == ["a", "b", "c", "d", "e", "f"]


def test_what_each_is_held_to_is_stated(verdicts):
    assert all("Held to: " in verdict.held_to for verdict in verdicts.values())


def test_all_hold_where_the_paper_is_right(verdicts):
    assert {letter: verdict.outcome for letter, verdict in verdicts.items()} == dict.fromkeys("abcdef", Outcome.HOLDS)


@pytest.mark.parametrize(
    ("letter", "changed"),
    [
        ("a", like("Restricted MeanFlow: 20 steps", loss=0.2)),
        ("a", like("Restricted MeanFlow: 10 steps", loss=0.4)),
        ("a", like("Restricted MeanFlow: 10 steps", loss=0.29)),  # better than plain, but less so than at 20
        ("b", like("FORA (N=6)", loss=0.0)),
        ("b", like("TeaCache (l=0.15)", loss=0.0)),
        ("c", like("TaylorSeer (N=3, O=1) on Restricted MeanFlow", loss=0.0)),
        ("d", like("DisCa without GAN", loss=0.0)),
        ("e", like("DisCa (R=0.2, N=4)", states=2)),
        ("e", like("FORA (N=3)", states=2)),
        ("f", {row: made for row in speedups_agree.SINGLE_LAYER for made in like(row, agreement=0.7).values()}),
        ("f", {row: made for row in speedups_agree.MULTI_LAYER for made in like(row, agreement=1.0).values()}),
    ],
)
def test_one_part_that_is_otherwise_makes_its_claim_fail_and_no_other(letter, changed):
    verdicts = judge(results(**changed))
    assert [name for name, verdict in verdicts.items() if verdict.outcome is Outcome.FAILS] == [letter]


def test_equal_rows_cannot_be_told_apart():
    assert outcome("d", **like("DisCa without GAN", loss=ROWS["DisCa (R=0.2, N=4)"].loss)) is Outcome.UNDECIDED


@pytest.mark.parametrize(
    ("letter", "row"),
    [
        ("a", "MeanFlow: 20 steps"),
        ("b", "PAB (N=8)"),
        ("b", "DisCa (R=0.2, N=3)"),
        ("c", "DisCa without predictor"),
        ("d", "DisCa without GAN"),
        ("e", "Delta-DiT (N=5)"),
        ("f", "FORA (N=6)"),
    ],
)
def test_a_row_that_is_not_there_is_named(letter, row):
    verdict = judge(results(**{row: None}))[letter]
    assert verdict.outcome is Outcome.NOT_MEASURED
    assert f"the suite has no row {row!r}" in {finding.found for finding in verdict.findings}


def test_one_prompt_tells_nothing():
    verdicts = judge(results(prompts=1))
    assert not {verdict.outcome for verdict in verdicts.values()} & {Outcome.HOLDS, Outcome.FAILS}


class TestCachesAgainstDisca:
    def test_the_setting_compared_is_the_slowest_that_is_as_fast(self, verdicts):
        said = [finding.said for finding in verdicts["b"].findings]
        assert any(text.startswith("semantic score, DisCa (R=0.2, N=2) at 7.") and "PAB (N=5)" in text for text in said)
        assert any(text.startswith("semantic score, DisCa (R=0.2, N=3) at 9") and "FORA (N=6)" in text for text in said)

    def test_of_a_faster_cache_the_claim_is_silent(self):
        verdict = judge(results(**like("FORA (N=6)", flops_speedup=30.0, loss=0.0)))["b"]
        assert verdict.outcome is Outcome.HOLDS
        silent = next(finding for finding in verdict.findings if "FORA (N=6)" in finding.said)
        assert not silent.decides
        assert "faster than every setting of DisCa" in silent.found

    @pytest.mark.parametrize("flops_speedup", [5.1, 30.0])
    def test_a_cache_on_the_student_that_skips_much_less_or_more_does_not_decide(self, flops_speedup):
        row = "TeaCache (l=0.15) on Restricted MeanFlow"
        verdict = judge(results(**like(row, flops_speedup=flops_speedup, loss=0.0)))["c"]
        assert verdict.outcome is Outcome.HOLDS
        told = [finding for finding in verdict.findings if row in finding.said]
        assert [finding.decides for finding in told] == [False]
        assert ("N=2" if flops_speedup < 6 else "N=4") in told[0].said

    def test_what_the_predictor_loses_is_told(self, verdicts):
        lost = verdicts["c"].findings[-1]
        assert lost.said == "semantic score that DisCa (R=0.2, N=4) loses of the student's"
        assert lost.found.value == pytest.approx(3.0, abs=0.5)


def test_agreement_is_a_geometric_mean_of_quotients():
    agreeing = dict(zip(speedups_agree.MULTI_LAYER, (0.5, 0.8, 0.8, 0.8, 0.8, 0.8), strict=True))
    changed = {row: made for row, value in agreeing.items() for made in like(row, agreement=value).values()}
    told = findings("f", **changed)
    mean = told["actual over theoretical speedup, caches of every layer"].found
    assert mean.value == pytest.approx((0.5 * 0.8**5) ** (1 / 6), rel=0.02)
    one = told["actual over theoretical speedup, PAB (N=5)"].found
    assert one.value == pytest.approx(0.5, rel=0.02)


def test_the_paper_itself_would_pass_the_bounds_set_for_agreement():
    def mean(rows):
        product = 1.0
        for row in rows:
            product *= TABLE_7.value(row, "speedup").value / TABLE_7.value(row, "flops_speedup").value
        return product ** (1 / len(rows))

    single, multi = mean(speedups_agree.SINGLE_LAYER), mean(speedups_agree.MULTI_LAYER)
    assert (round(single, 2), round(multi, 2)) == (0.96, 0.84)
    assert 1 - speedups_agree.TOLERANCE < single < 1 + speedups_agree.TOLERANCE
    assert multi < 1 - speedups_agree.TOLERANCE


def test_every_row_a_claim_names_is_one_of_the_suite():
    loaded = load_suite(SUITES / "shapes_disca.yaml").suite
    in_suite = {entry.name for entry in loaded.methods}
    named = {
        *(*disca_beats_caches.CACHES, *caches_lose_more.CACHES, caches_lose_more.STUDENT, *at_speed.DISCA),
        *(gan_helps.WITH, gan_helps.WITHOUT),
        *(memory_of_one_state.ONE_STATE, memory_of_one_state.DISCA, *memory_of_one_state.MULTI_LAYER),
        *(speedups_agree.ORIGINAL, *speedups_agree.SINGLE_LAYER, *speedups_agree.MULTI_LAYER),
    }
    assert named <= in_suite
    assert set(ROWS) <= in_suite
    used = {term for letter in "abcdef" for term in _rows_used(letter)}
    assert used <= in_suite


def _rows_used(letter):
    """Rows that a claim asks for, as it says of results that have none."""
    empty = results(**dict.fromkeys(set(ROWS) - {"Original: 50 steps"}))
    reasons = [finding.found for finding in judge(empty)[letter].findings]
    return {reason.split("'")[1] for reason in reasons if isinstance(reason, str) and "'" in reason}


def test_the_ladder_has_as_many_blocks_as_the_claim_says():
    from harness.shapes.ladder.model import Teacher

    config = Teacher().transformer.config
    assert config.num_layers + config.num_single_layers == memory_of_one_state.BLOCKS
