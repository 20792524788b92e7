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
from yaml.constructor import ConstructorError

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

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    batch_size: int = setting(
        16, help="Images per training step.", source="the harness; papers differ", ge=1, le=4096
    )


MOST_BYTES = 2**20
"""Bytes that a file in YAML may have."""

MOST_VALUES = 100_000
"""Values that it may hold; an alias counts with all that it stands for."""

MOST_DIGITS = 100
"""Signs that a whole number in it may have; what has more is no number that anything uses."""

MOST_SHOWN = 80
"""So much of a value is shown where it is refused."""

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
            f"{owner} has no setting {name!r}{guess} Available settings: "
            f"{', '.join(model.model_fields)}. Run `benchbed show {owner}` for details."
        )
    reason = first["msg"][0].lower() + first["msg"][1:]
    return (
        f"Setting {name!r} of {owner} is {_short(first['input'])}, but {reason}. Run `benchbed "
        f"show {owner}` for details."
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs from the command line; values are YAML scalars or lists.

    Raises:
        BenchbedError: A pair has no ``=`` or its value is no YAML.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name.strip():
            raise BenchbedError(
                f"--set must be name=value, not {pair!r}; for example --set batch_size=8"
            )
        try:
            values[name.strip()] = _number(_plain_values(text))
        except ValueError as error:
            raise BenchbedError(
                f"--set {pair!r} cannot be parsed: {text!r} is not a YAML value"
            ) from (error)
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
    content = read_yaml(path, "settings file")
    if not isinstance(content, dict):
        raise BenchbedError(f"Settings file {path} must contain 'name: value' lines.")
    return {str(name): _number(value) for name, value in content.items()}


def read_yaml(path: Path, kind: str) -> Any:
    """The plain values of a YAML file; no tag in it makes an object.

    Args:
        path: The file.
        kind: What it is, for the error text, such as ``"settings file"``.

    Raises:
        BenchbedError: It cannot be read, is no YAML, or is too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BenchbedError(f"The {kind} {path} cannot be read: {reason}.") from error
    if len(content) > MOST_BYTES:
        raise BenchbedError(f"The {kind} {path} is larger than {MOST_BYTES} bytes.")
    try:
        return _plain_values(content.decode())
    except ValueError as error:
        text = " ".join(str(error).split())
        raise BenchbedError(f"The {kind} {path} is not valid YAML: {text}.") from error


class _Reader(yaml.SafeLoader):
    """Reads plain values, without what can blow up before it can be counted.

    Merge keys copy all pairs of all that they name, and the copies of copies multiply, though
    hardly any of them is seen in the end. Long numbers of base 60 take time without bound.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Refuse merge keys."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise ConstructorError(
                    None,
                    None,
                    "merge keys (<<) are not supported; write the values out",
                    key.start_mark,
                )
        super().flatten_mapping(node)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Refuse numbers of too many digits."""
        if len(node.value) > MOST_DIGITS:
            raise ConstructorError(
                None, None, f"a number has more than {MOST_DIGITS} digits", node.start_mark
            )
        return super().construct_yaml_int(node)


_Reader.add_constructor("tag:yaml.org,2002:int", _Reader.construct_yaml_int)


def _plain_values(text: str) -> Any:
    """What YAML text holds.

    Raises:
        ValueError: It is no YAML, or would blow up.
    """
    try:
        reader = _Reader(text)
        try:
            found = reader.get_single_data()
        finally:
            reader.dispose()
    # Tags such as !!bool before what is none make the reader fail in ways of its own.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    todo, count = [found], 0
    while todo:
        each = todo.pop()
        count += 1
        if count + len(todo) > MOST_VALUES:
            raise ValueError(f"it contains more than {MOST_VALUES} values")
        if isinstance(each, dict):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple | set):
            todo += each
    return found
