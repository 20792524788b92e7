"""Fixtures: retinal phantoms with vessel masks, and a feature extractor without a network."""

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
    """Return 16 training and 8 test phantoms of one retinal dataset at 32 px."""
    spec = registry().spec(DatasetSpec, "drive")
    assert spec.phantom is not None
    small = replace(spec, phantom=replace(spec.phantom, counts={"train": 16, "test": 8}))
    collection, fingerprint = identify(Collection(small, "phantom"))
    return prepare(collection, fingerprint, size=32, channels=3, framing=spec.framing, derived={})


@pytest.fixture
def mean_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace deep features by 4 x 4 mean colours, where values do not matter."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    extractor = Extractor("mean-colours", 48, "0" * 12, network, torch.device("cpu"))
    monkeypatch.setattr(feature_cache, "extractor", lambda *_: extractor)
