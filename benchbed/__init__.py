"""benchbed: a benchmark harness that compares GAN methods for medical images.

The names below are all that a plugin needs; each is imported when it is first used, so that a
plugin's spec does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchbed.api.layouts import DownloadSource as DownloadSource
    from benchbed.api.layouts import Layout as Layout
    from benchbed.api.layouts import LayoutPart as LayoutPart
    from benchbed.api.layouts import Phantom as Phantom
    from benchbed.api.layouts import VolumeSpec as VolumeSpec
    from benchbed.api.method import DerivedArray as DerivedArray
    from benchbed.api.method import Method as Method
    from benchbed.api.metric import ImageSet as ImageSet
    from benchbed.api.metric import MaskInputs as MaskInputs
    from benchbed.api.metric import MetricInputs as MetricInputs
    from benchbed.api.metric import MetricValue as MetricValue
    from benchbed.api.metric import MemorisationSets as MemorisationSets
    from benchbed.api.specs import DatasetSpec as DatasetSpec
    from benchbed.api.specs import Deviation as Deviation
    from benchbed.api.specs import MethodSpec as MethodSpec
    from benchbed.api.specs import MetricSpec as MetricSpec
    from benchbed.api.specs import Paper as Paper
    from benchbed.api.specs import TaskSpec as TaskSpec
    from benchbed.api.task import EvaluationContext as EvaluationContext
    from benchbed.api.task import ReferenceCase as ReferenceCase
    from benchbed.api.task import Task as Task
    from benchbed.api.types import Batch as Batch
    from benchbed.api.types import DataShape as DataShape
    from benchbed.api.types import Figure as Figure
    from benchbed.api.types import Losses as Losses
    from benchbed.data.weights import PublishedWeights as PublishedWeights
    from benchbed.errors import BenchbedError as BenchbedError
    from benchbed.errors import BenchbedWarning as BenchbedWarning
    from benchbed.hookspecs import hookimpl as hookimpl
    from benchbed.settings import MethodSettings as MethodSettings
    from benchbed.settings import setting as setting

__version__ = "0.1.0"

_HOME = {
    "Batch": "api.types",
    "BenchbedError": "errors",
    "BenchbedWarning": "errors",
    "DataShape": "api.types",
    "DatasetSpec": "api.specs",
    "Derived": "api.method",
    "Deviation": "api.specs",
    "Download": "api.layouts",
    "Evaluation": "api.task",
    "Figure": "api.types",
    "ImageSet": "api.metric",
    "Layout": "api.layouts",
    "Losses": "api.types",
    "MaskInputs": "api.metric",
    "Method": "api.method",
    "MethodSettings": "settings",
    "MethodSpec": "api.specs",
    "MetricInputs": "api.metric",
    "MetricSpec": "api.specs",
    "MetricValue": "api.metric",
    "Paper": "api.specs",
    "Part": "api.layouts",
    "Phantom": "api.layouts",
    "PublishedWeights": "data.weights",
    "Reference": "api.task",
    "Task": "api.task",
    "TaskSpec": "api.specs",
    "Unseen": "api.metric",
    "Volumes": "api.layouts",
    "hookimpl": "hookspecs",
    "setting": "settings",
}

__all__ = sorted([*_HOME, "__version__"])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'benchbed' has no attribute {name!r}")
    value = getattr(import_module(f"benchbed.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
