"""A study being held: what a rater is asked next, which file is behind each picture, and what becomes of the answer.

Knows nothing of the web; `harness.study.server` puts it on a page.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from harness.errors import StudyError
from harness.records import SuiteManifest
from harness.store import Store
from harness.study.assignment import is_check, next_comparison, question_count
from harness.study.degraded import write_degraded
from harness.study.plan import Comparison, StudyPlan
from harness.study.record import StudyRecord
from harness.study.votes import Asked, Draft, Question, Votes

Part = Literal["left", "right", "reference"]


@dataclass(frozen=True, slots=True)
class StudyOptions:
    """How much one rater is asked, how many raters judge one comparison, and how often attention is checked."""

    questions: int = 40
    """A rater's at most, checks included."""
    raters_a_comparison: int = 3
    check_every: int = 10
    """One of so many questions is a check; 0 for none."""


@dataclass(frozen=True)
class Study:
    """An open study. `degraded` is the folder with the checks' bad halves, one file for each cell of `plan.checks`."""

    plan: StudyPlan
    votes: Votes
    store: Store
    options: StudyOptions
    degraded: Path

    def ask(self, rater: int) -> Question | None:
        """What the rater is to judge now: the same until it is answered. None once the rater is done."""
        question = self.votes.ask(rater, lambda asked: self._draft(rater, asked))
        while question is not None and not self._can_show(question):
            # Left open when the study was held on other rows, or with other checks.
            self.votes.answer(rater, question.question, "unplayable")
            question = self.votes.ask(rater, lambda asked: self._draft(rater, asked))
        return question

    def progress(self, rater: int) -> tuple[int, int]:
        """How many questions the rater has answered, and of how many."""
        comparisons = sum(len(pair.comparisons) for pair in self.plan.row_pairs)
        check_every = self.options.check_every if self.plan.checks else 0
        total = question_count(rater, comparisons, self.options.questions, check_every)
        return self.votes.answered(rater), total

    def prompt(self, question: Question) -> str:
        """What both videos are to show."""
        return self.plan.shown[question.left_cell_id].prompt

    @contextmanager
    def video(self, question: Question, part: Part) -> Iterator[Path]:
        """A local file with one of the question's videos, valid inside the context.

        Raises:
            StoreError: it is not in the store.
            StudyError: no reference is shown, or the suite no longer has the video.
        """
        if part == question.degraded:
            yield self.degraded / f"{question.left_cell_id}.mp4"
            return
        shown = self.plan.shown.get(question.right_cell_id if part == "right" else question.left_cell_id)
        path = None if shown is None else shown.reference if part == "reference" else shown.video
        if path is None:
            raise StudyError(f"{part}: there is no such video; go on to the next question")
        with self.store.local_path(path) as local:
            yield local

    def _can_show(self, question: Question) -> bool:
        if question.degraded is not None:
            return (self.degraded / f"{question.left_cell_id}.mp4").is_file()
        return {question.left_cell_id, question.right_cell_id} <= self.plan.shown.keys()

    def _draft(self, rater: int, asked: Asked) -> Draft | None:
        # Not seeded: a rater who knew the seed could tell left from right.
        chance = random.SystemRandom()
        swapped = chance.random() < 0.5
        if asked.number >= self.options.questions:
            return None
        if self.plan.checks and is_check(rater, asked.number, self.options.check_every):
            cell_id = chance.choice(self.plan.checks)
            return Draft(Comparison(cell_id, cell_id), swapped, is_check=True)
        comparison = next_comparison(
            self.plan.row_pairs, asked.counts, asked.seen, self.options.raters_a_comparison, chance
        )
        return None if comparison is None else Draft(comparison, swapped)


@contextmanager
def open_study(plan: StudyPlan, votes: Votes, store: Store, options: StudyOptions) -> Iterator[Study]:
    """The study, with its checks' videos made. StoreError if one of them cannot be read."""
    with TemporaryDirectory() as folder:
        for cell_id in plan.checks if options.check_every else ():
            with store.local_path(plan.shown[cell_id].video) as video:
                write_degraded(video, Path(folder) / f"{cell_id}.mp4")
        yield Study(plan, votes, store, options, Path(folder))


def open_votes(store: Store, suite: str, path: Path | None, *, reference_shown: bool) -> Votes:
    """The votes to go on with, or none yet, in `path` or else in the store.

    Raises:
        StudyError: the file cannot be used, or its votes were cast under other conditions.
    """
    votes = Votes(path or _votes_file(store, suite), suite, reference_shown=reference_shown)
    if votes.reference_shown != reference_shown:
        begun = "--reference" if votes.reference_shown else "--no-reference"
        raise StudyError(f"votes {str(votes.path)!r} were begun with {begun}; go on with it, or give another --votes")
    return votes


def read_votes(store: Store, suite: str, path: Path | None) -> StudyRecord:
    """The answers so far, in `path` or else in the store. StudyError where there are none."""
    path = path or _votes_file(store, suite)
    if not path.is_file():
        raise StudyError(f"nobody has voted on suite {suite!r}: there is no {str(path)!r}; `harness study serve` it")
    record = Votes(path, suite).record()
    if not record.votes:
        raise StudyError(f"nobody has voted on suite {suite!r} yet; ask somebody to")
    return record


def _votes_file(store: Store, suite: str) -> Path:
    """SQLite needs a file of this machine."""
    if "://" in store.root:
        raise StudyError(f"votes cannot be kept in store {store.root!r}, which is remote; give --votes FILE")
    return Path(store.root) / "studies" / f"{suite}.sqlite"


def finished_videos(store: Store, manifest: SuiteManifest) -> dict[str, str]:
    """Paths in the store of the suite's videos, by cell id."""
    records = store.cells(cell_id for row in manifest.rows for cell_id in row.cell_ids)
    return {cell_id: record.video for cell_id, record in records.items() if record.video is not None}
