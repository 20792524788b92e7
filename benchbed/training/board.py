"""The course of a run for TensorBoard, beside ``history.csv``; through Fabric's logger."""

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

FOLDER = "tensorboard"
"""Where its event files are, in a run's folder."""


def check_logger(name: str | None) -> None:
    """Refuse a logger that is not installed.

    Args:
        name: ``"tensorboard"``, or None for none.

    Raises:
        BenchbedError: It is not.
    """
    if name is not None and find_spec(name) is None:
        raise BenchbedError(
            f"--logger {name} needs a package that is not installed. Run `pip install "
            f"'benchbed[{name}]'`, or remove the option; history.csv is always written."
        )


class Board:
    """Losses and pictures of a run, as event files.

    What an earlier attempt wrote after `step` is hidden by TensorBoard: a run that goes on from a
    checkpoint makes those steps again.

    Args:
        folder: Folder of the run.
        step: Training steps that are done.
    """

    def __init__(self, folder: Path, step: int) -> None:
        # The library takes its time to load, and few ask for it.
        from lightning_fabric.loggers.tensorboard import TensorBoardLogger

        self._logger = TensorBoardLogger(folder, name="", version=FOLDER, purge_step=step + 1)

    def losses(self, step: int, means: Mapping[str, float]) -> None:
        """Means of the losses since the last time."""
        self._logger.log_metrics({f"loss/{name}": mean for name, mean in means.items()}, step)

    def picture(self, step: int, pixels: npt.NDArray[np.uint8]) -> None:
        """What the method can do now: uint8 ``(H, W)`` or ``(H, W, 3)``."""
        formats = "HW" if pixels.ndim == 2 else "HWC"
        self._logger.experiment.add_image("samples", pixels, step, dataformats=formats)

    def flush(self) -> None:
        """Write out what was noted so far."""
        self._logger.save()

    def close(self) -> None:
        """Write out everything."""
        self._logger.finalize("finished")


@contextmanager
def board(name: LoggerName | None, folder: Path, step: int) -> Iterator[Board | None]:
    """The logger that was asked for, if one was, until the block ends however it may.

    Args:
        name: ``"tensorboard"``, or None for none.
        folder: Folder of the run.
        step: Training steps that are done.
    """
    if name is None:
        yield None
        return
    made = Board(folder, step)
    try:
        yield made
    finally:
        made.close()
