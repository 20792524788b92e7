"""Create a package from templates.

``common/`` has the files of every package, ``method/`` and ``dataset/`` those of one kind. The
folder ``package`` becomes the import package, and ``$names`` are replaced in files that end in
``.template``.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal

from benchbed import __version__
from benchbed.api.specs import NAME_PATTERN
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry

Kind = Literal["method", "dataset"]

TEMPLATE_FOLDER = Path(__file__).parent / "templates"
TEMPLATE_SUFFIX = ".template"


def create_package(kind: Kind, name: str, into: Path) -> list[Path]:
    """Write the package of a new method or dataset completely, or not at all.

    Returns:
        The files, sorted.

    Raises:
        BenchbedError: The name is invalid or in use, or the folder exists or cannot be created.
    """
    _check_name(kind, name)
    folder = into / name
    if folder.exists() or folder.is_symlink():
        raise BenchbedError(
            f"Folder {folder} already exists and is unchanged. Delete it, or select another "
            "name or --into folder."
        )
    files = dict(_render_files(kind, name))
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into, prefix=f".{name}.") as temporary:
            draft = Path(temporary) / name
            for path, text in files.items():
                (draft / path).parent.mkdir(parents=True, exist_ok=True)
                (draft / path).write_text(text, encoding="utf-8")
            draft.rename(folder)
    except OSError as error:
        raise BenchbedError(
            f"Folder {folder} cannot be created ({error.strerror}). Select another folder with "
            "--into."
        ) from error
    return sorted(folder / path for path in files)


def get_package_name(name: str) -> str:
    """Return the import package of a method or dataset."""
    return f"benchbed_{name.replace('-', '_')}"


def _check_name(kind: Kind, name: str) -> None:
    """Refuse a name that is invalid, taken, or would shadow an installed package."""
    if not NAME_PATTERN.fullmatch(name):
        suggestion = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or f"my-{kind}"
        raise BenchbedError(
            f"{name!r} is not a valid {kind} name. Use lower-case words joined by hyphens, such "
            f"as {suggestion!r}."
        )
    for plugin in get_registry().plugins:
        if any(spec.name == name for spec in plugin.specs):
            raise BenchbedError(
                f"The name {name!r} is already used by {plugin.distribution}. Select another; "
                f"`benchbed show {name}` shows the existing one."
            )
    if find_spec(get_package_name(name)) is not None:
        raise BenchbedError(
            f"The name {name!r} needs the import package {get_package_name(name)}, which is "
            "already "
            "installed. Select another name; see `benchbed list plugins`."
        )


def _render_files(kind: Kind, name: str) -> Iterator[tuple[Path, str]]:
    """Yield every file of the package: its path below the package's folder, and its text."""
    values = {
        "name": name,
        "package": get_package_name(name),
        "distribution": f"benchbed-{name}",
        "version": __version__,
        "kind": "method" if kind == "method" else "dataset",
    }
    for root in (TEMPLATE_FOLDER / "common", TEMPLATE_FOLDER / kind):
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            text = path.read_text(encoding="utf-8")
            if path.suffix == TEMPLATE_SUFFIX:
                text = Template(text).substitute(values)
            parts = path.relative_to(root).parts
            inside = (values["package"] if part == "package" else part for part in parts)
            yield Path(*inside).with_name(path.name.removesuffix(TEMPLATE_SUFFIX)), text
