"""Build, restore and load the method of a plan, and prepare its data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from benchbed.api.method import Method
from benchbed.api.settings import MethodSettings
from benchbed.api.specs import MethodSpec
from benchbed.api.types import DataShape
from benchbed.config.paths import get_checkpoint_path
from benchbed.config.settings import parse_settings
from benchbed.data.loader import get_data_shape
from benchbed.data.preprocessing.prepare import PreparedDataset, prepare_dataset
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry, load_object
from benchbed.results.lookup import find_config
from benchbed.results.record import ShapeModel
from benchbed.results.store import ResultStore
from benchbed.runs.plan import RunPlan
from benchbed.training.augmentation import create_augmentation
from benchbed.training.checkpoint import handle_state_errors, load_checkpoint, seed_everything
from benchbed.training.device import create_fabric
from benchbed.utils.progress import Reporter

RANK_SEED_STRIDE = 1_000_003
"""Added to the seed of a worker rank, times the rank."""


def prepare_plan_data(plan: RunPlan, reporter: Reporter) -> PreparedDataset:
    """Return the plan's data as arrays, with the arrays that its method derives."""
    derived = load_object(plan.method.implementation).get_derived_arrays(plan.settings)
    protocol = plan.protocol
    return prepare_dataset(
        plan.collection,
        protocol.fingerprint,
        size=protocol.size,
        channels=protocol.channels,
        framing=protocol.framing,
        derived=derived,
        progress=reporter.report_progress,
        log=reporter.report_message,
    )


def build_method(plan: RunPlan, prepared: PreparedDataset, lightning: Fabric) -> Method[Any]:
    """Return the plan's method, built from its seed, on the device."""
    shape = get_data_shape(
        prepared.get_split(plan.protocol.train_split), len(plan.collection.spec.classes)
    )
    seed_everything(plan.seed)
    method: Method[Any] = load_object(plan.method.implementation)(plan.settings)
    method.data = shape
    method.build(shape)
    method.augmentation = create_augmentation(plan.protocol.augment)
    method.attach(lightning)
    if method.distributed.rank:
        # Numbers that a method draws itself must differ between the parts of a batch.
        seed_everything(plan.seed + RANK_SEED_STRIDE * method.distributed.rank)
    return method


def restore_method(plan: RunPlan, checkpoint: Path, lightning: Fabric) -> Method[Any]:
    """Return the plan's method with the weights of a checkpoint; no data is needed.

    Raises:
        BenchbedError: The checkpoint is of another method.
    """
    saved = load_checkpoint(checkpoint, plan.method.name)
    method: Method[Any] = load_object(plan.method.implementation)(plan.settings)
    return load_method_weights(method, saved, lightning, checkpoint)


def load_method_weights(
    method: Method[Any], saved: Mapping[str, Any], lightning: Fabric, checkpoint: Path
) -> Method[Any]:
    """Build a method for the data shape of a checkpoint and load its weights.

    Raises:
        BenchbedError: The checkpoint is incomplete, fits other networks, or has a data shape that
            the method does not support.
    """
    with handle_state_errors(checkpoint):
        # The bounds of an archive: a corrupt number must not allocate all memory.
        shape = ShapeModel.model_validate({**saved["data"], "spatial": [*saved["data"]["spatial"]]})
        method.data = DataShape(**{**shape.model_dump(), "spatial": tuple(shape.spatial)})
    try:
        method.build(method.data)
    except (BenchbedError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a plugin may raise anything for a shape it does not support
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BenchbedError(
            f"{checkpoint} contains data of a shape that its method does not support ({reason})."
        ) from error
    method.attach(lightning)
    with handle_state_errors(checkpoint):
        method.restore_state(saved["state"])
    return method


def count_parameters_at_shape(
    spec: MethodSpec, settings: MethodSettings, shape: DataShape
) -> dict[str, int]:
    """Return trainable parameters by network, for a method built without allocating memory."""
    method: Method[Any] = load_object(spec.implementation)(settings)
    method.data = shape
    with torch.device("meta"):
        method.build(shape)
    return count_parameters(method)


def count_parameters(method: Method[Any]) -> dict[str, int]:
    """Return trainable parameters by network."""
    return {
        name: sum(p.numel() for p in network.parameters() if p.requires_grad)
        for name, network in method.networks.items()
    }


def load_trained_method(
    store: ResultStore, run: str, device: str = "auto"
) -> tuple[str, Method[Any]]:
    """Return the method of a run with the weights of its last checkpoint; no data is needed.

    Returns:
        The full run id, and the method.

    Raises:
        BenchbedError: The run does not exist, has no checkpoint, or is of another method.
    """
    folder, config = find_config(store, run)
    spec = get_registry().get_spec(MethodSpec, config.method)
    path = get_checkpoint_path(folder)
    if not path.exists():
        raise BenchbedError(
            f"Run {folder.name} has no checkpoint here ({path}); it may be on another machine. "
            "Retrain it with `benchbed run`."
        )
    saved = load_checkpoint(path, spec.name)
    method: Method[Any] = load_object(spec.implementation)(
        parse_settings(load_object(spec.settings), config.settings, owner=spec.name)
    )
    return folder.name, load_method_weights(
        method, saved, create_fabric(device, config.precision), path
    )
