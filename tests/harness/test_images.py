"""First frames: found by the prompt's name, fitted without stretching, and part of what a video is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from harness.errors import ImageError, SuiteError
from harness.images import NOISE, FirstFrame, find_first_frames, open_first_frame
from harness.plan import make_plan
from harness.records import CellKey, Status
from harness.suite import load_suite
from harness.variant import load_variant
from harness.worker import Worker

PROMPTS = ("a red circle", "a blue square.")
SUITE = """\
models:
  i2v: {family: wan_i2v, model: Wan-AI/Wan2.1-I2V-14B-480P-Diffusers, sampling: {num_inference_steps: 3}}
prompts: {file: prompts.txt, images: frames}
methods:
  - method: original
  - {method: fora, cache_interval: 2}
"""


@pytest.fixture
def folder(tmp_path):
    """The images of both prompts; the first is 20 x 10, red to the left and blue to the right of a green middle."""
    images = tmp_path / "frames"
    images.mkdir()
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :5, 0] = pixels[:, 5:15, 1] = pixels[:, 15:, 2] = 255
    Image.fromarray(pixels).save(images / "a red circle.png")
    Image.fromarray(pixels[:, :, ::-1].copy()).save(images / "a blue square..jpg")
    return images


@pytest.fixture
def path(tmp_path):
    (tmp_path / "prompts.txt").write_text("\n".join(PROMPTS))
    file = tmp_path / "i2v.yaml"
    file.write_text(SUITE)
    return file


class TestFinding:
    def test_takes_the_file_named_like_the_prompt(self, folder):
        frames = find_first_frames(folder, "frames", PROMPTS)
        assert [frame.path for frame in frames] == [
            str(folder / "a red circle.png"),
            str(folder / "a blue square..jpg"),
        ]
        assert frames[0].sha256 != frames[1].sha256

    def test_says_in_one_line_what_is_missing_and_where_it_belongs(self, folder):
        (folder / "a blue square..jpg").unlink()
        with pytest.raises(
            ImageError, match=r"^1 of 2 first frames are missing: put 'a blue square\.\.jpg' .*'frames'$"
        ):
            find_first_frames(folder, "frames", PROMPTS)
        with pytest.raises(ImageError, match=r"^2 of 2 first frames are missing"):
            find_first_frames(folder / "nowhere", "nowhere", PROMPTS)


class TestOpening:
    def test_cuts_the_middle_out_and_stretches_nothing(self, folder):
        (frame, _) = find_first_frames(folder, "frames", PROMPTS)
        image = open_first_frame(frame, width=5, height=5)
        assert (image.size, image.mode) == ((5, 5), "RGB")
        # The filter looks a little beyond the cut and rings, so that nothing is purely green.
        assert (np.abs(np.asarray(image, dtype=int) - [0, 255, 0]) < 15).all()

    def test_keeps_an_image_of_the_right_size_as_it_is(self, folder):
        (frame, _) = find_first_frames(folder, "frames", PROMPTS)
        with Image.open(frame.path) as original:
            assert open_first_frame(frame, width=20, height=10).tobytes() == original.tobytes()

    def test_refuses_an_image_that_changed_after_planning(self, folder):
        (frame, other) = find_first_frames(folder, "frames", PROMPTS)
        with pytest.raises(ImageError, match="is not the one that was planned with"):
            open_first_frame(FirstFrame(frame.path, other.sha256), 5, 5)

    def test_refuses_what_is_no_image_or_is_gone(self, folder):
        (folder / "a red circle.png").write_bytes(b"text")
        (frame, _) = find_first_frames(folder, "frames", PROMPTS)
        with pytest.raises(ImageError, match=r"'a red circle\.png' cannot be opened"):
            open_first_frame(frame, 5, 5)
        (folder / "a red circle.png").unlink()
        with pytest.raises(ImageError, match=r"'a red circle\.png' cannot be opened"):
            open_first_frame(frame, 5, 5)

    def test_makes_the_same_noise_again(self):
        noise = [open_first_frame(FirstFrame(NOISE, NOISE), 8, 6) for _ in range(2)]
        assert noise[0].size == (8, 6)
        assert noise[0].tobytes() == noise[1].tobytes()


class TestPlan:
    def test_puts_the_contents_hash_into_the_cell(self, path, folder):
        frames = find_first_frames(folder, "frames", PROMPTS)
        before = list(make_plan(load_suite(path)).tasks())
        assert [task.key.image for task in before] == [frame.sha256 for frame in frames] * 2
        assert [task.first_frame for task in before] == [*frames] * 2
        Image.new("RGB", (3, 3)).save(folder / "a red circle.png")
        after = list(make_plan(load_suite(path)).tasks())
        assert [a.cell_id == b.cell_id for a, b in zip(before, after, strict=True)] == [False, True] * 2

    def test_skips_rows_whose_images_are_missing_but_knows_them_for_supported(self, path):
        plan = make_plan(load_suite(path))
        assert plan.cells == 0
        for row in plan.rows:
            assert row.supported
            assert row.skip_reason is not None
            assert row.skip_reason.startswith("2 of 2 first frames are missing")

    def test_refuses_a_suite_without_a_folder_of_images(self, path):
        path.write_text(SUITE.replace(", images: frames", ""))
        with pytest.raises(SuiteError, match=r"models.i2v.family: wan_i2v begins a video with an image; give prompts"):
            make_plan(load_suite(path))

    def test_leaves_models_of_text_alone(self, path, folder):
        path.write_text(SUITE.replace("wan_i2v", "wan"))
        assert {task.key.image for task in make_plan(load_suite(path)).tasks()} == {None}


def test_a_cell_of_text_is_named_as_before_images_were_known():
    key = CellKey(
        family="wan",
        model="m",
        model_fingerprint="f",
        dtype="float32",
        method="original",
        config={},
        code="c",
        sampling={},
        prompt="p",
        seed=0,
    )
    assert key.cell_id == "93d5fc275a6845fa34209157b7e2e7bd"
    assert key.model_copy(update={"image": "0"}).cell_id != key.cell_id


class TestVideos:
    def test_of_a_stand_in_begin_with_noise_and_need_no_file(self, path, tmp_path):
        records = self.made(load_variant(path, tiny=True, first_prompts=1), tmp_path)
        assert [(record.status, record.reason) for record in records] == [(Status.OK, None)] * 2
        assert {record.key.image for record in records} == {NOISE}

    def test_depend_on_the_image(self, path, folder, tmp_path):
        path.write_text(SUITE.replace("Wan-AI/Wan2.1-I2V-14B-480P-Diffusers", "tiny:x").replace("  - {", "  # - {"))
        (task,) = list(make_plan(load_variant(path, first_prompts=1)).tasks())
        worker = Worker(str(tmp_path / "store"), "cpu")
        noise = worker.run(task)
        (frame, _) = find_first_frames(folder, "frames", PROMPTS)
        key = task.key.model_copy(update={"image": frame.sha256})
        red = worker.run(replace(task, key=key, cell_id=key.cell_id, first_frame=frame))
        gone = worker.run(replace(task, key=key, cell_id="0" * 32, first_frame=FirstFrame("nowhere.jpg", "0")))
        worker.close()
        assert noise.frames_sha256 != red.frames_sha256
        assert gone.status is Status.FAILED
        assert gone.reason is not None
        assert gone.reason.startswith("first frame 'nowhere.jpg' cannot be opened")

    @staticmethod
    def made(loaded, tmp_path):
        worker = Worker(str(tmp_path / "store"), "cpu")
        records = [worker.run(task) for task in make_plan(loaded).tasks()]
        worker.close()
        return records
