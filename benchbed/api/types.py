"""Types shared by the harness and plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Losses: TypeAlias = "Mapping[str, Tensor]"
"""Return type of a training step: loss name -> scalar tensor, still on the device."""

LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in a grey value (luma of ITU-R BT.601)."""


@dataclass(frozen=True)
class CropWindow:
    """Crop of an image, in pixels; it may extend beyond the image."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class CropBox:
    """Crop of a volume in slices, rows and columns; it may extend beyond the volume."""

    start: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class DataShape:
    """The shape of the data that a method is built for.

    Attributes:
        channels: Image channels, 1 (grey) or 3 (RGB) for photographs, more for MRI sequences.
        spatial: Spatial size in pixels or voxels, ``(H, W)`` or ``(D, H, W)``.
        mask_channels: Channels of the mask; 0 if there are no masks.
        classes: Number of image-level classes; 0 if cases have no labels.
    """

    channels: int
    spatial: tuple[int, ...]
    mask_channels: int = 0
    classes: int = 0

    @property
    def dimensions(self) -> int:
        """Number of spatial dimensions, 2 or 3."""
        return len(self.spatial)

    @property
    def size(self) -> int:
        """The in-plane size in pixels (images are square in the plane)."""
        return self.spatial[-1]


@dataclass
class Batch:
    """Some cases as tensors on one device; the first axis of each counts the cases.

    Attributes:
        image: ``(B, C, H, W)`` or ``(B, C, D, H, W)``, float32 in [-1, 1].
        mask: ``(B, M, ...)`` with the image's spatial size, float32 in {-1, 1}, or None.
        fov: Field of view ``(B, 1, ...)``, float32 in {0, 1}, or None.
        label: ``(B,)`` int64 class indices, or None.
        extra: Further tensors by name: what the method derives from each image
            (see `Method.get_derived_arrays`), float32 in [-1, 1], or sampler outputs to show.
    """

    image: Tensor
    mask: Tensor | None = None
    fov: Tensor | None = None
    label: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.image.shape[0])

    def __getitem__(self, name: str) -> Tensor:
        """Return the derived tensor called `name`."""
        return self.extra[name]

    def iter_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the name and value of every tensor that is not None."""
        for name in ("image", "mask", "fov", "label"):
            value = getattr(self, name)
            if value is not None:
                yield name, value
        yield from self.extra.items()

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on another device."""
        return self.map_tensors(lambda _, tensor: tensor.to(device))

    def map_tensors(self, change: Callable[[str, Tensor], Tensor]) -> Batch:
        """Return a batch with `change`, called with name and value, applied to every tensor."""
        changed = {name: change(name, tensor) for name, tensor in self.iter_tensors()}
        extra = {name: changed.pop(name) for name in self.extra}
        return replace(self, **changed, extra=extra)
