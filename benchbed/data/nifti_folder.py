"""Use any folder of volumes as a dataset."""

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
"""Name of every such dataset."""

PICTURE = (
    "  FOLDER/images/CASE.nii.gz   one file per case, 4-D for several sequences\n  "
    "FOLDER/masks/CASE.nii.gz    optional: 0 is background, 1, 2, ... are structures"
)


@lru_cache
def nifti_spec(folder: Path) -> DatasetSpec:
    """Build the spec of a folder of volumes: ``images`` and, optionally, ``masks``.

    Sequences and structures are counted in the files, whose facts are cached.

    Raises:
        BenchbedError: The folder has no volumes, or none can be read.
    """
    files = [name for name in listing(folder) if name.lower().endswith(VOLUME_SUFFIXES)]
    images = [name for name in files if name.startswith("images/")]
    masks = [name for name in files if name.startswith("masks/")]
    if not images:
        raise BenchbedError(f"No volumes found in {folder}. Expected layout:\n{PICTURE}")
    # Unreadable files are reported or skipped later, when all files are examined.
    for name in images:
        (first,) = facts_of(NAME, [("image", folder / name)]).values()
        if "error" not in first:
            break
    else:
        raise BenchbedError(first["error"])
    sequences = int(first["shape"].partition("x")[0])
    codes = facts_of(NAME, [("mask", folder / name) for name in masks]).values()
    count = max((int(entry["largest"]) for entry in codes if "error" not in entry), default=0)
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
            structures=tuple(f"structure {n}" for n in range(1, max(count, 1) + 1)),
            framing="cube",
        ),
    )
