"""Specs that a plugin declares: plain data, cheap to import.

A spec names its implementation as a ``"module:object"`` string, so that listing, help and reports
never import the implementation (nor torch, which it needs).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from benchbed.api.dataset import ArrayArchive, DownloadSource, Layout, Phantom, VolumeSpec

Direction = Literal["up", "down", "none"]
"""Whether a larger value is better (``up``), a smaller one (``down``), or neither."""

InputKind = Literal["images", "volumes", "masks", "pairs"]
"""What is scored: generated images against real ones, the same for volumes, predicted masks against
true ones, or each generated image against the real one of its case."""

Regime = Literal["real", "synthetic", "mixed", "finetuned"]

REGIMES: Mapping[str, str] = {
    "real": "real pairs only",
    "synthetic": "synthetic pairs only",
    "mixed": "real and synthetic pairs combined",
    "finetuned": "synthetic pairs for the first half of the budget, then real pairs",
}
"""What a segmentation network can be trained on."""

PresetName = Literal["quick", "standard", "paper"]

PRESETS: tuple[PresetName, ...] = get_args(PresetName)
"""Names of the protocol presets, from the smallest to the paper's own scale."""

CAPABILITIES: Mapping[str, str] = {
    "sample": "generates images from noise (and masks, if the method makes pairs)",
    "pairs": "generates images from noise, each with a mask",
    "synthesize": "generates an image from a mask",
    "segment": "predicts a mask from an image",
    "annotate": "returns the mask of the second annotator",
}

