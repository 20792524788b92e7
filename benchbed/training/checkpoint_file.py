"""Where a run keeps its checkpoint, told without torch to those who only look."""

from __future__ import annotations

from pathlib import Path


def checkpoint_in(folder: Path) -> Path:
    """The file that a run in `folder` goes on from, and that holds its weights."""
    return folder / "checkpoints" / "last.pt"
