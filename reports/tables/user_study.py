"""What people preferred, blind and pairwise: win rates and Bradley and Terry's strengths, then row against row."""

from __future__ import annotations

from harness.records import RowManifest
from reports.bootstrap import Interval
from reports.markdown import plural
from reports.results import Results
from reports.rows import is_original
from reports.sheet import ABSENT, NOT_APPLICABLE, Block, Cell, Heading, Line, Sheet
from reports.study.results import RowPreference, Share, StudyResults

TITLE = "User study"
POSITION = 4
HEADINGS = (
    Heading("Votes"),
    Heading("Won"),
    Heading("Tied"),
    Heading("Lost"),
    Heading("Win rate", "%", "higher"),
    Heading("Strength", direction="higher"),
    Heading("Against the original", "%"),
)


def belongs(results: Results) -> bool:
    """Where somebody's votes count."""
    return results.study is not None and bool(results.study.models)


def sheet(results: Results) -> Sheet:
    """Two blocks per model, the originals first."""
    study = results.study
    if study is None:
        return Sheet(TITLE, ())
    blocks: list[Block] = []
    for model, rows in results.models().items():
        voted = [(row, preference) for row in rows if (preference := study.row(row.row)) is not None]
        if voted:
            blocks += [_overall(model, voted), _head_to_head(model, voted)]
    return Sheet(
        TITLE,
        tuple(blocks),
        lead=tuple(_asked(study)),
        remarks=(
            "A tie is half a win. Strength is Bradley and Terry's, with mean 0 over a model's rows: a difference of d "
            "means a preference of 1 / (1 + exp(-d)).",
        ),
        interval_means="95 % intervals (bootstrap over prompts and raters at once)",
        undecided_means="a preference not distinguishable from an even 50 %",
    )


def _asked(study: StudyResults) -> list[str]:
    """Who was asked, and what became of every answer."""
    counted, raters = study.preferences, study.preferences.raters
    shown = "the original shown beside each pair" if study.reference_shown else "no reference shown"
    checks, passed = sum(rater.checks for rater in raters), sum(rater.passed for rater in raters)
    lines = [
        f"{plural(len(counted.votes), 'vote')} of {plural(len({*counted.votes['rater']}), 'rater')}, two videos of one "
        f"prompt at a time, sides drawn by lot, methods hidden, {shown}. Attention checks (a video against a degraded "
        f"copy of itself): {passed} of {checks} passed."
    ]
    for reason, count in counted.left_out.items():
        lines.append(f"Left out: {plural(count, 'vote')} {reason}.")
    agreed = study.agreement
    if agreed.agreeing is None:
        return [*lines, "No comparison was judged by two raters, so nothing is known of their agreement."]
    alpha = "not defined, since all answers are the same" if agreed.alpha is None else f"{agreed.alpha:.2f}"
    return [
        *lines,
        f"On {plural(agreed.units, 'comparison')} that several raters judged, two of them gave the same answer (first, "
        f"tie, second) {100 * agreed.agreeing:.0f} % of the time; Krippendorff's alpha is {alpha}.",
    ]


def _overall(model: str, voted: list[tuple[RowManifest, RowPreference]]) -> Block:
    originals = {row.row for row, _ in voted if is_original(row)}
    lines = []
    for row, preference in voted:
        overall = preference.overall
        against = preference.against.get(row.baseline or "") if row.baseline in originals else None
        counts = (overall.votes, overall.won, overall.tied, overall.lost)
        cells = (
            *(Cell(str(count)) for count in counts),
            _rate(overall, marked=False),
            _strength(preference),
            Cell(NOT_APPLICABLE) if against is None else _rate(against),
        )
        lines.append(Line(row.row, cells))
    return Block(model, HEADINGS, tuple(lines))


def _head_to_head(model: str, voted: list[tuple[RowManifest, RowPreference]]) -> Block:
    """How often the row of the line was preferred to the row of the column."""
    names = [row.row for row, _ in voted]
    lines = [
        Line(row.row, tuple(_against(preference.against.get(name)) for name in names)) for row, preference in voted
    ]
    headings = tuple(Heading(name) for name in names)
    return Block(model, headings, tuple(lines), setting="percent preferred to the row of the column, of so many votes")


def _against(share: Share | None) -> Cell:
    return Cell(NOT_APPLICABLE if share is None else f"{share.rate:.0f} ({share.votes})")


def _rate(share: Share, *, marked: bool = True) -> Cell:
    undecided = marked and share.distinguishable is False
    return Cell(f"{share.rate:.1f}", undecided=undecided, interval=_ends(share.interval, 1))


def _strength(preference: RowPreference) -> Cell:
    if preference.strength is None:
        return Cell(ABSENT, notes=(f"{preference.reason}.",))
    return Cell(f"{preference.strength:+.2f}", interval=_ends(preference.strength_interval, 2))


def _ends(interval: Interval | None, decimals: int) -> tuple[str, str] | None:
    return None if interval is None else (f"{interval.low:.{decimals}f}", f"{interval.high:.{decimals}f}")
