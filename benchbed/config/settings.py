"""Read settings from YAML files and the command line, and validate them by their model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.constructor import ConstructorError

from benchbed.errors import BenchbedError, find_similar_name, simplify_validation_message
from benchbed.utils.content import find_content_fault
from benchbed.utils.regular_files import read_regular_file

MAX_YAML_BYTES = 2**20
"""Maximum size of a YAML file in bytes."""


MAX_YAML_VALUES = 100_000
"""Maximum number of values; an alias counts with its whole content."""


MAX_INT_DIGITS = 100
"""Maximum digits of an integer; longer ones take too long to convert."""


MAX_SHOWN_CHARS = 80
"""Maximum length of a value in an error message."""


SettingsT = TypeVar("SettingsT", bound=BaseModel)


def parse_settings(model: type[SettingsT], values: Mapping[str, Any], *, owner: str) -> SettingsT:
    """Validate `values` of the settings of `owner`; other settings keep their defaults.

    Raises:
        BenchbedError: A name is unknown (with the nearest match) or a value is out of range (with
            the range).
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise BenchbedError(_format_validation_error(model, error, owner)) from error


def _format_validation_error(model: type[BaseModel], error: ValidationError, owner: str) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"]) or "settings"
    if first["type"] == "extra_forbidden":
        close = find_similar_name(name, model.model_fields)
        guess = f"; did you mean {close!r}?" if close else "."
        return (
            f"{owner} has no setting {name!r}{guess} Available settings: "
            f"{', '.join(model.model_fields)}. Run `benchbed show {owner}` for details."
        )
    reason = simplify_validation_message(first["msg"])
    return (
        f"Setting {name!r} of {owner} is {_clip_text(first['input'])}, but {reason}. Run `benchbed "
        f"show {owner}` for details."
    )


def _clip_text(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 3]}..."


def parse_assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """Parse ``name=value`` pairs from the command line; values are YAML scalars or lists.

    Raises:
        BenchbedError: A pair has no ``=``, or its value is not valid YAML.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise BenchbedError(
                f"--set must be name=value, not {pair!r}; for example --set batch_size=8"
            )
        try:
            values[name.strip()] = _parse_number(_load_plain_yaml(text))
        except _LeadingZeroError as error:
            raise BenchbedError(f"--set {pair!r} cannot be parsed: {error}.") from error
        except ValueError as error:
            raise BenchbedError(
                f"--set {pair!r} cannot be parsed: {text!r} is not a YAML value"
            ) from (error)
    return values


def _parse_number(value: Any) -> Any:
    """Convert ``1e-4`` to a number: YAML 1.1 reads it as text, since it has no decimal point."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read a YAML file of settings.

    Raises:
        BenchbedError: The file is missing, not valid YAML, or no mapping.
    """
    content = read_yaml(path, "settings file")
    if not isinstance(content, dict):
        raise BenchbedError(f"Settings file {path} must contain 'name: value' lines.")
    return {str(name): _parse_number(value) for name, value in content.items()}


def read_yaml(path: Path, kind: str) -> Any:
    """Read the plain values of a YAML file; tags never create objects.

    Raises:
        BenchbedError: It cannot be read, is not valid YAML, or is too large.
    """
    try:
        # The user names these files, so they may be links.
        content = read_regular_file(path, MAX_YAML_BYTES, follow_links=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BenchbedError(f"The {kind} {path} cannot be read: {reason}.") from error
    try:
        return _load_plain_yaml(content.decode())
    except ValueError as error:
        text = " ".join(str(error).split())
        raise BenchbedError(f"The {kind} {path} is not valid YAML: {text}.") from error


class _RepeatedKeyError(ValueError):
    """A mapping contains a key twice."""


class _LeadingZeroError(ValueError):
    """A number starts with 0, such as ``010``."""


class _PlainYamlLoader(yaml.SafeLoader):
    """YAML loader of plain values that rejects repeated keys and input of exponential cost.

    Other loaders silently use the last value of a repeated key. Merge keys copy all pairs they
    refer to, and copies of copies multiply, although few of them remain in the result. Base-60
    integers take unbounded time.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Reject merge keys and repeated keys."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise ConstructorError(
                    None,
                    None,
                    "merge keys (<<) are not supported; write the values out",
                    key.start_mark,
                )
        self._check_unique_keys(node)
        super().flatten_mapping(node)

    def _check_unique_keys(self, node: yaml.MappingNode) -> None:
        lines: dict[object, int] = {}
        for key, _ in node.value:
            # Other keys are not hashable, which is rejected later.
            if not isinstance(key, yaml.ScalarNode):
                continue
            # Values, not texts: `a` and "a" are one key.
            value, line = self.construct_object(key), key.start_mark.line + 1
            if value in lines:
                raise _RepeatedKeyError(
                    f"key {_clip_text(value)} in line {lines[value]} is repeated in line {line}; "
                    "keep one of them"
                )
            lines[value] = line

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        """Reject plain numbers with leading zeros: readers of YAML disagree on their value."""
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            number = re.fullmatch(r"([-+]?)0[0_]*([0-9_]+)", node.value)
            if number is not None:
                raise _LeadingZeroError(
                    f"{_clip_text(node.value)} in line {node.start_mark.line + 1} starts with 0, "
                    "which some readers of YAML take as a sign of octal digits; write "
                    f"{number[1]}{number[2]} for the number, or quote it for a text"
                )
        return super().construct_scalar(node)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Reject integers with too many digits."""
        if len(node.value) > MAX_INT_DIGITS:
            raise ConstructorError(
                None, None, f"a number has more than {MAX_INT_DIGITS} digits", node.start_mark
            )
        return super().construct_yaml_int(node)


_PlainYamlLoader.add_constructor("tag:yaml.org,2002:int", _PlainYamlLoader.construct_yaml_int)


def _load_plain_yaml(text: str) -> Any:
    """Parse YAML text.

    Raises:
        ValueError: It is not valid YAML, or too large.
    """
    try:
        reader = _PlainYamlLoader(text)
        try:
            result = reader.get_single_data()
        finally:
            reader.dispose()
    # Tags such as !!bool before invalid content raise unrelated errors.
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(str(error)) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if (fault := find_content_fault(result, max_values=MAX_YAML_VALUES)) is not None:
        raise ValueError(fault)
    return result
