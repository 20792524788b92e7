"""Values that cross the border between the harness and a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Losses: TypeAlias = "Mapping[str, Tensor]"
"""What a training step returns: loss name -> scalar tensor, still on the device."""


@dataclass(frozen=True)
class Window:
    """The part of a picture that is kept; it may reach beyond the picture's edge.

    Attributes:
        top: First row.
        left: First column.
        height: Rows.
        width: Columns.
    """

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Box:
    """The part of a volume that is kept; it may reach beyond the volume's edge.

    Attributes:
        start: First slice, row and column.
        shape: Slices, rows and columns.
    """

    start: tuple[int, int, int]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class DataShape:
    """The shape of the data that a method is built for.

    Attributes:
        channels: Image channels, 1 (grey) or 3 (RGB) for photographs, more for MRI sequences.
        spatial: Spatial size in pixels or voxels, ``(H, W)`` or ``(D, H, W)``.
        mask_channels: Channels of the mask that comes with an image; 0 where there is none.
        classes: Number of image-level classes; 0 where cases carry no label.
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
    """Some cases as tensors on the device; the first axis of each counts the cases.

    Attributes:
        image: ``(B, C, H, W)`` or ``(B, C, D, H, W)``, float32 in [-1, 1].
        mask: ``(B, M, ...)`` with the image's spatial size, float32 in {-1, 1}, or None.
        fov: Field of view ``(B, 1, ...)``, float32 in {0, 1}, or None.
        label: ``(B,)`` int64 class indices, or None.
        extra: Further tensors by name: what the method derives from each image
            (see `Method.derived`), float32 in [-1, 1], or what a sampler wants shown.
    """

    image: Tensor
    mask: Tensor | None = None
    fov: Tensor | None = None
    label: Tensor | None = None
    extra: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.image.shape[0])

    def __getitem__(self, name: str) -> Tensor:
        """The derived tensor called `name`."""
        return self.extra[name]

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that is there, with its name."""
        for name in ("image", "mask", "fov", "label"):
            value = getattr(self, name)
            if value is not None:
                yield name, value
        yield from self.extra.items()

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        return self.each(lambda _, tensor: tensor.to(device))

    def each(self, change: Callable[[str, Tensor], Tensor]) -> Batch:
        """The batch with every tensor changed.

        Args:
            change: From a tensor's name and the tensor to what takes its place.
        """
        changed = {name: change(name, tensor) for name, tensor in self.tensors()}
        extra = {name: changed.pop(name) for name in self.extra}
        return replace(self, **changed, extra=extra)


@dataclass(frozen=True)
class Figure:
    """A picture that a method has of its own.

    Attributes:
        rows: Images with masks, each to stand in a row.
        focus: Numbers of the structures that it is about; none for all of them.
    """

    rows: Batch
    focus: tuple[int, ...] = ()
