"""Metadata of the package medmnist: names, splits, classes, licences and downloads."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "medmnist"

_COMMA_PATTERN = re.compile(r", (?![^(]*\))")
"""Comma between the parts of a class, outside parentheses."""

NATIVE_SIZE = 28
"""Size in pixels of the files whose name has no size."""


@dataclass(frozen=True)
class SetSource:
    """Where one set is published at one size.

    Attributes:
        size: Size in pixels of all axes.
        url: Address of the npz file.
        md5: MD5 of the file.
    """

    size: int
    url: str
    md5: str


@dataclass(frozen=True)
class SetMetadata:
    """What the package states about one set.

    Attributes:
        name: Name of the set, such as ``"abcmnist"``.
        title: Its official spelling.
        task: Kind of its labels, such as ``"multi-class"``.
        classes: Names of the classes, or of the labels of a multi-label set, in order.
        channels: 1 or 3.
        case_counts: Number of cases by split.
        licence: Licence of the images.
        sources: Its files, smallest first.
    """

    name: str
    title: str
    task: str
    classes: tuple[str, ...]
    channels: int
    case_counts: Mapping[str, int]
    licence: str
    sources: tuple[SetSource, ...]

    @property
    def is_three_dimensional(self) -> bool:
        """Whether the cases are volumes."""
        return self.name.endswith("3d")

    @property
    def is_multi_label(self) -> bool:
        """Whether a case has several labels at once."""
        return self.task.startswith("multi-label")

    @property
    def is_ordinal(self) -> bool:
        """Whether the classes are grades."""
        return self.task.startswith("ordinal")


@dataclass(frozen=True)
class PackageMetadata:
    """What the package states.

    Attributes:
        homepage: Its address.
        sets: Its sets.
    """

    homepage: str
    sets: tuple[SetMetadata, ...]


def read_metadata() -> PackageMetadata:
    """Read the metadata of the installed package.

    The source is parsed, not imported: importing the package imports torch, which listing must not
    do, and creates a folder in the home directory, which may not be writable.

    Raises:
        ModuleNotFoundError: The package is not installed.
        ValueError: Its metadata have another form.
    """
    # Finding a top-level package does not import it.
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            f"the package {PACKAGE} is not installed; install it with `pip install {PACKAGE}`"
        )
    file = Path(spec.origin).with_name("info.py")
    try:
        constants = _read_constants(file, ("HOMEPAGE", "INFO"))
        sets = tuple(_parse_set(name, entry) for name, entry in constants["INFO"].items())
        return PackageMetadata(constants["HOMEPAGE"], sets)
    except (OSError, SyntaxError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"the metadata in {file} cannot be read ({type(error).__name__}: {error}); install "
            f"{PACKAGE} 3.0"
        ) from error


def _read_constants(file: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the literal values that a module assigns to the given names."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {
        target.id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name) and target.id in names
    }


def _parse_set(name: str, entry: Mapping[str, Any]) -> SetMetadata:
    suffixes = [key.removeprefix("url") for key in entry if key.startswith("url")]
    sources = [
        SetSource(
            int(suffix.removeprefix("_") or NATIVE_SIZE),
            entry[f"url{suffix}"],
            entry[f"MD5{suffix}"],
        )
        for suffix in suffixes
    ]
    labels = {int(number): label for number, label in entry["label"].items()}
    return SetMetadata(
        name=name,
        title=entry["python_class"],
        task=entry["task"],
        # Lists of classes are joined with commas, so a name with one would look like two.
        classes=tuple(_COMMA_PATTERN.sub(" or ", labels[n]) for n in range(len(labels))),
        channels=entry["n_channels"],
        case_counts=dict(entry["n_samples"]),
        licence=entry["license"],
        sources=tuple(sorted(sources, key=lambda source: source.size)),
    )
