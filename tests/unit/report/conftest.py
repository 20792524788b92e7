"""Records for reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from benchbed.runs.record import Record

Make = Callable[..., Record]


@pytest.fixture(scope="session")
def make() -> Make:
    """A record of a task `synthesis`: method, seed, values by metric, changes of the protocol."""
    return _make


def _make(
    method: str = "dcgan",
    seed: int = 0,
    *,
    values: dict[str, float] | None = None,
    state: str = "finished",
    settings: dict[str, Any] | None = None,
    precision: str = "fp32",
    **changes: Any,
) -> Record:
    protocol = {
        "preset": "quick", "task": "synthesis", "dataset": "chest-xray", "source": "real",
        "fingerprint": "f1", "size": 64, "channels": 3, "framing": "center", "augment": "none",
        "kimg": 24.0, "seconds": None, "train_split": "train", "reference_split": "train",
        "samples": 100, "selection": "last", "version": 1, **changes,
    }  # fmt: skip
    values = {"swd": 0.1, "ms-ssim-realfake": 0.3} if values is None else values
    metrics = [
        {"metric": n, "value": v, "recipe": "r", "n_real": 200, "n_fake": 100, "floor": 0.01,
         "n_floor": 100}
        for n, v in values.items()
    ]  # fmt: skip
    provenance = {
        "created": "2026-01-01T00:00:00+00:00", "command": "benchbed run", "commit": "abc",
        "dirty": False, "benchbed": "0.1.0", "plugins": {}, "libraries": {}, "python": "3.11",
        "system": "Linux", "processor": "x", "cores": 2, "threads": 2, "memory_bytes": 1,
        "device": "cpu",
    }  # fmt: skip
    identity = (json.dumps(protocol), json.dumps(settings), precision)
    content = {
        "id": f"{method}-{protocol['dataset']}-s{seed}-{abs(hash(identity)) % 10**8}",
        "state": state, "method": method, "settings": settings or {"batch_size": 16},
        "dataset": protocol["dataset"], "source": protocol["source"],
        "fingerprint": protocol["fingerprint"], "cases": {"train": 9}, "task": protocol["task"],
        "protocol": protocol, "protocol_hash": json.dumps(protocol, sort_keys=True),
        "seed": seed, "precision": precision,
        "training": {"kimg": 24, "steps": 9, "seconds": 9, "images_per_second": 9},
        "metrics": metrics if state == "finished" else [], "provenance": provenance,
    }  # fmt: skip
    return Record.model_validate(content)
