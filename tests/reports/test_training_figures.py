"""The figures of trainings show the losses that are there, and nothing where there are none."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.figures import adversarial_losses, training_losses
from reports.figures.losses import smoothed
from reports.training import draw_trainings

COLUMNS = ["rung", "quantity", "iteration", "value"]


def frame(**rungs):
    """Of rungs, each the values of its quantities; all from iteration 1 on."""
    lines = [
        (rung, quantity.replace("__", "/"), iteration, value)
        for rung, quantities in rungs.items()
        for quantity, values in quantities.items()
        for iteration, value in enumerate(values, 1)
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


STUDENT = {"loss__student": (1.0, 0.5), "gradient_norm__student": (9.0, 9.0)}
GAN = {"loss__predictor": (4.0, 2.0), "loss__adversarial": (0.5, -0.5), "loss__discriminator": (2.0, 1.0)}


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_panel_a_rung_with_every_loss():
    figure = training_losses.of_trainings(frame(cfg=STUDENT, gan=GAN))
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("cfg", "gan")
    assert labels(first) == ["student"]
    assert labels(second) == ["adversarial", "discriminator", "predictor"]
    assert first.get_lines()[0].get_ydata().tolist() == [1.0, 0.5]


def test_the_scale_is_logarithmic_where_it_can_be():
    positive, mixed = training_losses.of_trainings(frame(cfg=STUDENT, gan=GAN)).axes
    assert (positive.get_yscale(), mixed.get_yscale()) == ("log", "linear")


def test_left_over_panels_are_hidden():
    figure = training_losses.of_trainings(frame(a=STUDENT, b=STUDENT, c=STUDENT, d=STUDENT))
    assert [axes.get_visible() for axes in figure.axes] == [True, True, True, True, False, False]


def test_the_adversarial_figure_is_of_generator_and_discriminator_alone():
    (axes,) = adversarial_losses.of_trainings(frame(cfg=STUDENT, gan=GAN)).axes
    assert labels(axes) == ["generator (predictor)", "discriminator"]
    drawn = [line.get_ydata().tolist() for line in axes.get_lines()]
    assert drawn == [[0.5, -0.5], [0.5, -0.5], [2.0, 1.0], [2.0, 1.0]]


@pytest.mark.parametrize("module", [training_losses, adversarial_losses])
def test_a_frame_without_losses_has_no_figure(module):
    assert module.of_trainings(frame(cfg={"gradient_norm__student": (1.0,)})) is None


def test_smoothing_is_a_mean_over_a_fiftieth():
    values = pd.Series([0.0, 1.0] * 100)
    assert smoothed(values)[10:190].between(0.49, 0.51).all()
    assert smoothed(values[:20]).tolist() == values[:20].tolist()


def test_only_what_there_is_is_drawn(tmp_path):
    assert [path.name for path in draw_trainings(frame(cfg=STUDENT), tmp_path)] == ["training_losses.svg"]
    drawn = draw_trainings(frame(cfg=STUDENT, gan=GAN), tmp_path)
    assert [path.name for path in drawn] == ["adversarial_losses.svg", "training_losses.svg"]
