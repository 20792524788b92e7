"""Dataset specs of MedMNIST: every set at every published size."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import ArrayArchive, DatasetSpec, DownloadSource, Paper, VolumeSpec, hookimpl
from benchbed_medmnist.metadata import NATIVE_SIZE, SetMetadata, SetSource, read_metadata

PAPER = Paper(
    key="yang2023-medmnist",
    authors="Yang, Shi, Wei, Liu, Zhao, Ke, Pfister, Ni",
    year=2023,
    title="MedMNIST v2 - A large-scale lightweight benchmark for 2D and 3D biomedical image "
    "classification",
    venue="Scientific Data 10, 41",
    url="https://doi.org/10.1038/s41597-022-01721-8",
)

FOLDER = "medmnist"
"""Folder of the data root that downloads are put into."""

# The package states it only in prose.
MODALITIES = {
    "pathmnist": "colon histology",
    "chestmnist": "chest radiography",
    "dermamnist": "dermatoscopy",
    "octmnist": "retinal optical coherence tomography",
    "pneumoniamnist": "chest radiography",
    "retinamnist": "fundus photography",
    "breastmnist": "breast ultrasound",
    "bloodmnist": "blood cell microscopy",
    "tissuemnist": "kidney cortex microscopy",
    "organamnist": "abdominal CT, axial slices",
    "organcmnist": "abdominal CT, coronal slices",
    "organsmnist": "abdominal CT, sagittal slices",
    "organmnist3d": "abdominal CT",
    "nodulemnist3d": "chest CT",
    "adrenalmnist3d": "shapes of adrenal glands from abdominal CT",
    "fracturemnist3d": "chest CT",
    "vesselmnist3d": "shapes of brain vessels from MR angiography",
    "synapsemnist3d": "electron microscopy",
}


def build_spec(metadata: SetMetadata, source: SetSource, homepage: str) -> DatasetSpec:
    """Build the spec of one set at one size.

    Args:
        metadata: The set.
        source: Its file of this size.
        homepage: Address of the project.
    """
    is_native = source.size == NATIVE_SIZE
    file = f"{metadata.name}{'' if is_native else f'_{source.size}'}.npz"
    volumes = VolumeSpec(sequences=("intensity",), structures=())
    return DatasetSpec(
        name=metadata.name if is_native else f"{metadata.name}-{source.size}",
        variant_of=None if is_native else metadata.name,
        title=f"{metadata.title}, {source.size} px",
        modality=MODALITIES.get(metadata.name, "biomedical images"),
        paper=PAPER,
        licence=metadata.licence,
        access_instructions=(
            f"download {source.url} and put it into the data root, or into its folder {FOLDER}, as "
            f"{file}. Homepage: {homepage}"
        ),
        archive=_build_archive(metadata, file),
        notes=_describe(metadata),
        downloads=(
            DownloadSource(url=source.url, md5=source.md5, target_folder=FOLDER, target_file=file),
        ),
        channels=metadata.channels,
        classes=() if metadata.is_multi_label else metadata.classes,
        volumes=volumes if metadata.is_three_dimensional else None,
    )


def _build_archive(metadata: SetMetadata, file: str) -> ArrayArchive:
    splits = metadata.case_counts
    labels = {} if metadata.is_multi_label else {split: f"{split}_labels" for split in splits}
    return ArrayArchive(
        files=(file, f"{FOLDER}/{file}"),
        images={split: f"{split}_images" for split in splits},
        labels=labels,
        case_counts=metadata.case_counts,
    )


def _describe(metadata: SetMetadata) -> str:
    notes = []
    if metadata.is_multi_label:
        notes.append(
            f"Every image has {len(metadata.classes)} labels that are present or absent "
            f"({', '.join(metadata.classes)}). They are not used, because a label here is one "
            "class."
        )
    if metadata.is_ordinal:
        notes.append("Labels are grades; they are used as classes, without their order.")
    if metadata.is_three_dimensional:
        notes.append(
            "The file states neither spacing nor orientation: voxels are cubes of 1 mm, and axes "
            "keep their order."
        )
    return " ".join(notes)


@hookimpl
def benchbed_datasets() -> Iterable[DatasetSpec]:
    """Return every set at every size.

    Raises:
        ModuleNotFoundError: The package medmnist is not installed; the registry reports it.
        ValueError: Its metadata have another form; the registry reports it.
    """
    metadata = read_metadata()
    return [
        build_spec(each, source, metadata.homepage)
        for each in metadata.sets
        for source in each.sources
    ]
