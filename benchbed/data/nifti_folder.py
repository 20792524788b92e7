"""Any folder of volumes as a data set."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchbed.api.layouts import Layout, Part, Volumes
from benchbed.api.specs import DatasetSpec
from benchbed.data.collection import VOLUME_SUFFIXES
from benchbed.data.fingerprint import facts_of
from benchbed.data.patterns import listing
from benchbed.errors import BenchbedError

NAME = "nifti"
"""What such data sets are called, whatever their folder."""

PICTURE = (
    "  FOLDER/images/CASE.nii.gz   one file per case, 4-D for several sequences\n  "
    "FOLDER/masks/CASE.nii.gz    optional: 0 is background, 1, 2, ... are structures"
)


@lru_cache
def nifti_spec(folder: Path) -> DatasetSpec:
    """The spec of a folder of volumes; how many sequences and structures they have is looked up.

    What was found is kept with the other facts of the files: each is unpacked for them once.

    Args:
        folder: It holds ``images`` and, where there are any, ``masks``.

    Raises:
        BenchbedError: There is no volume in it, or a file does not read.
    """
    files = [name for name in listing(folder) if name.lower().endswith(VOLUME_SUFFIXES)]
    images = [name for name in files if name.startswith("images/")]
    masks = [name for name in files if name.startswith("masks/")]
    if not images:
        raise BenchbedError(f"No volumes found in {folder}. Expected layout:\n{PICTURE}")
    # Files that do not read are told, or left out, where every file is looked at.
    for name in images:
        (first,) = facts_of(NAME, [("image", folder / name)]).values()
        if "error" not in first:
            break
    else:
        raise BenchbedError(first["error"])
    sequences = int(first["shape"].partition("x")[0])
    codes = facts_of(NAME, [("mask", folder / name) for name in masks]).values()
    most = max((int(found["largest"]) for found in codes if "error" not in found), default=0)
    layout = Layout(
        folders=(folder.name,),
        parts=(Part(image="images/**/{id}.nii*", mask="masks/**/{id}.nii*" if masks else None),),
        picture=PICTURE,
    )
    return DatasetSpec(
        name=NAME,
        title=f"the folder {folder.name}",
        modality="volumes",
        licence="owned by the user",
        access="provided by the user.",
        layouts=(layout,),
        channels=sequences,
        volumes=Volumes(
            sequences=tuple(f"sequence {n}" for n in range(1, sequences + 1)),
            structures=tuple(f"structure {n}" for n in range(1, max(most, 1) + 1)),
            framing="cube",
        ),
    )
