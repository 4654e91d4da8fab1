"""Rows of images scored as sets: from lossless frames, once, and never from half a set."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import MetricUnavailableError
from harness.image_sets.features import FeatureExtractor, Features, Gaussian, frechet_distance
from harness.image_sets.reference import read_reference
from harness.image_sets.score import inception_of, score_image_sets
from harness.plan import make_plan
from harness.records import set_id_of
from harness.store import Store, lossless_path
from harness.suite import load_suite
from harness.video import read_video
from harness.worker import Worker

SUITE = """\
suite: pictures
models:
  dit: {family: dit, model: "tiny:none", dtype: float32, sampling: {num_inference_steps: 2}}
prompts: ["1", "2", "3", "4", "5"]
methods:
  - method: original
  - {method: fora, cache_interval: 2}
image_set:
  metrics: [fid, sfid, inception_score, precision_recall]
  reference: reference.npz
"""


class Channels(FeatureExtractor):
    """Mean colours as features, so that what a set's scores are can be computed by hand."""

    def __init__(self, name="channels"):
        self.name = name
        self.seen = 0

    def features(self, images):
        self.seen += len(images)
        means = images.reshape(len(images), -1, 3).mean(axis=1)
        return Features(means, means[:, :2], means / 10)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished run of the suite: its plan, its store, and the images of the original."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "pictures.yaml").write_text(SUITE)
    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "reference.npz", arr_0=images)
    store = Store(str(folder / "store"))
    worker = Worker(store.root, "cpu")
    plan = make_plan(load_suite(folder / "pictures.yaml"))
    for task in plan.tasks():
        record = worker.run(task)
        assert record.reason is None
    worker.close()
    return plan, store, images


@pytest.fixture
def fresh(made):
    """The same with nothing scored."""
    plan, store, _ = made
    for name in store.sharded("set_scores"):
        store.remove(f"set_scores/{name[:2]}/{name}")
    return plan, store


def score(plan, store, extractor):
    return score_image_sets(store, plan.loaded, plan.manifest(), lambda loaded: extractor)


def test_lossless_copies_of_all_rows_stay(made):
    plan, store, _ = made
    assert all(store.exists(lossless_path(task.cell_id)) for task in plan.tasks())


def test_every_row_has_every_score_and_they_are_stored(fresh):
    plan, store = fresh
    records = score(plan, store, Channels())
    assert [(record.row, record.metric, record.status, record.reason) for record in records] == [
        (row, metric, "ok", None)
        for row in ("original", "fora (cache_interval=2)")
        for metric in ("fid", "sfid", "inception_score", "precision_recall")
    ]
    assert {record.images for record in records} == {5}
    for row in plan.manifest().rows:
        stored = store.set_scores([set_id_of(row.cell_ids)])[set_id_of(row.cell_ids)]
        assert stored == {record.metric: record for record in records if record.row == row.row}


def test_the_number_is_of_the_images_made(fresh, made):
    plan, store = fresh
    fid = score(plan, store, Channels())[4].values["fid"]
    tasks = [task for task in plan.tasks() if task.key.method == "fora"]
    means = []
    for task in tasks:
        with store.local_path(lossless_path(task.cell_id)) as path:
            means.append(read_video(path)[0].reshape(-1, 3).mean(axis=0))
    real = made[2].reshape(9, -1, 3).mean(axis=1)
    assert fid == pytest.approx(frechet_distance(Gaussian.of(np.array(means)), Gaussian.of(real)))


def test_what_is_scored_is_not_scored_again_until_something_changes(fresh):
    plan, store = fresh
    first, again, other = Channels(), Channels(), Channels("another network")
    before = score(plan, store, first)
    assert first.seen == 10 + 9
    assert score(plan, store, again) == before
    assert again.seen == 0
    assert {record.network for record in score(plan, store, other)} == {"another network"}
    assert other.seen == 10 + 9


def test_half_a_set_has_no_score_but_a_reason(fresh):
    plan, store = fresh
    cell_id = next(task.cell_id for task in plan.tasks() if task.key.method == "fora")
    with store.local_path(lossless_path(cell_id)) as path:
        content = path.read_bytes()
    store.remove(lossless_path(cell_id))
    records = score(plan, store, Channels())
    store.replace(lossless_path(cell_id), content)
    assert [record.status for record in records] == ["ok"] * 4 + ["unavailable"] * 4
    assert records[4].reason == "1 of 5 images are missing; harness run the suite first"
    assert records[4].values == {}
    assert {record.status for record in score(plan, store, Channels())} == {"ok"}


def test_without_weights_every_score_says_so(fresh, monkeypatch):
    plan, store = fresh
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    records = score_image_sets(store, plan.loaded, plan.manifest(), inception_of)
    assert {record.status for record in records} == {"unavailable"}
    assert all("Inception's weights are missing: get https://" in (record.reason or "") for record in records)


def test_videos_are_refused(fresh):
    plan, store = fresh
    rows = [row.model_copy(update={"sampling": row.sampling | {"num_frames": 5}}) for row in plan.manifest().rows]
    manifest = plan.manifest().model_copy(update={"rows": tuple(rows)})
    records = score_image_sets(store, plan.loaded, manifest, lambda loaded: Channels())
    assert {record.reason for record in records} == {"these metrics are of images, a cell of this row has 5 frames"}


def test_a_missing_reference_leaves_what_needs_none(fresh, made):
    plan, store = fresh
    entry = plan.loaded.suite.image_set.model_copy(update={"reference": "nowhere.npz"})
    suite = plan.loaded.suite.model_copy(update={"image_set": entry})
    loaded = plan.loaded.model_copy(update={"suite": suite})
    records = score_image_sets(store, loaded, plan.manifest(), lambda loaded: Channels())
    assert [record.metric for record in records if record.status == "ok"] == ["inception_score"] * 2
    assert records[0].reason.startswith("image_set.reference: nowhere.npz cannot be read")


class TestReference:
    def test_statistics_of_the_file_come_before_those_of_its_images(self, tmp_path):
        images = np.zeros((4, 2, 2, 3), np.uint8)
        statistics = {"mu": np.ones(3), "sigma": np.eye(3), "mu_s": np.ones(2), "sigma_s": np.eye(2)}
        np.savez(tmp_path / "both.npz", arr_0=images, **statistics)
        both = read_reference(tmp_path / "both.npz", Channels(), with_features=True)
        assert (both.pool.mean == 1).all()
        assert both.pool_features.shape == (4, 3)
        np.savez(tmp_path / "images.npz", arr_0=images)
        assert (read_reference(tmp_path / "images.npz", Channels(), with_features=False).pool.mean == 0).all()
        np.savez(tmp_path / "statistics.npz", **statistics)
        extractor = Channels()
        assert read_reference(tmp_path / "statistics.npz", extractor, with_features=False).pool_features is None
        assert extractor.seen == 0

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"mu": np.ones(3)}, r"lacks mu, sigma, mu_s and sigma_s, or arr_0 \(images\); take one in ADM's format"),
            (None, "cannot be used"),
        ],
    )
    def test_a_file_that_is_none_is_refused(self, tmp_path, arrays, message):
        path = tmp_path / "reference.npz"
        path.write_bytes(b"text") if arrays is None else np.savez(path, **arrays)
        with pytest.raises(MetricUnavailableError, match=message):
            read_reference(path, Channels(), with_features=False)
