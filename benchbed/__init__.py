"""benchbed: a benchmark harness that compares GAN methods for medical images.

The names below are all that a plugin needs; each is imported when it is first used, so that a
plugin's spec does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchbed.api.augmentation import Augmentation as Augmentation
    from benchbed.api.dataset import ArrayArchive as ArrayArchive
    from benchbed.api.dataset import DownloadSource as DownloadSource
    from benchbed.api.dataset import Layout as Layout
    from benchbed.api.dataset import LayoutPart as LayoutPart
    from benchbed.api.dataset import Phantom as Phantom
    from benchbed.api.dataset import VolumeSpec as VolumeSpec
    from benchbed.api.method import DerivedArray as DerivedArray
    from benchbed.api.method import Method as Method
    from benchbed.api.metric import ImageSet as ImageSet
    from benchbed.api.metric import MaskInputs as MaskInputs
    from benchbed.api.metric import MemorisationSets as MemorisationSets
    from benchbed.api.metric import MetricInputs as MetricInputs
    from benchbed.api.metric import MetricValue as MetricValue
    from benchbed.api.metric import PairedInputs as PairedInputs
    from benchbed.api.settings import MethodSettings as MethodSettings
    from benchbed.api.settings import setting as setting
    from benchbed.api.specs import DatasetSpec as DatasetSpec
    from benchbed.api.specs import Deviation as Deviation
    from benchbed.api.specs import MethodSpec as MethodSpec
    from benchbed.api.specs import MetricSpec as MetricSpec
    from benchbed.api.specs import Paper as Paper
    from benchbed.api.specs import TaskSpec as TaskSpec
    from benchbed.api.task import EvaluationContext as EvaluationContext
    from benchbed.api.task import ReferenceCase as ReferenceCase
    from benchbed.api.task import Task as Task
    from benchbed.api.types import LUMA_WEIGHTS as LUMA_WEIGHTS
    from benchbed.api.types import Batch as Batch
    from benchbed.api.types import DataShape as DataShape
    from benchbed.api.types import Losses as Losses
    from benchbed.data.download.weights import PublishedWeights as PublishedWeights
    from benchbed.errors import BenchbedError as BenchbedError
    from benchbed.errors import BenchbedWarning as BenchbedWarning
    from benchbed.registry.hooks import hookimpl as hookimpl
    from benchbed.training.visualization.images import draw_sample_grid as draw_sample_grid
    from benchbed.training.visualization.volumes import SliceView as SliceView
    from benchbed.training.visualization.volumes import draw_tile_rows as draw_tile_rows

__version__ = "0.2.0"

_HOME = {
    "ArrayArchive": "api.dataset",
    "Augmentation": "api.augmentation",
    "Batch": "api.types",
    "BenchbedError": "errors",
    "BenchbedWarning": "errors",
    "DataShape": "api.types",
    "DatasetSpec": "api.specs",
    "DerivedArray": "api.method",
    "Deviation": "api.specs",
    "DownloadSource": "api.dataset",
    "EvaluationContext": "api.task",
    "ImageSet": "api.metric",
    "LUMA_WEIGHTS": "api.types",
    "Layout": "api.dataset",
    "LayoutPart": "api.dataset",
    "Losses": "api.types",
    "MaskInputs": "api.metric",
    "MemorisationSets": "api.metric",
    "Method": "api.method",
    "MethodSettings": "api.settings",
    "MethodSpec": "api.specs",
    "MetricInputs": "api.metric",
    "MetricSpec": "api.specs",
    "MetricValue": "api.metric",
    "PairedInputs": "api.metric",
    "Paper": "api.specs",
    "Phantom": "api.dataset",
    "PublishedWeights": "data.download.weights",
    "ReferenceCase": "api.task",
    "SliceView": "training.visualization.volumes",
    "Task": "api.task",
    "TaskSpec": "api.specs",
    "VolumeSpec": "api.dataset",
    "draw_sample_grid": "training.visualization.images",
    "draw_tile_rows": "training.visualization.volumes",
    "hookimpl": "registry.hooks",
    "setting": "api.settings",
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
