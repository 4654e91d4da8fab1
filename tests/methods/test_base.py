"""How a sampling is written down."""

from __future__ import annotations

import json

from methods.base import Sampling

SAMPLING = Sampling(num_inference_steps=2, guidance_scale=1.0, height=32, width=32, num_frames=5)


def test_a_sampling_without_sigmas_is_written_as_before_there_were_any():
    assert "sigmas" not in SAMPLING.as_plain()
    assert SAMPLING.as_plain()["num_inference_steps"] == 2
    assert Sampling(**SAMPLING.as_plain()) == SAMPLING


def test_sigmas_come_back_from_json():
    given = Sampling(**(SAMPLING.as_plain() | {"sigmas": (1.0, 0.9)}))
    back = Sampling(**json.loads(json.dumps(given.as_plain())))
    assert back == given
    assert hash(back) == hash(given)
    assert back.sigmas == (1.0, 0.9)
