"""Scores of each row's images as a set: one record per row and metric, made by the driver from lossless frames."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from harness.discovery import load_set_metric
from harness.errors import MetricUnavailableError, StoreError, one_line
from harness.image_sets.features import FeatureExtractor, Features
from harness.image_sets.reference import IMAGES_AT_ONCE, Reference, file_sha256, read_reference
from harness.metrics.sets.base import SetMetric
from harness.records import RowManifest, SetScoreRecord, SuiteManifest, set_id_of
from harness.store import Store, lossless_path
from harness.suite import LoadedSuite
from harness.video import Frames, read_video
from harness.worker import best_device

_T = TypeVar("_T")


def inception_of(loaded: LoadedSuite) -> FeatureExtractor:
    """The network that the suite or the environment names. MetricUnavailableError where there is none."""
    from harness.image_sets.inception import Inception, weights_path

    entry = loaded.suite.image_set
    named = entry.inception_weights if entry is not None else None
    return Inception(weights_path(loaded.resolve(named) if named is not None else None), best_device())


def score_image_sets(
    store: Store,
    loaded: LoadedSuite,
    manifest: SuiteManifest,
    extractor_of: Callable[[LoadedSuite], FeatureExtractor] = inception_of,
) -> tuple[SetScoreRecord, ...]:
    """Score every row's images that are not scored yet, and return all records, row by row.

    What cannot be scored (images are missing, no weights, no reference) gets a record that says why, and is tried again
    by the next call; so is what was scored against another reference or by another network. Nothing where the suite
    asks for no such metric.
    """
    entry = loaded.suite.image_set
    if entry is None:
        return ()
    metrics = {name: load_set_metric(name)() for name in entry.metrics}
    scoring = _Scoring(store, loaded, metrics, extractor_of)
    rows = [row for row in manifest.rows if row.skip_reason is None]
    return tuple(record for row in rows for record in scoring.row(row))


class _Scoring:
    """One pass over a suite; network and reference are loaded when the first row wants them, and kept."""

    def __init__(
        self,
        store: Store,
        loaded: LoadedSuite,
        metrics: Mapping[str, SetMetric],
        extractor_of: Callable[[LoadedSuite], FeatureExtractor],
    ) -> None:
        self._store = store
        self._loaded = loaded
        self._metrics = metrics
        self._extractor_of = extractor_of
        self._extractor: FeatureExtractor | MetricUnavailableError | None = None
        self._reference: Reference | MetricUnavailableError | None = None
        entry = loaded.suite.image_set
        assert entry is not None
        self._reference_path = loaded.resolve(entry.reference) if entry.reference is not None else None
        self._reference_name = self._named_reference()

    def row(self, row: RowManifest) -> list[SetScoreRecord]:
        """The records of one row, made where they are not there."""
        there = self._store.set_scores([set_id_of(row.cell_ids)]).get(set_id_of(row.cell_ids), {})
        records = []
        features: Features | MetricUnavailableError | None = None
        for name, metric in self._metrics.items():
            known = there.get(name)
            if known is None or not self._holds(known, metric):
                features = self._features(row) if features is None else features
                known = self._score(row, name, metric, features)
                self._store.write_set_score(known)
            records.append(known)
        return records

    def _holds(self, record: SetScoreRecord, metric: SetMetric) -> bool:
        """Whether a record is the answer to what is asked now."""
        if record.status != "ok":
            return False
        extractor = self._network()
        same_network = isinstance(extractor, MetricUnavailableError) or record.network == extractor.name
        return same_network and (not metric.needs_reference or record.reference == self._reference_name)

    def _score(
        self, row: RowManifest, name: str, metric: SetMetric, features: Features | MetricUnavailableError
    ) -> SetScoreRecord:
        network = self._network()
        record = SetScoreRecord(
            set_id=set_id_of(row.cell_ids),
            row=row.row,
            metric=name,
            status="ok",
            images=len(row.cell_ids),
            network=None if isinstance(network, MetricUnavailableError) else network.name,
            reference=self._reference_name if metric.needs_reference else None,
            scored_at=time.time(),
        )
        try:
            found = metric.score(_or_raise(features), self._reference_of(metric))
            bad = [key for key, value in found.items() if not np.isfinite(value)]
            if bad:
                raise ValueError(f"{', '.join(bad)} is not a finite number")
            return record.model_copy(update={"values": found})
        except MetricUnavailableError as error:
            return record.model_copy(update={"status": "unavailable", "reason": one_line(error)})
        except (ValueError, np.linalg.LinAlgError, StoreError) as error:
            return record.model_copy(update={"status": "failed", "reason": one_line(error)})

    def _features(self, row: RowManifest) -> Features | MetricUnavailableError:
        """Of all the row's images; a set that is not whole is not comparable, so it has none."""
        try:
            if row.sampling["num_frames"] != 1:
                number = row.sampling["num_frames"]
                raise MetricUnavailableError(f"these metrics are of images, a cell of this row has {number} frames")
            missing = sum(not self._store.exists(lossless_path(cell_id)) for cell_id in row.cell_ids)
            if missing:
                total = len(row.cell_ids)
                raise MetricUnavailableError(f"{missing} of {total} images are missing; harness run the suite first")
            network = _or_raise(self._network())
            return Features.joined([network.features(images) for images in self._images(row)])
        except MetricUnavailableError as error:
            return error

    def _images(self, row: RowManifest) -> Iterator[Frames]:
        for start in range(0, len(row.cell_ids), IMAGES_AT_ONCE):
            images = []
            for cell_id in row.cell_ids[start : start + IMAGES_AT_ONCE]:
                with self._store.local_path(lossless_path(cell_id)) as path:
                    images.append(read_video(path)[0])
            yield np.stack(images)

    def _network(self) -> FeatureExtractor | MetricUnavailableError:
        if self._extractor is None:
            try:
                self._extractor = self._extractor_of(self._loaded)
            except MetricUnavailableError as error:
                self._extractor = error
        return self._extractor

    def _reference_of(self, metric: SetMetric) -> Reference | None:
        if not metric.needs_reference or self._reference_path is None:
            return None
        if self._reference is None:
            wanted = any(metric.needs_reference_features for metric in self._metrics.values())
            try:
                network = _or_raise(self._network())
                self._reference = read_reference(self._reference_path, network, with_features=wanted)
            except MetricUnavailableError as error:
                self._reference = error
        return _or_raise(self._reference)

    def _named_reference(self) -> str | None:
        """Name and content of the reference's file, as it stands in records."""
        path = self._reference_path
        if path is None:
            return None
        try:
            return f"{path.name}@{file_sha256(path, 'image_set.reference')[:12]}"
        except MetricUnavailableError as error:
            self._reference = error
            return path.name


def _or_raise(value: _T | MetricUnavailableError) -> _T:
    if isinstance(value, MetricUnavailableError):
        raise value
    return value
