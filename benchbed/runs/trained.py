"""A run's method, as its last checkpoint has it."""

from __future__ import annotations

from typing import Any

from benchbed.api.method import Method
from benchbed.api.specs import MethodSpec
from benchbed.errors import BenchbedError
from benchbed.registry import load, registry
from benchbed.runs.assemble import with_weights
from benchbed.runs.device import fabric
from benchbed.runs.lookup import find_plan
from benchbed.runs.store import Store
from benchbed.settings import parse
from benchbed.training.checkpoint_file import checkpoint_in
from benchbed.training.state import load_checkpoint


def trained(store: Store, run: str, device: str = "auto") -> tuple[str, Method[Any]]:
    """Build a run's method and give it the weights of its last checkpoint; no data are needed.

    Args:
        store: Where the run lies.
        run: Its name, or the beginning of it.
        device: Where to put it.

    Returns:
        The run's full name, and the method.

    Raises:
        BenchbedError: There is no such run, it has no checkpoint, or it is of another method.
    """
    folder, made = find_plan(store, run)
    spec = registry().spec(MethodSpec, made["method"])
    path = checkpoint_in(folder)
    if not path.exists():
        raise BenchbedError(
            f"Run {folder.name} has no checkpoint here ({path}); it may be on another machine. "
            "Retrain it with `benchbed run`."
        )
    saved = load_checkpoint(path, spec.name)
    method: Method[Any] = load(spec.implementation)(
        parse(load(spec.settings), made["settings"], owner=spec.name)
    )
    return folder.name, with_weights(method, saved, fabric(device, made["precision"]), path)
