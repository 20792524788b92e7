"""Retinal phantoms with their vessels, for methods that need masks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchbed.api.specs import DatasetSpec
from benchbed.data.collection import Collection
from benchbed.data.prepare import Prepared, identify, prepare
from benchbed.registry import registry


@pytest.fixture
def retinas() -> Prepared:
    """16 training and 8 test phantoms of one retinal data set at 32 px."""
    spec = registry().spec(DatasetSpec, "drive")
    assert spec.phantom is not None
    few = replace(spec, phantom=replace(spec.phantom, counts={"train": 16, "test": 8}))
    collection, fingerprint = identify(Collection(few, "phantom"))
    return prepare(collection, fingerprint, size=32, channels=3, framing=spec.framing, derived={})
