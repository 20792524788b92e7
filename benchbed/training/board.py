"""TensorBoard logging of a run, through Fabric's logger, next to ``history.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchbed.errors import BenchbedError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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
