"""Retinal phantoms with their vessels, for methods that need masks; features that cost nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchbed.api.specs import DatasetSpec
from benchbed.data.collection import Collection
from benchbed.data.prepare import Prepared, identify, prepare
from benchbed.metrics import feature_cache
from benchbed.metrics.features import Extractor
from benchbed.registry import registry


@pytest.fixture
def retinas() -> Prepared:
    """16 training and 8 test phantoms of one retinal data set at 32 px."""
    spec = registry().spec(DatasetSpec, "drive")
    assert spec.phantom is not None
    few = replace(spec, phantom=replace(spec.phantom, counts={"train": 16, "test": 8}))
    collection, fingerprint = identify(Collection(few, "phantom"))
    return prepare(collection, fingerprint, size=32, channels=3, framing=spec.framing, derived={})


@pytest.fixture
def mean_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of 4 x 4 mean colours in place of a deep network's, where values do not matter."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    made = Extractor("mean-colours", 48, "0" * 12, network, torch.device("cpu"))
    monkeypatch.setattr(feature_cache, "extractor", lambda *_: made)
