"""Load the trained method of a run."""

from __future__ import annotations

from typing import Any

from benchbed.api.method import Method
from benchbed.api.specs import MethodSpec
from benchbed.errors import BenchbedError
from benchbed.registry import load_object, get_registry
from benchbed.runs.assemble import load_method_weights
from benchbed.runs.device import create_fabric
from benchbed.runs.lookup import find_plan
from benchbed.runs.store import ResultStore
from benchbed.settings import parse_settings
from benchbed.training.checkpoint_file import get_checkpoint_path
from benchbed.training.state import load_checkpoint


def load_trained_method(store: ResultStore, run: str, device: str = "auto") -> tuple[str, Method[Any]]:
    """Return the method of a run with the weights of its last checkpoint; no data is needed.

    Returns:
        The full run id, and the method.

    Raises:
        BenchbedError: The run does not exist, has no checkpoint, or is of another method.
    """
    folder, plan = find_plan(store, run)
    spec = get_registry().get_spec(MethodSpec, plan["method"])
    path = get_checkpoint_path(folder)
    if not path.exists():
        raise BenchbedError(
            f"Run {folder.name} has no checkpoint here ({path}); it may be on another machine. "
            "Retrain it with `benchbed run`."
        )
    saved = load_checkpoint(path, spec.name)
    method: Method[Any] = load_object(spec.implementation)(
        parse_settings(load_object(spec.settings), plan["settings"], owner=spec.name)
    )
    return folder.name, load_method_weights(method, saved, create_fabric(device, plan["precision"]), path)
