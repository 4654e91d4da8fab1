"""The processes that make one cell together, a device each: who leads, what they are told, what each has to say.

Rank 0 leads: it is the worker that the driver knows. The others follow: they wait for its cells, make the same video
on their part of the tokens, and say what that cost. Each cell has a process group of its own, so that a rank that
fails leaves it, which ends the waiting of all others, and the next cell begins afresh. What they tell each other beside
tensors goes through torch's `TCPStore`, which the leader holds.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from harness.errors import HarnessError, InvalidVideoError, one_line
from harness.records import Status, canonical_hash
from harness.task import CellTask

if TYPE_CHECKING:
    from harness.resident import Made

# Its stores are not typed; as Any, that does not surface here.
_distributed: Any = dist

HOST = "127.0.0.1"
"""All ranks of a cell are on one machine."""

STEP_PATIENCE = timedelta(minutes=30)
"""How long a rank waits for another within a cell, loading a model included; a driver's timeout may be sooner."""

SHARE_PATIENCE = timedelta(seconds=60)
"""How long the leader waits for what the others have to say once its own part has ended."""

_A_MONTH = timedelta(days=31)


class RankError(HarnessError):
    """A rank other than the leader could not make its part of a cell."""

    def __init__(self, message: str, status: Status = Status.FAILED) -> None:
        """`status` is what the cell's record says."""
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type[RankError], tuple[str, Status]]:
        """Survive pickling."""
        return RankError, (str(self), self.status)


@dataclass(frozen=True, slots=True)
class Share:
    """What one rank has to say of a cell. Ranks that made the same video have equal `noise_sha256` and `decisions`."""

    status: Status = Status.OK
    reason: str | None = None
    own: bool = True
    """Whether the failure is the rank's own, and not that another one left."""
    denoiser_flops: int = 0
    nfe: float = 0.0
    peak_bytes: int = 0
    peak_reserved_bytes: int | None = None
    cache_bytes: int = 0
    unseen_ops: tuple[str, ...] = ()
    noise_sha256: str | None = None
    decisions: str = ""

    @classmethod
    def of(cls, made: Made) -> Share:
        """Of a part that was made."""
        decided = [(one.step_index, one.branch, one.action, one.level) for one in made.decisions]
        return cls(
            denoiser_flops=made.flops.denoiser,
            nfe=made.nfe,
            peak_bytes=made.memory.peak_bytes,
            peak_reserved_bytes=made.memory.peak_reserved_bytes,
            cache_bytes=made.memory.cache_bytes,
            unseen_ops=made.flops.unseen_ops,
            noise_sha256=made.noise_sha256,
            decisions=canonical_hash(decided),
        )


