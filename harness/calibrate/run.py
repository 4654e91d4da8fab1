"""`harness calibrate`: load a suite's model, measure the original over prompts, and keep what was found in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from harness.calibrate.base import Calibrator, Subject
from harness.calibrate.calibration import Calibration, CalibrationError, MadeBy, PromptsUsed
from harness.discovery import METHODS, load_family, load_plugin, names
from harness.environment import code_commit
from harness.errors import nearest
from harness.loaded_model import loaded_model
from harness.planning.facts import Facts
from harness.planning.models import model_of, shown_model
from harness.strict_yaml import shown
from harness.suite import LoadedSuite
from harness.worker import best_device

DISTRIBUTION = "video-acceleration-harness"
PACKAGE = "harness.calibrate"


def calibrator_of(method: str) -> type[Calibrator]:
    """The class of a method's calibration: the module of this package that is named like the method has it.

    Raises:
        CalibrationError: no such method, or it needs no calibration; the message names those that do.
    """
    known = set(names(METHODS)) & set(names(PACKAGE))
    if method not in known:
        what = "needs no calibration" if method in names(METHODS) else "is no method"
        raise CalibrationError(f"{method!r} {what}{nearest(method, known)}")
    return load_plugin(PACKAGE, method, Calibrator)  # type: ignore[type-abstract]


def only_label(loaded: LoadedSuite, label: str | None) -> str:
    """The model that is meant, which goes without saying where the suite has one.

    Raises:
        CalibrationError: it has several, or none of that label.
    """
    labels = tuple(loaded.suite.models)
    if label is None and len(labels) == 1:
        return labels[0]
    if label is None:
        raise CalibrationError(f"{loaded.path}: has the models {', '.join(labels)}; choose one with --model")
    if label not in labels:
        raise CalibrationError(f"{loaded.path}: --model {label}: there is no such model{nearest(label, labels)}")
    return label


def calibrate(
    loaded: LoadedSuite, method: str, *, label: str, prompts: int | None, options: Mapping[str, str]
) -> Calibration:
    """Calibrate a method on one model of a suite, over the first prompts of it.

    `prompts` is how many; where None as many as the method's authors used, or all if the suite has fewer. `options`
    are the calibration's own fields as YAML text.

    Raises:
        CalibrationError: the method needs no calibration, an option is wrong, the suite has not so many prompts, or
            what was measured allows no fit.
        SuiteError: the model is missing.
        ModelError: the model cannot be loaded.
    """
    calibrator = _with_options(calibrator_of(method), method, options)
    spec, _, fingerprint, sampling = model_of(loaded, label, Facts())
    family = load_family(spec.family)
    if family.needs_image:
        raise CalibrationError(f"family {family.name} makes videos of images, which calibration cannot give it yet")
    told = tuple(loaded.text_of(index) for index in range(len(loaded.prompts)))
    available = len(told)
    if prompts is not None and prompts > available:
        raise CalibrationError(f"--prompts {prompts}, the suite has {available}; lower it or add prompts to the suite")
    chosen = told[: min(calibrator.default_prompts, available) if prompts is None else prompts]
    device = best_device()
    with loaded_model(family, spec, device) as pipeline:
        subject = Subject(pipeline, family, sampling, chosen, loaded.suite.seeds, device)
        found = calibrator.calibrate(subject)
    return Calibration(
        method=method,
        family=spec.family,
        model=shown_model(spec),
        model_fingerprint=fingerprint,
        dtype=spec.dtype,
        sampling=sampling.as_plain(),
        options=asdict(calibrator),
        prompts=PromptsUsed(count=len(chosen), sha256=hashlib.sha256("\n".join(chosen).encode()).hexdigest()),
        seeds=subject.seeds,
        made_by=MadeBy(
            harness=version(DISTRIBUTION),
            commit=code_commit(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        fields=found.fields,
        curves=found.curves,
    )


def _with_options(calibrator: type[Calibrator], method: str, options: Mapping[str, str]) -> Calibrator:
    """The calibration with options from the command line, strictly typed."""
    known = {field.name for field in fields(calibrator)}
    hints = get_type_hints(calibrator)
    given: dict[str, Any] = {}
    for name, text in options.items():
        if name not in known:
            raise CalibrationError(f"--set {name}: calibrating {method} has no such option{nearest(name, known)}")
        try:
            value = yaml.safe_load(text)
            value = tuple(value) if isinstance(value, list) else value
            given[name] = TypeAdapter(hints[name]).validate_python(value, strict=True)
        except (yaml.YAMLError, ValidationError) as error:
            reason = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else "not YAML"
            raise CalibrationError(f"--set {name}: {reason[0].lower()}{reason[1:]}, not {shown(text)}") from None
    try:
        return calibrator(**given)
    except ValueError as error:
        raise CalibrationError(f"--set: {error}") from None
