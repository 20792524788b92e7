"""Fixtures: retinal phantoms with vessel masks, and a feature extractor without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchbed.api.specs import DatasetSpec
from benchbed.data.loader import CaseLoader
from benchbed.data.preprocessing.prepare import (
    PreparedDataset,
    prepare_dataset,
)
from benchbed.data.sources.cases import Collection
from benchbed.data.sources.identify import identify_collection
from benchbed.data.sources.resolve import resolve_collection
from benchbed.metrics.features import cache
from benchbed.metrics.features.extractor import FeatureExtractor
from benchbed.registry.lookup import get_registry
from benchbed.runs.build import build_method, prepare_plan_data
from benchbed.runs.plan import RunPlan
from benchbed.training.device import create_fabric
from benchbed.training.loop import TrainingLoop
from benchbed.utils.progress import Budget, NullReporter


@pytest.fixture
def retinas() -> PreparedDataset:
    """Return 16 training and 8 test phantoms of one retinal dataset at 32 px."""
    spec = get_registry().get_spec(DatasetSpec, "drive")
    assert spec.phantom is not None
    small = replace(spec, phantom=replace(spec.phantom, case_counts={"train": 16, "test": 8}))
    collection, fingerprint = identify_collection(Collection(small, "phantom"))
    return prepare_dataset(
        collection, fingerprint, size=32, channels=3, framing=spec.framing, derived={}
    )


@pytest.fixture
def mean_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace deep features by 4 x 4 mean colours, where values do not matter."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    extractor = FeatureExtractor("mean-colours", 48, "0" * 12, network, torch.device("cpu"))
    monkeypatch.setattr(cache, "create_extractor", lambda *_: extractor)


@pytest.fixture
def make_image_folder(tmp_path: Path) -> Callable[[int], Collection]:
    """Return a function that writes a folder of different images, and returns their cases."""

    def make(count: int) -> Collection:
        folder = tmp_path / "mine"
        folder.mkdir()
        for number in range(count):
            pixels = np.full((8, 8, 3), 10 * number, np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        return resolve_collection(f"folder:{folder}")

    return make


@pytest.fixture
def make_loop() -> Callable[..., TrainingLoop]:
    """Return a function that builds the training loop of a plan, with pictures of one colour."""

    def make(planned: RunPlan, folder: Path, stop_after: int = 10**9) -> TrainingLoop:
        prepared = prepare_plan_data(planned, NullReporter())
        method = build_method(planned, prepared, create_fabric("cpu", "fp32"))
        return TrainingLoop(
            method=method,
            name=planned.method.name,
            run=planned.id,
            loader=CaseLoader(prepared.get_split("train"), 0, torch.device("cpu")),
            budget=Budget(kimg=planned.protocol.kimg),
            folder=folder,
            reporter=NullReporter(),
            draw_preview=lambda: np.zeros((8, 8, 3), np.uint8),
            should_stop=lambda: method.steps >= stop_after,
        )

    return make
