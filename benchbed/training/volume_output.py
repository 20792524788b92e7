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
from benchbed.files import write_atomically
from benchbed.training.montage import MontageLayer, draw_montage
from benchbed.training.pictures import save_picture

VOLUME_COUNT = 8
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
        _save_nifti(folder / f"{number:04d}.nii.gz", values[..., 0] if len(image) == 1 else values)
        if codes is not None:
            _save_nifti(folder / f"{number:04d}-mask.nii.gz", codes[number].transpose(2, 1, 0))
    labels = None if codes is None else codes[:VOLUME_COUNT]
    save_picture(folder / "montage.png", draw_montage([MontageLayer(images[:VOLUME_COUNT], labels, "contour")]))


def _save_nifti(path: Path, values: npt.NDArray[Any]) -> None:
    volume = nibabel.Nifti1Image(np.ascontiguousarray(values), np.eye(4))  # type: ignore[no-untyped-call]
    content = gzip.compress(volume.to_bytes())
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)
