"""What a metric of a set of images is: features of the set and of a reference in, named numbers out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from harness.errors import MetricUnavailableError
from harness.image_sets.features import Array, Features
from harness.image_sets.reference import Reference


class SetMetric(ABC):
    """One metric of a set; stateless. Discovered by the name of its file."""

    values: ClassVar[tuple[str, ...]]
    """Names of the numbers it gives."""
    higher_is_better: ClassVar[bool]
    needs_reference: ClassVar[bool]
    """Whether the set is compared with a reference."""
    needs_reference_features: ClassVar[bool] = False
    """Whether the reference's statistics do not do: it takes the features of images of it."""

    @abstractmethod
    def score(self, features: Features, reference: Reference | None) -> dict[str, float]:
        """The numbers of a set.

        Raises:
            MetricUnavailableError: it needs a reference, or features of it, and there are none.
            ValueError: the set is too small, or its features and the reference's differ in number.
        """


def given(reference: Reference | None) -> Reference:
    """The reference, once it is known to be there. MetricUnavailableError otherwise."""
    if reference is None:
        raise MetricUnavailableError(
            "there is no reference: name an npz file of ADM's in the suite, image_set.reference"
        )
    return reference


def given_features(reference: Reference | None) -> Array:
    """The pool features of the reference's images. MetricUnavailableError where there are none."""
    features = given(reference).pool_features
    if features is None:
        raise MetricUnavailableError("the reference has no images: take an npz file of ADM's with arr_0")
    return features
