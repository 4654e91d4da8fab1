"""A dataclass of another room as a strict pydantic model, so that a file's mapping for it is judged like any other."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from dataclasses import Field as DataclassField
from types import NoneType
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

from pydantic import Field, create_model, model_validator

from harness.suite_cost import StrictModel


class DataclassModel(StrictModel):
    """A strict model with the fields of a dataclass; whatever that refuses is a finding too."""

    dataclass: ClassVar[type[Any]]

    @model_validator(mode="after")
    def _accepted(self) -> Self:
        self.made()
        return self

    def made(self) -> Any:
        """The dataclass with these values."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return self.dataclass(
            **{name: value.made() if isinstance(value, DataclassModel) else value for name, value in values.items()}
        )


def model_of_dataclass(kind: type[Any]) -> type[DataclassModel]:
    """The model of a dataclass, and of those that its fields hold."""
    hints = get_type_hints(kind)
    own: dict[str, Any] = {field.name: (_field_type(hints[field.name]), _default(field)) for field in fields(kind)}
    made: type[DataclassModel] = create_model(kind.__name__, __base__=DataclassModel, **own)
    made.dataclass = kind
    return made


def _field_type(hint: Any) -> Any:
    """The type of a field in the model; `| None` is the only union of dataclasses that is needed."""
    if is_dataclass(hint) and isinstance(hint, type):
        return model_of_dataclass(hint)
    if get_origin(hint) is tuple:
        return Annotated[hint, Field(strict=False)]  # YAML has lists only
    if any(is_dataclass(part) for part in get_args(hint)):
        (part,) = set(get_args(hint)) - {NoneType}
        return _field_type(part) | None
    return hint


def _default(field: DataclassField[Any]) -> Any:
    """As pydantic wants it: `...` for a field that must be given."""
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else ...