NAME_PATTERN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Pattern of a name: lower-case words joined by hyphens."""

_TARGET_PATTERN = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _check_spec(kind: str, name: str, *objects: str) -> None:
    if not NAME_PATTERN.fullmatch(name):
        raise ValueError(f"{kind} name {name!r} must be lower-case words joined by hyphens")
    for target in objects:
        if not _TARGET_PATTERN.fullmatch(target):
            raise ValueError(
                f"{kind} {name!r}: {target!r} must have the form 'package.module:object'"
            )


@dataclass(frozen=True, kw_only=True)
class Paper:
    """Where a method, dataset or metric was published.

    Attributes:
        key: Short name, as in the files of reference values, such as ``"author2019-name"``.
        authors: Authors as cited, such as ``"Radford, Metz, Chintala"``.
        year: Year of publication.
        title: Title of the paper.
        venue: Journal, conference or preprint server.
        url: A stable address, or an empty string.
    """

    key: str
    authors: str
    year: int
    title: str
    venue: str
    url: str = ""

    @property
    def citation(self) -> str:
        """Authors, year, title and venue in one line."""
        return f"{self.authors} ({self.year}). {self.title}. {self.venue}."


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """A point where the paper is silent or wrong, or where this implementation departs from it.

    Attributes:
        paper: What the paper says and where, or that it says nothing.
        reason: Why.
    """

    paper: str
    implementation: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """Declaration of a method.

    Attributes:
        name: Name on the command line and in tables.
        title: Display name.
        paper: Where it was published.
        implementation: ``"module:Class"`` of the `Method`.
        settings: ``"module:Class"`` of its `MethodSettings`; that module must not import torch.
        capabilities: What a trained model can do; keys of `CAPABILITIES`.
        sizes: In-plane sizes in pixels that the networks support.
        dimensions: Spatial dimensions, 2 or 3, that they support.
        required_inputs: Parts of a case besides the image that training needs, such as ``"mask"``.
        optional_inputs: Parts of a case that training uses where they are present.
        is_trainable: Whether there is anything to train; False for a reference such as an
            annotator.
        takes_augmentation: Whether it passes all that its discriminators see, real and generated,
            through `Method.augment`, and reports their scores of real images to
            `Method.augmentation`. Only for images.
        default_augmentation: Value of ``--augment`` unless the user gives one, as published, such
            as ``"diffaugment:colour+translation"``.
        preset_augmentations: The same by preset name, for presets with another default.
        presets: Settings that a preset changes, by preset name; other settings keep their default,
            which is the paper's value.
        equations: The method's formulas, as pairs of place in the paper and formula.
        deviations: Where the paper is silent or departed from.
    """

    name: str
    title: str
    paper: Paper
    implementation: str
    settings: str
    capabilities: frozenset[str] = frozenset({"sample"})
    sizes: tuple[int, ...]
    dimensions: tuple[int, ...] = (2,)
    required_inputs: frozenset[str] = frozenset()
    optional_inputs: frozenset[str] = frozenset()
    is_trainable: bool = True
    takes_augmentation: bool = False
    default_augmentation: str = "none"
    preset_augmentations: Mapping[str, str] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    equations: tuple[tuple[str, str], ...] = ()
    deviations: tuple[Deviation, ...] = ()

    def __post_init__(self) -> None:
        _check_spec("method", self.name, self.implementation, self.settings)
        if not self.capabilities or not self.capabilities <= CAPABILITIES.keys():
            raise ValueError(
                f"method {self.name!r}: capabilities must be among {sorted(CAPABILITIES)}"
            )
        if not (self.presets.keys() | self.preset_augmentations.keys()) <= set(PRESETS):
            raise ValueError(f"method {self.name!r}: presets must be among {PRESETS}")
        if self.takes_augmentation and self.dimensions != (2,):
            raise ValueError(
                f"method {self.name!r}: takes_augmentation is for dimensions (2,) only"
            )

    def get_default_augmentation(self, preset: str) -> str:
        """Return the value of ``--augment`` of a preset unless the user gives one."""
        return self.preset_augmentations.get(preset, self.default_augmentation)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Declaration of a dataset.

    Attributes:
        name: Name on the command line and in tables.
        title: The official name.
        modality: Such as ``"chest radiography"``.
        paper: What its users cite.
        licence: Licence of the data, as far as known.
        access_instructions: How to get the data: where to go and what to do, in one or two
            sentences.
        package: Package whose folder has the files, for data that are installed with a plugin;
            empty if they are in the data root.
        layouts: Official layouts; the cases of all layouts that are found are combined. Empty if
            there is an `archive`.
        archive: File whose arrays hold the cases, in place of layouts; None if cases are files.
        variant_of: Name of the dataset whose images these are at another size; lists show both in
            one row. None if the dataset is no variant.
        notes: What a user of the data should know, in one or two sentences.
        downloads: The archives of the dataset if they are public; empty if the source requires a
            registration or an account.
        phantom: Its phantom, or None.
        channels: 1 (grey) or 3 (RGB); images are converted. For volumes, the number of sequences.
        classes: Names of the image-level labels, in the order of their numbers.
        structures: Names of the mask classes 1, 2, ... of images; empty for one.
        volumes: Properties of volumes; None if cases are images.
        framing: How an image becomes square: ``"fov"`` (the bounding square of the field of view),
            ``"center"`` (the central square), ``"pad"`` (black borders) or ``"stretch"``.
        fov_detector: ``"module:function"`` from an image, uint8 ``(H, W, 3)``, to its field of
            view, bool
            ``(H, W)``, for images without a field-of-view file; None if every pixel counts.
        intensity_window: Values shown as black and white in images of more than 8 bits per
            channel, in their own units, such as ``(-1000, 400)`` Hounsfield units; None if they
            have no agreed range: then percentiles over all images of the dataset.
    """

    name: str
    title: str
    modality: str
    paper: Paper | None = None
    licence: str
    access_instructions: str
    package: str = ""
    layouts: tuple[Layout, ...] = ()
    archive: ArrayArchive | None = None
    variant_of: str | None = None
    notes: str = ""
    downloads: tuple[DownloadSource, ...] = ()
    phantom: Phantom | None = None
    channels: int = 3
    classes: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()
    volumes: VolumeSpec | None = None
    framing: Literal["fov", "center", "pad", "stretch"] = "center"
    fov_detector: str | None = None
    intensity_window: tuple[float, float] | None = None

    @property
    def dimensions(self) -> int:
        """Number of spatial dimensions of a case, 2 or 3."""
        return 2 if self.volumes is None else 3

    @property
    def expected_paths(self) -> tuple[str, ...]:
        """Folders, with a slash, or files in the data root that can hold the dataset."""
        folders = tuple(f"{name}/" for layout in self.layouts for name in layout.folders)
        return folders if self.archive is None else self.archive.files

    @property
    def diagram(self) -> str:
        """Short drawing of the layouts, or description of the file, for a user who creates it."""
        parts = self.layouts if self.archive is None else (self.archive,)
        return "\n".join(part.diagram for part in parts)

    @property
    def structure_count(self) -> int:
        """Number of mask classes without the background."""
        return (
            max(1, len(self.structures)) if self.volumes is None else len(self.volumes.structures)
        )

    def __post_init__(self) -> None:
        low, high = self.intensity_window or (0, 1)
        if low >= high:
            raise ValueError(
                f"dataset {self.name!r}: intensity_window {low} to {high} must be increasing"
            )
        if self.archive is not None and self.layouts:
            raise ValueError(f"dataset {self.name!r}: declare layouts or an archive, not both")
        if self.volumes is not None and self.channels != len(self.volumes.sequences):
            raise ValueError(f"dataset {self.name!r}: channels must equal the number of sequences")
        functions = [self.fov_detector] if self.fov_detector else []
        if self.phantom is not None:
            functions.append(self.phantom.render)
        _check_spec("dataset", self.name, *functions)


