"""Training history of a run, as a CSV file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path

from benchbed.errors import BenchbedError
from benchbed.files import write_text
from benchbed.training.budget import TrainingPosition

FIXED_COLUMNS = ("step", "kimg", "seconds")


class History:
    """Rows of ``history.csv``: step, kimg, seconds and the mean of each loss.

    Attributes:
        path: The file.
        rows: The rows so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, str]] = []

    @property
    def position(self) -> TrainingPosition:
        """Position at the last row."""
        if not self.rows:
            return TrainingPosition()
        last = self.rows[-1]
        return TrainingPosition(round(float(last["kimg"]) * 1000), float(last["seconds"]))

    @property
    def last_losses(self) -> Mapping[str, float]:
        """Losses of the last row."""
        if not self.rows:
            return {}
        return {name: float(v) for name, v in self.rows[-1].items() if name not in FIXED_COLUMNS and v}

    def add_row(self, step: int, position: TrainingPosition, losses: Mapping[str, float]) -> None:
        """Append a row."""
        row = {
            "step": str(step),
            "kimg": f"{position.images_shown / 1000:.3f}",
            "seconds": f"{position.seconds:.2f}",
        }
        self.rows.append(row | {name: f"{loss:.6g}" for name, loss in losses.items()})

    def write(self) -> None:
        """Write the file atomically."""
        losses = {name: None for row in self.rows for name in row if name not in FIXED_COLUMNS}
        text = io.StringIO()
        writer = csv.DictWriter(text, [*FIXED_COLUMNS, *losses], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def read(self, until_step: float = math.inf) -> None:
        """Read the file, without rows after `until_step`, which training will repeat.

        Raises:
            BenchbedError: The file is damaged.
        """
        if not self.path.exists():
            return
        try:
            with self.path.open(encoding="utf-8", newline="") as file:
                rows = list(csv.DictReader(file))
            self.rows = [row for row in rows if int(row["step"]) <= until_step]
            _ = self.position, self.last_losses  # check that they are numbers, too
        except (KeyError, TypeError, ValueError, csv.Error) as error:
            raise BenchbedError(
                f"{self.path} is damaged. Delete it to resume the run with an empty history."
            ) from error
