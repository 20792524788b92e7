"""Training history of a run as CSV, and loggers such as TensorBoard."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchbed.errors import BenchbedError
from benchbed.utils.files import write_text
from benchbed.utils.progress import TrainingPosition
from benchbed.utils.regular_files import UnsafeFileError, read_regular_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


MAX_HISTORY_BYTES = 2**28
"""Maximum size of a history in bytes."""


FIXED_COLUMNS = ("step", "kimg", "seconds")
"""The first columns of a history; the others are losses."""


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
        return {
            name: float(v) for name, v in self.rows[-1].items() if name not in FIXED_COLUMNS and v
        }

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
            content = read_regular_file(self.path, MAX_HISTORY_BYTES, root=self.path.parent)
            rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
            self.rows = [row for row in rows if int(row["step"]) <= until_step]
            _ = self.position, self.last_losses  # check that they are numbers, too
        except (UnsafeFileError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise BenchbedError(
                f"{self.path} is damaged. Delete it to resume the run with an empty history."
            ) from error


LoggerName = Literal["tensorboard"]

LOG_FOLDER = "tensorboard"
"""Folder of the event files, inside a run's folder."""


def check_logger(name: str | None) -> None:
    """Raise if a logger is not installed; None is always accepted.

    Raises:
        BenchbedError: It is not installed.
    """
    if name is not None and find_spec(name) is None:
        raise BenchbedError(
            f"--logger {name} needs a package that is not installed. Run `pip install "
            f"'benchbed[{name}]'`, or remove the option; history.csv is always written."
        )


class EventLogger:
    """Losses and pictures of a run, as TensorBoard event files.

    TensorBoard hides what an earlier attempt wrote after `step`, since a run resumed from a
    checkpoint repeats those steps.
    """

    def __init__(self, folder: Path, step: int) -> None:
        # Slow to import, and rarely used.
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        self._logger = TensorBoardLogger(folder, name="", version=LOG_FOLDER, purge_step=step + 1)

    def log_losses(self, step: int, means: Mapping[str, float]) -> None:
        """Log means of the losses since the last call."""
        self._logger.log_metrics({f"loss/{name}": mean for name, mean in means.items()}, step)

    def log_picture(self, step: int, pixels: npt.NDArray[np.uint8]) -> None:
        """Log samples, uint8 ``(H, W)`` or ``(H, W, 3)``."""
        formats = "HW" if pixels.ndim == 2 else "HWC"
        self._logger.experiment.add_image("samples", pixels, step, dataformats=formats)

    def flush(self) -> None:
        """Write pending events."""
        self._logger.save()

    def close(self) -> None:
        """Write pending events and close the file."""
        self._logger.finalize("finished")


@contextmanager
def open_logger(name: LoggerName | None, folder: Path, step: int) -> Iterator[EventLogger | None]:
    """Open the requested logger, if any, until the block ends."""
    if name is None:
        yield None
        return
    logger = EventLogger(folder, step)
    try:
        yield logger
    finally:
        logger.close()
