"""Checkpoints: everything needed to resume a run bit for bit."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchbed.errors import BenchbedError
from benchbed.utils.files import write_atomically
from benchbed.utils.regular_files import UnsafeFileError, open_regular_file

CHECKPOINT_FORMAT = 1
"""Format version of checkpoints."""

MAX_CHECKPOINT_BYTES = 2**36
"""Maximum size of a checkpoint in bytes: 64 GiB."""

# What missing, exchanged or recursive parts of a checkpoint raise in use.
_STATE_ERRORS = (
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RuntimeError,
    TypeError,
    ValueError,
)


def seed_everything(seed: int) -> None:
    """Seed the global generators of python, numpy and torch."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def get_random_states() -> dict[str, Any]:
    """Return the states of all global generators, as tensors and plain values."""
    numpy_state: Any = np.random.get_state(legacy=False)
    keys = torch.from_numpy(numpy_state["state"]["key"].astype(np.int64))
    plain = {name: value for name, value in numpy_state.items() if name != "state"}
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": {**plain, "keys": keys, "position": int(numpy_state["state"]["pos"])},
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Restore the states of all global generators."""
    random.setstate(states["python"])
    saved = dict(states["numpy"])
    keys = saved.pop("keys").numpy().astype(np.uint32)
    np.random.set_state({**saved, "state": {"key": keys, "pos": saved.pop("position")}})
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])


def save_checkpoint(path: Path, method: str, run: str, content: Mapping[str, Any]) -> None:
    """Write a checkpoint atomically.

    Raises:
        OSError: The file cannot be written.
    """
    state = {"format": CHECKPOINT_FORMAT, "method": method, "run": run, **content}
    # Directly to the file: through memory takes twice the time, and as much memory again.
    with write_atomically(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:
            # torch's writer replaces the disk's error by its own.
            cause = error.__context__
            raise (cause if isinstance(cause, OSError) else error) from None


def load_checkpoint(path: Path, method: str) -> dict[str, Any]:
    """Read a checkpoint; no code in it is executed.

    Raises:
        BenchbedError: It cannot be read, is incomplete, or is of a newer benchbed or another
            method.
    """
    try:
        root = path.parent.parent  # the run's folder
        with open_regular_file(path, MAX_CHECKPOINT_BYTES, root=root) as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        raise BenchbedError(
            f"{path} is not a readable checkpoint: {_describe_load_error(error)}"
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise BenchbedError(f"{path} is not a benchbed checkpoint.")
    if content["format"] > CHECKPOINT_FORMAT:
        raise BenchbedError(
            f"{path} has checkpoint format {content['format']}, but this benchbed reads up to "
            f"{CHECKPOINT_FORMAT}. Update benchbed."
        )
    if content.get("method") != method:
        raise BenchbedError(
            f"{path} is a checkpoint of {content.get('method')!r}, not of {method!r}. Resume it "
            "with the method that wrote it."
        )
    with handle_state_errors(path):
        if not isinstance(content["state"]["steps"], int):
            raise TypeError("its step count is not an integer")
    return content


@contextmanager
def handle_state_errors(path: Path) -> Iterator[None]:
    """Turn errors of missing or unfitting content into `BenchbedError`."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except _STATE_ERRORS as error:
        raise BenchbedError(
            f"{path} is damaged or from other networks: {_describe_error(error)}"
        ) from error


def _describe_load_error(error: Exception) -> str:
    """Return the reason without torch's advice, which is to trust the file or to save it again."""
    if isinstance(error, UnsafeFileError):
        return f"{error.strerror}."
    if isinstance(error, pickle.UnpicklingError):
        return "it is damaged, or contains objects other than tensors and plain values."
    return _describe_error(error)


def _describe_error(error: BaseException) -> str:
    """Return the first line of an error, with its type if that is only a number or a key."""
    line = (str(error).splitlines() or [""])[0]
    return line if " " in line else f"{type(error).__name__} {line}".strip()