@dataclass(frozen=True, kw_only=True)
class MetricSpec:
    """Declaration of a metric.

    Attributes:
        name: Name in records and tables.
        title: Column heading.
        direction: Which way is better.
        implementation: ``"module:function"``, called with `MetricInputs`, `MaskInputs` or
            `PairedInputs`, depending on ``input_kind``, and with `parameters`.
        recipe: The definition in one line; a change to it requires a new name.
        parameters: Keyword arguments of the function, so that one function serves several metrics;
            JSON values.
        bounds: Smallest and largest possible value, None if unbounded.
        min_samples: Number of images per side below which it cannot be computed.
        recommended_samples: Number of images per side below which a value is reported with a
            warning; 0 for none.
        min_channels: Number of image channels, for volumes of sequences, that the data must have.
        small_sample_effect: What a value is with fewer images, in a few words.
        input_kind: ``"images"`` (image sets), ``"volumes"`` (volume sets), ``"masks"`` or
            ``"pairs"``.
        needs_held_out: Whether it needs real images that were held out of training.
        needs_graded_scores: Whether predicted masks of two values have no value, as for curves.
        weights_check: ``"module:function"`` that tries to get the pretrained weights and returns
            whether they are present; None if none are needed.
        fallback_metric: Name of the metric that is reported instead, under its own name, if the
            weights are unavailable.
        paper: Where it is defined.
    """

    name: str
    title: str
    direction: Direction
    implementation: str
    recipe: str
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)
    bounds: tuple[float | None, float | None] = (None, None)
    min_samples: int = 2
    recommended_samples: int = 0
    min_channels: int = 1
    small_sample_effect: str = "imprecise"
    input_kind: InputKind = "images"
    needs_held_out: bool = False
    needs_graded_scores: bool = False
    weights_check: str | None = None
    fallback_metric: str | None = None
    paper: Paper | None = None

    def __post_init__(self) -> None:
        _check_spec(
            "metric",
            self.name,
            self.implementation,
            *([self.weights_check] if self.weights_check else []),
        )

    @property
    def heading(self) -> str:
        """Column heading, with an arrow towards better."""
        return self.title + {"up": " ↑", "down": " ↓", "none": ""}[self.direction]


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """Declaration of a task: a way to evaluate a method.

    Attributes:
        name: Name on the command line.
        title: What it measures, in a few words.
        implementation: ``"module:Class"`` of the `Task`.
        capabilities: Capabilities of which the method must have one.
        metrics: Names of the default metrics.
        volume_metrics: Default metrics for volumes; empty if the task is for images only.
        input_kinds: Allowed values of its metrics' `MetricSpec.input_kind`.
        reference_split: The split that it compares with.
        regimes: Possible compositions of the training set, if that is what the task varies; keys
            of `REGIMES`.
        needs_samples: Whether it draws samples, so that their number is part of the protocol.
        parameters: Keyword arguments of its class.
    """

    name: str
    title: str
    implementation: str
    capabilities: frozenset[str]
    metrics: tuple[str, ...]
    volume_metrics: tuple[str, ...] = ()
    input_kinds: frozenset[InputKind] = frozenset({"images"})
    reference_split: str = "train"
    regimes: tuple[str, ...] = ()
    needs_samples: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_spec("task", self.name, self.implementation)


Spec = MethodSpec | DatasetSpec | MetricSpec | TaskSpec
