"""The votes of one study in a SQLite file: raters, what each was asked, and what each answered.

Unlike the ledger, this file cannot be rebuilt: an answer is on the disk before `answer` returns, and a damaged file is
never replaced. Every call is one transaction on a connection of its own, so that threads and processes may share the
file. Secrets that let raters in are kept as hashes.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StudyError
from harness.study.plan import Comparison
from harness.study.record import Choice, Side, StudyRecord, VoteRecord

_VERSION = 1

_TABLES = (
    "CREATE TABLE study (suite TEXT NOT NULL, reference_shown INTEGER NOT NULL)",
    "CREATE TABLE raters (rater INTEGER PRIMARY KEY, name TEXT UNIQUE, invitation_sha256 TEXT UNIQUE,"
    " CHECK ((name IS NULL) != (invitation_sha256 IS NULL)))",
    "CREATE TABLE sessions (session_sha256 TEXT PRIMARY KEY, rater INTEGER NOT NULL REFERENCES raters) WITHOUT ROWID",
    "CREATE TABLE questions (question TEXT PRIMARY KEY, rater INTEGER NOT NULL REFERENCES raters,"
    " number INTEGER NOT NULL, first_cell_id TEXT NOT NULL, second_cell_id TEXT NOT NULL, swapped INTEGER NOT NULL,"
    " is_check INTEGER NOT NULL, asked_at REAL NOT NULL, choice TEXT, answered_at REAL, UNIQUE (rater, number))"
    " WITHOUT ROWID",
    "CREATE UNIQUE INDEX one_open_question ON questions (rater) WHERE choice IS NULL",
    "CREATE INDEX asked ON questions (first_cell_id, second_cell_id)",
)

OPEN_S = 1800.0
"""How long an unanswered question counts as asked; after that its rater is taken to have left."""

_WAIT_S = 20.0
"""How long a transaction waits for another's end."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question that nobody was asked yet. In a check both cells are the same, and the second is degraded."""

    comparison: Comparison
    swapped: bool
    """Whether the second cell is on the left."""
    is_check: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """What one rater was asked. `question` is a random name that says nothing about what it shows."""

    question: str
    number: int
    """Counted from 0, of this rater's questions."""
    left_cell_id: str
    right_cell_id: str
    degraded: Side | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked so far: by anybody, in how many comparisons each; by this rater, which and how many questions."""

    counts: Mapping[Comparison, int]
    seen: Set[Comparison]
    number: int


class Votes:
    """The file of votes of one suite's study."""

    def __init__(self, path: Path, suite: str, *, reference_shown: bool = False) -> None:
        """Open the file, or make it, for raters who do or do not see a reference.

        Raises:
            StudyError: the file is another suite's, or cannot be used.
        """
        self.path, self.suite = path, suite
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudyError(f"folder of votes {str(path.parent)!r} cannot be made ({error}); give --votes") from error
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and version != _VERSION:
                raise StudyError(f"votes {str(path)!r} have version {version}, not {_VERSION}; give another --votes")
            if not tables:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute("INSERT INTO study VALUES (?, ?)", (suite, reference_shown))
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            held_on, shown = connection.execute("SELECT suite, reference_shown FROM study").fetchone()
        if held_on != suite:
            raise StudyError(f"votes {str(path)!r} are on suite {held_on!r}, not {suite!r}; give another --votes")
        self.reference_shown = bool(shown)
        """As the study was begun."""

    # Raters

    def invite(self, count: int) -> list[str]:
        """Let in that many raters more, each by a secret of its own; from now on nobody enters by name."""
        invitations = [secrets.token_urlsafe(16) for _ in range(count)]
        with self._transaction() as connection:
            connection.executemany(
                "INSERT INTO raters (invitation_sha256) VALUES (?)", [(_sha256(one),) for one in invitations]
            )
        return invitations

    def invitation_needed(self) -> bool:
        """Whether raters were invited, so that a name does not open the door."""
        with self._transaction() as connection:
            return connection.execute("SELECT 1 FROM raters WHERE name IS NULL").fetchone() is not None

    def enter(self, name: str) -> str:
        """Begin a session of the rater of this name, new or back again; the session's secret."""
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO raters (name) VALUES (?)", (name,))
            ((rater,),) = connection.execute("SELECT rater FROM raters WHERE name = ?", (name,))
            return _new_session(connection, rater)

    def enter_invited(self, invitation: str) -> str | None:
        """Begin a session of an invited rater; None where nobody was invited by this secret."""
        with self._transaction() as connection:
            found = connection.execute(
                "SELECT rater FROM raters WHERE invitation_sha256 = ?", (_sha256(invitation),)
            ).fetchone()
            return None if found is None else _new_session(connection, found[0])

    def rater(self, session: str) -> int | None:
        """Whose session it is; None where there is no such session."""
        with self._transaction() as connection:
            found = connection.execute(
                "SELECT rater FROM sessions WHERE session_sha256 = ?", (_sha256(session),)
            ).fetchone()
        return None if found is None else int(found[0])

    # Questions

    def ask(self, rater: int, choose: Callable[[Asked], Draft | None]) -> Question | None:
        """The rater's open question, or a new one that `choose` makes of what was asked so far; None if it does not.

        Choosing and asking are one transaction, so that two raters never choose from the same counts.
        """
        with self._transaction() as connection:
            found = _questions(connection, "rater = ? AND choice IS NULL", rater)
            if not found:
                draft = choose(_asked(connection, rater))
                if draft is None:
                    return None
                _insert_question(connection, rater, draft)
                found = _questions(connection, "rater = ? AND choice IS NULL", rater)
        return found[0]

    def question(self, rater: int, question: str) -> Question | None:
        """A question that this rater was asked; None where it is somebody else's, or nobody's."""
        with self._transaction() as connection:
            found = _questions(connection, "rater = ? AND question = ?", rater, question)
        return found[0] if found else None

    def answer(self, rater: int, question: str, choice: Choice) -> bool:
        """Keep the answer, for good: the first one stays. False if the rater was never asked this."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE questions SET choice = ?, answered_at = ? WHERE rater = ? AND question = ? AND choice IS NULL",
                (choice, time.time(), rater, question),
            )
            return bool(_questions(connection, "rater = ? AND question = ?", rater, question))

    def answered(self, rater: int) -> int:
        """How many questions the rater has answered."""
        with self._transaction() as connection:
            ((count,),) = connection.execute(
                "SELECT count(*) FROM questions WHERE rater = ? AND choice IS NOT NULL", (rater,)
            )
        return int(count)

    def record(self) -> StudyRecord:
        """All answers so far, without the names of those who gave them."""
        with self._transaction() as connection:
            answers = connection.execute(
                f"SELECT {_QUESTION_COLUMNS}, rater, choice, answered_at, answered_at - asked_at FROM questions "
                "WHERE choice IS NOT NULL ORDER BY answered_at, question"
            ).fetchall()
        votes = []
        for *columns, rater, choice, answered_at, shown_s in answers:
            asked = _question(*columns)
            votes.append(
                VoteRecord(
                    rater=rater,
                    left_cell_id=asked.left_cell_id,
                    right_cell_id=asked.right_cell_id,
                    degraded=asked.degraded,
                    choice=choice,
                    answered_at=answered_at,
                    shown_s=shown_s,
                )
            )
        return StudyRecord(suite=self.suite, reference_shown=self.reference_shown, votes=tuple(votes))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Writers queue up from the start, so that none fails halfway because another was faster."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT_S, isolation_level=None)) as connection:
                # No write-ahead log: it is unsafe on network disks, and people do not vote that fast.
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                with connection:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
        except sqlite3.Error as error:
            raise StudyError(
                f"votes {str(self.path)!r} cannot be used ({error}); mend the file, or give another --votes"
            ) from error


_QUESTION_COLUMNS = "question, number, first_cell_id, second_cell_id, swapped, is_check"


def _questions(connection: sqlite3.Connection, where: str, *values: int | str) -> list[Question]:
    rows = connection.execute(f"SELECT {_QUESTION_COLUMNS} FROM questions WHERE {where}", values)
    return [_question(*row) for row in rows]


def _question(question: str, number: int, first: str, second: str, swapped: int, is_check: int) -> Question:
    left, right = (second, first) if swapped else (first, second)
    side: Side = "left" if swapped else "right"
    return Question(question, number, left, right, side if is_check else None)


def _asked(connection: sqlite3.Connection, rater: int) -> Asked:
    counts = connection.execute(
        "SELECT first_cell_id, second_cell_id, count(*) FROM questions WHERE NOT is_check AND "
        "(choice IN ('left', 'tie', 'right') OR choice IS NULL AND asked_at > ?) GROUP BY 1, 2",
        (time.time() - OPEN_S,),
    ).fetchall()
    own = connection.execute(
        "SELECT first_cell_id, second_cell_id, is_check FROM questions WHERE rater = ?", (rater,)
    ).fetchall()
    return Asked(
        counts={Comparison(first, second): count for first, second, count in counts},
        seen={Comparison(first, second) for first, second, is_check in own if not is_check},
        number=len(own),
    )


def _insert_question(connection: sqlite3.Connection, rater: int, draft: Draft) -> None:
    connection.execute(
        "INSERT INTO questions SELECT ?, ?, count(*), ?, ?, ?, ?, ?, NULL, NULL FROM questions WHERE rater = ?",
        (
            secrets.token_urlsafe(16),
            rater,
            draft.comparison.first_cell_id,
            draft.comparison.second_cell_id,
            draft.swapped,
            draft.is_check,
            time.time(),
            rater,
        ),
    )


def _new_session(connection: sqlite3.Connection, rater: int) -> str:
    session = secrets.token_urlsafe(32)
    connection.execute("INSERT INTO sessions VALUES (?, ?)", (_sha256(session), rater))
    return session


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
