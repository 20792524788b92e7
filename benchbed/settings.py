"""Settings of a method: validated models, with the source of every default.

pydantic does the validation; this module gives a setting its source in the paper and words the
errors for the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchbed.errors import BenchbedError, nearest


def setting(default: Any, *, help: str, source: str, **bounds: Any) -> Any:
    """A setting with its default, its meaning and its source.

    Args:
        default: The default, which is the paper's value where the paper gives one.
        help: What it is, with its unit.
        source: Where the default comes from, such as ``"section 3"`` or ``"unstated; ..."``.
        **bounds: What pydantic's ``Field`` takes: ``gt``, ``ge``, ``lt``, ``le``, ``multiple_of``.
    """
    return Field(default, description=help, json_schema_extra={"source": source}, **bounds)


class MethodSettings(BaseModel):
    """Base of every method's settings; unknown names and values out of range are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    batch_size: int = setting(
        16, help="Images a training step.", source="the harness; papers differ", ge=1, le=4096
    )


M = TypeVar("M", bound=BaseModel)


def parse(model: type[M], values: Mapping[str, Any], *, owner: str) -> M:
    """Validate `values`.

    Args:
        model: The settings class.
        values: What was set; the rest keeps its default.
        owner: Whose settings these are, for the error text.

    Raises:
        BenchbedError: An unknown name (with the nearest one) or a value out of range (with the
            range).
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise BenchbedError(_sentence(model, error, owner)) from error


def _sentence(model: type[BaseModel], error: ValidationError, owner: str) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        close = nearest(name, model.model_fields)
        guess = f"; did you mean {close!r}?" if close else "."
        return (
            f"{owner} has no setting {name!r}{guess} It has: "
            f"{', '.join(model.model_fields)}. See `benchbed show {owner}`."
        )
    reason = first["msg"][0].lower() + first["msg"][1:]
    return (
        f"Setting {name!r} of {owner} was given as {first['input']!r}, but {reason}. "
        f"See `benchbed show {owner}`."
    )


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs from the command line; values are YAML scalars or lists.

    Raises:
        BenchbedError: A pair has no ``=`` or its value is no YAML.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise BenchbedError(f"--set takes name=value, not {pair!r}; such as --set batch_size=8")
        try:
            values[name.strip()] = _number(yaml.safe_load(text))
        except yaml.YAMLError as error:
            raise BenchbedError(f"--set {pair!r} cannot be read: {text!r} is no YAML value") from (
                error
            )
    return values


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-4`` as text, for it wants a point; a user means the number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def read_file(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings.

    Raises:
        BenchbedError: The file is missing, is no YAML, or is no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BenchbedError(f"The settings file {path} cannot be read: {error.strerror}.") from (
            error
        )
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise BenchbedError(f"The settings file {path} is no YAML: {text}.") from error
    if not isinstance(content, dict):
        raise BenchbedError(f"The settings file {path} must hold 'name: value' lines.")
    return {str(name): _number(value) for name, value in content.items()}
