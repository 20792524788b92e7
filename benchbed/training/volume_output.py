"""Write generated volumes as NIfTI files."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from benchbed.api.types import Batch
from benchbed.data.feed import to_codes
from benchbed.files import whole
from benchbed.training.montage import Layer, montage
from benchbed.training.pictures import save_picture

SHOWN = 8
"""Number of volumes in the picture."""


def save_volumes(samples: Batch, folder: Path) -> None:
    """Write each volume as ``NNNN.nii.gz``, its mask as ``NNNN-mask.nii.gz``, and one picture.

    Files have the axes right, anterior, superior, and the sequences last. A voxel of the run's size
    has no size in millimetres, so 1 mm is written.
    """
    images = samples.image.detach().float().cpu().numpy()
    codes = None if samples.mask is None else to_codes(samples.mask)
    for number, image in enumerate(images):
        values = image.transpose(3, 2, 1, 0)
        _save(folder / f"{number:04d}.nii.gz", values[..., 0] if len(image) == 1 else values)
        if codes is not None:
            _save(folder / f"{number:04d}-mask.nii.gz", codes[number].transpose(2, 1, 0))
    labels = None if codes is None else codes[:SHOWN]
    save_picture(folder / "montage.png", montage([Layer(images[:SHOWN], labels, "contour")]))


def _save(path: Path, values: npt.NDArray[Any]) -> None:
    volume = nibabel.Nifti1Image(np.ascontiguousarray(values), np.eye(4))  # type: ignore[no-untyped-call]
    content = gzip.compress(volume.to_bytes())
    with whole(path) as temporary:
        temporary.write_bytes(content)
