"""Load the trained method of a run."""

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
    """Return the method of a run with the weights of its last checkpoint; no data is needed.

    Returns:
        The full run id, and the method.

    Raises:
        BenchbedError: The run does not exist, has no checkpoint, or is of another method.
    """
    folder, plan = find_plan(store, run)
    spec = registry().spec(MethodSpec, plan["method"])
    path = checkpoint_in(folder)
    if not path.exists():
        raise BenchbedError(
            f"Run {folder.name} has no checkpoint here ({path}); it may be on another machine. "
            "Retrain it with `benchbed run`."
        )
    saved = load_checkpoint(path, spec.name)
    method: Method[Any] = load(spec.implementation)(
        parse(load(spec.settings), plan["settings"], owner=spec.name)
    )
    return folder.name, with_weights(method, saved, fabric(device, plan["precision"]), path)
