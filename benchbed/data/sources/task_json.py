"""Read ``dataset.json``, which describes folders in the layouts of nnU-Net and the Decathlon."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from benchbed.errors import BenchbedError

TASK_FILE = "dataset.json"
"""Name of the description in the folder."""


@dataclass(frozen=True)
class TaskDescription:
    """What ``dataset.json`` declares.

    Attributes:
        channel_names: Names of the channels, in order; empty if not declared.
        mask_classes: Name by value in the masks, 0 is the background; empty if not declared.
    """

    channel_names: tuple[str, ...]
    mask_classes: Mapping[int, str]


def find_task_json(root: Path, folders: Sequence[str]) -> str | None:
    """Return the path of ``dataset.json`` in the common folder of the data or above, or None."""
    common = PurePosixPath(os.path.commonpath(folders))
    candidates = [str(folder / TASK_FILE) for folder in (common, *common.parents)]
    return next((name for name in candidates if (root / name).is_file()), None)


def read_task_json(path: Path) -> TaskDescription:
    """Return what a ``dataset.json`` declares.

    Raises:
        BenchbedError: The file is not JSON, or has other types than the two layouts define.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        channels = content.get("channel_names") or content.get("modality") or {}
        names = tuple(str(channels[key]) for key in sorted(channels, key=int))
        return TaskDescription(names, _read_classes(content.get("labels") or {}))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BenchbedError(
            f"{path} cannot be read as the description of an nnU-Net or Decathlon folder: {error}. "
            "Correct it, or rename it if it is something else."
        ) from error


def _read_classes(labels: Mapping[str, Any]) -> dict[int, str]:
    """Return names by value, from ``{"0": "background"}`` or ``{"background": 0}``."""
    classes: dict[int, str] = {}
    for key, value in labels.items():
        if isinstance(value, list):
            raise ValueError(f"the label {key} is a region of several values, not one value")
        number, name = (int(key), value) if str(key).isdigit() else (int(value), key)
        classes[number] = str(name)
    return dict(sorted(classes.items()))
