"""Everything that a run must remember to go on as if it had never stopped."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchbed.errors import BenchbedError
from benchbed.files import whole

FORMAT = 1
"""Version of the checkpoint's content."""

# What a lacking, a swapped and an endless part of a checkpoint make of their use.
_UNFIT = (
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


def random_states() -> dict[str, Any]:
    """The state of every global generator, as tensors and plain values."""
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
    """Put every global generator back where it was."""
    random.setstate(states["python"])
    saved = dict(states["numpy"])
    keys = saved.pop("keys").numpy().astype(np.uint32)
    np.random.set_state({**saved, "state": {"key": keys, "pos": saved.pop("position")}})
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.device_count() == len(states["cuda"]):
        torch.cuda.set_rng_state_all(states["cuda"])


def save_checkpoint(path: Path, method: str, run: str, content: Mapping[str, Any]) -> None:
    """Write a checkpoint whole.

    Args:
        path: The file.
        method: Name of the method whose state it is.
        run: Identity of the run.
        content: Tensors and plain values.

    Raises:
        OSError: The disk does not take it.
    """
    whole_content = {"format": FORMAT, "method": method, "run": run, **content}
    # Through memory first it would take twice as long, and as much memory again.
    with whole(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(whole_content, file)
        except RuntimeError as error:
            # torch's writer hides what the disk said behind a complaint of its own.
            said = error.__context__
            raise (said if isinstance(said, OSError) else error) from None


def load_checkpoint(path: Path, method: str) -> dict[str, Any]:
    """Read a checkpoint; nothing in it is executed.

    Args:
        path: The file.
        method: Name of the method that wants it.

    Raises:
        BenchbedError: It does not read, does not tell how far the run was, is of a newer benchbed
            or of another method.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file makes its reader fail in any way
        raise BenchbedError(f"{path} is not a readable checkpoint: {_reason(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise BenchbedError(f"{path} is not a benchbed checkpoint.")
    if content["format"] > FORMAT:
        raise BenchbedError(
            f"{path} has checkpoint format {content['format']}, but this benchbed reads up to "
            f"{FORMAT}. Update benchbed."
        )
    if content.get("method") != method:
        raise BenchbedError(
            f"{path} is a checkpoint of {content.get('method')!r}, not of {method!r}. Resume it "
            "with the method that wrote it."
        )
    with fitting(path):
        if not isinstance(content["state"]["steps"], int):
            raise TypeError("its step count is not an integer")
    return content


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Turn what a checkpoint lacks, or what of it fits nothing, into a sentence.

    Args:
        path: The checkpoint whose content is put to use in the block.

    Raises:
        BenchbedError: Something in it is not what it should be.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except _UNFIT as error:
        raise BenchbedError(
            f"{path} is damaged or from other networks: {_reason(error)}"
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of an error, or its kind where it says no more than a number or a key."""
    line = (str(error).splitlines() or [""])[0]
    return line if " " in line else f"{type(error).__name__} {line}".strip()
