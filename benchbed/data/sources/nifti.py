"""Use any folder of volumes as a dataset."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from benchbed.api.dataset import Layout, LayoutPart, VolumeSpec
from benchbed.api.specs import DatasetSpec
from benchbed.data.io.formats import VOLUME_SUFFIXES
from benchbed.data.sources.fingerprint import compute_file_facts
from benchbed.data.sources.patterns import list_files
from benchbed.errors import BenchbedError

DATASET_NAME = "nifti"
"""Name of every such dataset."""

LAYOUT_DIAGRAM = (
    "  FOLDER/images/CASE.nii.gz   one file per case, 4-D for several sequences\n  "
    "FOLDER/masks/CASE.nii.gz    optional: 0 is background, 1, 2, ... are structures"
)


@lru_cache
def build_nifti_spec(folder: Path) -> DatasetSpec:
    """Build the spec of a folder of volumes: ``images`` and, optionally, ``masks``.

    Sequences and structures are counted in the files, whose facts are cached.

    Raises:
        BenchbedError: The folder has no volumes, or none can be read.
    """
    files = [name for name in list_files(folder) if name.lower().endswith(VOLUME_SUFFIXES)]
    images = [name for name in files if name.startswith("images/")]
    masks = [name for name in files if name.startswith("masks/")]
    if not images:
        raise BenchbedError(f"No volumes found in {folder}. Expected layout:\n{LAYOUT_DIAGRAM}")
    # Unreadable files are reported or skipped later, when all files are examined.
    for name in images:
        (first,) = compute_file_facts(DATASET_NAME, [("image", folder / name)]).values()
        if "error" not in first:
            break
    else:
        raise BenchbedError(first["error"])
    sequences = int(first["shape"].partition("x")[0])
    codes = compute_file_facts(DATASET_NAME, [("mask", folder / name) for name in masks]).values()
    count = max((int(entry["largest"]) for entry in codes if "error" not in entry), default=0)
    layout = Layout(
        folders=(folder.name,),
        parts=(
            LayoutPart(image="images/**/{id}.nii*", mask="masks/**/{id}.nii*" if masks else None),
        ),
        diagram=LAYOUT_DIAGRAM,
    )
    return DatasetSpec(
        name=DATASET_NAME,
        title=f"the folder {folder.name}",
        modality="volumes",
        licence="owned by the user",
        access_instructions="provided by the user.",
        layouts=(layout,),
        channels=sequences,
        volumes=VolumeSpec(
            sequences=tuple(f"sequence {n}" for n in range(1, sequences + 1)),
            structures=tuple(f"structure {n}" for n in range(1, max(count, 1) + 1)),
            framing="cube",
        ),
    )
