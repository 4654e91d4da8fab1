"""One run of a suite: plan, see what is done, let the fleet make the rest, keep the ledger."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from harness.doctor.needs import refuse_lacking, requirements
from harness.events import EventKind, FleetEvent, FleetSummary
from harness.fleet import run_fleet
from harness.ledger import Ledger, ledger_path
from harness.live_tracking import LiveTracking, tracking_command
from harness.plan import make_plan
from harness.progress import Progress
from harness.ray_cluster import cluster_address
from harness.records import SuiteManifest
from harness.resume import what_is_done
from harness.run_progress import write_progress
from harness.store import Store
from harness.suite import LoadedSuite
from harness.variant import load_variant


@dataclass(frozen=True)
class Ran:
    """How a run ended. The last attempts of cells that are still missing are in the store's failures."""

    loaded: LoadedSuite
    store: Store
    manifest: SuiteManifest
    summary: FleetSummary


def open_ledger(store: Store) -> Ledger:
    """The index of a store."""
    return Ledger(ledger_path(store))


def run_suite(
    path: Path,
    *,
    store_root: str | None,
    address: str | None,
    workers: int | None,
    tiny: bool = False,
    first_prompts: int | None = None,
    allow_missing: bool = False,
    track: bool = False,
) -> Ran:
    """Make every cell of a suite, or of the variant of it that is asked for, that is not made and scored yet.

    Unless `allow_missing`, it is refused where this machine lacks what the suite needs. Of the machines of a cluster
    that is not known, and of stand-ins nobody wants to know. With `track` MLflow hears of the rows as they grow; the
    caller brings it up to date at the end.

    Raises:
        HarnessError: the suite is wrong, something it needs is missing, the store cannot be written, no worker starts.
            Failed cells raise nothing.
    """
    plan = make_plan(load_variant(path, tiny=tiny, first_prompts=first_prompts))
    suite = plan.loaded.suite
    store = Store(store_root or suite.store)
    if not (allow_missing or tiny or cluster_address(address) is not None):
        labels = {row.model.label for row in plan.rows if row.skip_reason is None}
        refuse_lacking(requirements(plan.loaded, store.root), plan.loaded, labels)
    manifest = plan.manifest()
    store.write_manifest(manifest)
    with (
        open_ledger(store) as ledger,
        Progress(suite.suite, tell=lambda said: write_progress(store, said)) as progress,
        LiveTracking(tracking_command(suite.suite, store.root), progress.say) as live_tracking,
    ):

        def on_event(event: FleetEvent) -> None:
            progress(event)
            if track:
                live_tracking(event)
            if event.record is not None and event.kind in {EventKind.SUCCEEDED, EventKind.RETRYING, EventKind.FAILED}:
                ledger.record_attempt(event.record)

        references = manifest.references()
        done = what_is_done(store, ledger, references, suite.metrics)
        if suite.metrics:
            done -= frameless(manifest, done, store)
        summary = run_fleet(
            plan.tasks(),
            done,
            store.root,
            workers=workers or suite.fleet.workers,
            cpus_per_worker=suite.fleet.cpus_per_worker,
            gpus_per_worker=suite.fleet.gpus_per_worker,
            address=address,
            on_event=on_event,
            max_attempts=suite.fleet.max_attempts,
            cell_timeout_s=suite.fleet.cell_timeout_s,
            measured=ledger.measured(),
        )
        ledger.sync(store, references)
    return Ran(plan.loaded, store, manifest, summary)


def frameless(manifest: SuiteManifest, done: Set[str], store: Store) -> set[str]:
    """Finished cells to make once more, since others are to be compared with them and their lossless frames are gone.

    The frames of an original go when its last cell of a run is scored; a row that is added later needs them again.
    """
    ids = {row.row: row.cell_ids for row in manifest.rows}
    wanted = {
        reference
        for row in manifest.rows
        for cell_id, reference in zip(row.cell_ids, ids.get(row.baseline or "", ()), strict=False)
        if cell_id not in done and reference in done
    }
    return wanted - store.lossless_ids() if wanted else wanted