class Ranks:
    """One process's place among those that make a cell together."""

    def __init__(self, store: Any, rank: int, size: int) -> None:
        """Use `lead` or `join`."""
        self._store, self._rank, self._size = store, rank, size
        self._backend = "nccl" if torch.cuda.is_available() else "gloo"
        self._cell = 0

    @classmethod
    def lead(cls, size: int) -> Ranks:
        """Be rank 0 of `size`; the others join at `address`."""
        return cls(_distributed.TCPStore(HOST, 0, size, is_master=True, wait_for_workers=False), 0, size)

    @classmethod
    def join(cls, address: str, rank: int, size: int) -> Ranks:
        """Be another one."""
        host, _, port = address.rpartition(":")
        store = _distributed.TCPStore(host, int(port), size, is_master=False, wait_for_workers=False)
        return cls(store, rank, size)

    @property
    def address(self) -> str:
        """Where the others find the leader."""
        return f"{HOST}:{self._store.port}"

    @property
    def size(self) -> int:
        """How many they are."""
        return self._size

    def make(self, task: CellTask, make: Callable[[CellTask], Made], in_force: bool) -> Made:
        """Lead a cell: the leader's own video, with the work of all ranks and the memory of the fullest device.

        `in_force` says whether the cell's row is on the leader's pipeline already: entering one is done together.

        Raises:
            RankError: another rank failed, for a reason of its own.
            InvalidVideoError: ranks began with different noise or decided differently.
        """
        self._cell += 1
        self._store.set(f"task/{self._cell}", pickle.dumps((task, in_force)))
        try:
            with self._group():
                made = make(task)
        except Exception:
            # The others fail by the leader's failing, unless it is the other way round.
            for rank, share in self._shares(timedelta(seconds=5)):
                if share.status is not Status.OK and share.own:
                    raise RankError(f"rank {rank} of {self._size}: {share.reason}", share.status) from None
            raise
        shares = self._shares(SHARE_PATIENCE)
        self._store.delete_key(f"task/{self._cell}")
        return _together(made, shares, self._size)

    def follow(
        self,
        make: Callable[[CellTask], Made],
        leave_row: Callable[[], None],
        status_of: Callable[[Exception], Status],
        recover: Callable[[Status], None],
    ) -> None:
        """Make the leader's cells with it, until it is gone. `recover` lets go of what a failure left.

        `leave_row` is called where the leader's pipeline has no row in force, whatever became of the last cell there.

        Raises:
            torch.distributed.DistError: the leader is gone.
        """
        while True:
            self._cell += 1
            self._store.wait([f"task/{self._cell}"], _A_MONTH)
            task, in_force = pickle.loads(self._store.get(f"task/{self._cell}"))
            if not in_force:
                leave_row()
            try:
                with self._group():
                    share = Share.of(make(task))
            except Exception as error:
                share = Share(status_of(error), one_line(error), own=not _left(error))
            if share.status is not Status.OK:
                recover(share.status)
            self._store.set(self._key(self._rank), pickle.dumps(share))

    def _key(self, rank: int) -> str:
        return f"share/{self._cell}/{rank}"

    def _shares(self, patience: timedelta) -> list[tuple[int, Share]]:
        """What the others said, by rank; a silent one counts as failed."""
        said = []
        for rank in range(1, self._size):
            key = self._key(rank)
            try:
                self._store.wait([key], patience)
            except dist.DistError:
                silent = f"was silent for {patience.total_seconds():g} s after the others had ended"
                said.append((rank, Share(Status.FAILED, silent, own=False)))
                continue
            said.append((rank, pickle.loads(self._store.get(key))))
            self._store.delete_key(key)
        return said

    @contextmanager
    def _group(self) -> Iterator[None]:
        dist.init_process_group(
            self._backend,
            store=_distributed.PrefixStore(f"group/{self._cell}", self._store),
            rank=self._rank,
            world_size=self._size,
            timeout=STEP_PATIENCE,
        )
        try:
            yield
        except BaseException:
            if self._backend == "nccl":
                # Destroying waits for what was begun, and the others may never end it.
                dist.distributed_c10d._abort_process_group()
            else:
                dist.destroy_process_group()
            raise
        dist.destroy_process_group()


def _left(error: Exception) -> bool:
    """Whether a rank failed because another had left: gloo says so in words alone."""
    words = str(error)
    return isinstance(error, dist.DistError) or any(
        said in words for said in ("Connection closed by peer", "Connection reset by peer", "gloo/transport")
    )


def _together(made: Made, shares: list[tuple[int, Share]], size: int) -> Made:
    leaders = Share.of(made)
    for rank, share in shares:
        if share.status is not Status.OK:
            raise RankError(f"rank {rank} of {size}: {share.reason}", share.status)
        for name in ("noise_sha256", "decisions"):
            if getattr(share, name) != getattr(leaders, name):
                raise InvalidVideoError(
                    f"rank {rank} of {size} had another {name.partition('_')[0]} than the leader: their parts are not"
                    " of one video"
                )
    every = [leaders, *(share for _, share in shares)]
    reserved = [share.peak_reserved_bytes for share in every if share.peak_reserved_bytes is not None]
    return replace(
        made,
        flops=made.flops.model_copy(
            update={
                "denoiser": sum(share.denoiser_flops for share in every),
                "unseen_ops": tuple(sorted({op for share in every for op in share.unseen_ops})),
            }
        ),
        memory=made.memory.model_copy(
            update={
                "peak_bytes": max(share.peak_bytes for share in every),
                "peak_reserved_bytes": max(reserved) if reserved else None,
                "cache_bytes": max(share.cache_bytes for share in every),
            }
        ),
        nfe=sum(share.nfe for share in every),
    )
