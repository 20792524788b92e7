"""Path of a run's checkpoint; free of torch, so that looking it up is fast."""

from __future__ import annotations

from pathlib import Path


def get_checkpoint_path(folder: Path) -> Path:
    """Return the checkpoint of a run, from which it resumes and which holds its weights."""
    return folder / "checkpoints" / "last.pt"
