"""What the headers of all volume formats say, and the check before voxels are decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchbed.data.io.geometry import Affine
from benchbed.errors import BenchbedError

MAX_VOXELS = 2**30
"""Maximum number of voxels: a larger header is damaged; a whole-body CT has a quarter of this."""


@dataclass(frozen=True)
class VolumeHeader:
    """Header of a volume as it is stored.

    Attributes:
        shape: ``(X, Y, Z)``, ``(X, Y, Z, C)``, or rows and columns of a slice.
        affine: From voxels to millimetres (right, anterior, superior); None for a slice, since
            such headers carry no position.
    """

    shape: tuple[int, ...]
    affine: Affine | None


def check_header(path: Path, shape: tuple[int, ...], kind: np.dtype[Any]) -> None:
    """Raise if the header alone shows that a file is no volume.

    Raises:
        BenchbedError: The number of axes, their lengths, or the type of the voxels is wrong.
    """
    size = "x".join(map(str, shape))
    if len(shape) not in (2, 3, 4) or min(shape) < 1:
        raise BenchbedError(
            f"{path} has shape {size}. A volume needs three axes, or four with several "
            "sequences; a slice needs two."
        )
    if np.prod(shape, dtype=float) > MAX_VOXELS:
        raise BenchbedError(f"{path} declares the shape {size}, which is too large for a volume.")
    if kind.kind not in "iuf":
        raise BenchbedError(
            f"{path} contains RGB or complex values. A volume must contain real numbers."
        )
